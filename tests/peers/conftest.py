"""Networks of other packages, against which ours are held: a job of its own, in an environment that has them.

    pip install -c constraints.txt -e '.[torch]' neuralforecast pytest pytest-timeout hypothesis
    pytest tests/peers

neuralforecast brings Ray, Lightning and more, so it is no part of the development environment; without it these tests skip.
"""

import importlib.util
import warnings

import pytest


@pytest.fixture(autouse=True)
def _peers() -> None:
    """Skip where the peers are missing; warnings of their own imports and constructors are not ours to mend."""
    if importlib.util.find_spec("neuralforecast") is None:
        pytest.skip("neuralforecast is not installed: see tests/peers/conftest.py for the line that installs it")
    warnings.simplefilter("ignore")
    import neuralforecast.models  # pyright: ignore[reportMissingImports] # noqa: F401
