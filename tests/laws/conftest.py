"""What laws of bundles stand on: those that the tests of bundles make."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def making():
    """The module tests/bundles/making.py, shared with the tests there."""
    name = "barmill_making"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / "making.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
