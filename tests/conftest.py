"""What every test stands on: one thread per library, no ledger or cache of the user's, real data where it is."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a property compiles kernels, and a busy machine is no fault of the code.
settings.register_profile("barmill", settings(), deadline=None)
settings.load_profile("barmill")

# before any library that reads them is imported
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers and caches of a test go to its own folder, never to the user's."""
    state = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("BARMILL_LEDGER", str(state / "ledger"))
    monkeypatch.setenv("BARMILL_CACHE", str(state / "cache"))
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    graphs = session / "graphs"  # of pretrained networks, kept by content: each is cut once in a session
    graphs.mkdir(exist_ok=True)
    (state / "cache").mkdir()
    (state / "cache" / "graphs").symlink_to(graphs)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data; skips with the reason where it is missing."""
    beside = Path(__file__).parents[1] / "../shared/data"
    folder = Path(os.environ.get("BARMILL_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real market data at {folder}: set BARMILL_DATA")
    return folder
