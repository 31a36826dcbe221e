"""Examples in docstrings give what they show."""

import doctest
import importlib
import pkgutil

import pytest

import barmill

NEEDS_TORCH = (
    "barmill.training",
    "barmill.models.heads",
    "barmill.models.network_loss",
    "barmill.models.network_fit",
    "barmill.models.onnx_export",
)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(barmill.__path__, "barmill.")
    if not module.name.startswith(NEEDS_TORCH) and not module.name.endswith("__main__")
)


def _cases(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if error.name in ("torch", "onnx", "onnxscript", "tensorboardX"):
            return []
        raise
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


CASES = [pytest.param(case, id=case.name) for name in MODULES for case in _cases(name)]


@pytest.mark.parametrize("case", CASES)
def test_docstring_example(case):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    told: list[str] = []
    runner.run(case, out=told.append)
    assert runner.failures == 0, "".join(told)


def test_there_are_examples_to_run():
    assert len(CASES) >= 3
