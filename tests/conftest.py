"""What every test stands on: one thread per library, no ledger or cache of the user's, real data where it is."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a property compiles kernels, and a busy machine is no fault of the code.
settings.register_profile("barmill", settings(), deadline=None)
settings.load_profile("barmill")

# before any library that reads them is imported
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new name for each test's state; pytest's own numbered folders are counted anew each time, which adds up over thousands."""
    root = tmp_path_factory.mktemp("states")
    return (root / str(number) for number in count())


@pytest.fixture(scope="session")
def _graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where graphs of pretrained networks are kept by content: each is cut once in a session."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    graphs = session / "graphs"
    graphs.mkdir(exist_ok=True)
    return graphs


@pytest.fixture(autouse=True)
def _own_state(_states: Iterator[Path], _graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers and caches of a test go to its own folder, never to the user's."""
    state = next(_states)
    monkeypatch.setenv("BARMILL_LEDGER", str(state / "ledger"))
    monkeypatch.setenv("BARMILL_CACHE", str(state / "cache"))
    (state / "cache").mkdir(parents=True)
    (state / "cache" / "graphs").symlink_to(_graphs)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data; skips with the reason where it is missing."""
    beside = Path(__file__).parents[1] / "../shared/data"
    folder = Path(os.environ.get("BARMILL_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real market data at {folder}: set BARMILL_DATA")
    return folder
