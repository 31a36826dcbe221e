"""What every test stands on: one thread per library, no ledger or cache of the user's, real data where it is."""

import gc
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a property compiles kernels, and a busy machine is no fault of the code.
settings.register_profile("barmill", settings(), deadline=None)
settings.load_profile("barmill")

# before any library that reads them is imported
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


def pytest_collection_finish() -> None:
    """What all tests and their libraries are made of lives to the end: a collection of garbage need not look at it, which takes 0.7 s."""
    gc.freeze()


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new name for each test's state; pytest's own numbered folders are counted anew each time, which adds up over thousands."""
    root = tmp_path_factory.mktemp("states")
    return (root / str(number) for number in count())


@pytest.fixture(scope="session")
def cache_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Makes a cache in a folder, for `BARMILL_CACHE`: `patch.setenv("BARMILL_CACHE", cache_in(folder))`.

    What a session, of however many workers, need do but once is shared, by content: the graphs that were cut of pretrained
    networks, and that a bundle passed its first load, which takes a process. Tests of the first load set a cache without it.
    """
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    shared = [session / kind for kind in ("graphs", "verified")]
    for folder in shared:
        folder.mkdir(exist_ok=True)

    def make(folder: Path) -> str:
        cache = folder / "cache"
        if not cache.exists():
            cache.mkdir(parents=True)
            for kept in shared:
                (cache / kept.name).symlink_to(kept)
        return str(cache)

    return make


@pytest.fixture(scope="session", autouse=True)
def _session_state(tmp_path_factory: pytest.TempPathFactory, cache_in: Callable[[Path], str]) -> Iterator[None]:
    """What fixtures make that live longer than a test goes to a folder of the session, never to the user's."""
    state = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(state / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(state))
        yield


@pytest.fixture(autouse=True)
def _own_state(_states: Iterator[Path], cache_in: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers and caches of a test go to its own folder, never to the user's."""
    state = next(_states)
    monkeypatch.setenv("BARMILL_LEDGER", str(state / "ledger"))
    monkeypatch.setenv("BARMILL_CACHE", cache_in(state))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data; skips with the reason where it is missing."""
    beside = Path(__file__).parents[1] / "../shared/data"
    folder = Path(os.environ.get("BARMILL_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real market data at {folder}: set BARMILL_DATA")
    return folder
