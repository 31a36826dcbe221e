"""What peers ask of a test process."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def heap_set_aside() -> Iterator[None]:
    """Holm's method in statsmodels collects garbage at every call, which takes a second or two in a session of many tests."""
    gc.freeze()
    yield
    gc.unfreeze()
