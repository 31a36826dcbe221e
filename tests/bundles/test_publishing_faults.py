"""Publishing is killed, and refused by the disk, at each of its system calls: one kind of call at a time, each reached.

After every fault: each visible version is whole, the pointer points at a whole version or is absent, the same publish run
again succeeds, and nothing is left in staging. (`openat` is not injected: a naive count of it ends while Python is still
importing, and proves nothing.)
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import barmill
from barmill.bundles.folder import POINTER, VERSION_NAME, inspect, read_pointer
from barmill.bundles.publishing import publish

CALLS = ("write", "fsync", "mkdir", "rename", "flock", "unlink", "unlinkat", "rmdir")
SHIM_CALLS = ("fsync", "mkdir", "rename", "replace", "open", "close")  # in the process: the functions of `os` that publishing calls
MODEL = "m"
_CHILD = Path(__file__).with_name("publishing_child.py")
_ROOT = Path(barmill.__file__).parents[1]


def _command(source: Path, repository: Path, *more: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-B", str(_CHILD), str(_ROOT), str(source), str(repository), MODEL, *more]


def _strace(log: Path, options: list[str], command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["strace", "-f", "-y", "-o", str(log), *options, *command], capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def strace_works(tmp_path_factory: pytest.TempPathFactory) -> bool:
    log = tmp_path_factory.mktemp("strace") / "log"
    try:
        done = _strace(log, ["-e", "trace=write", "-e", "inject=write:signal=KILL:when=1"], [sys.executable, "-I", "-S", "-c", "print(1)"])
    except FileNotFoundError:
        return False
    return log.exists() and "killed by SIGKILL" in log.read_text() and done.returncode != 0


@pytest.fixture
def source(sealed, tmp_path: Path) -> Path:
    """The new bundle's files, for the child to publish."""
    folder = tmp_path / "source"
    _lay(folder, sealed("new"))
    return folder


def _lay(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def _repository(place: Path, sealed, *, state: str) -> Path:
    """A repository before the fault: empty, with an older version, or with an older version and a killed publisher's rest."""
    if state != "empty":
        publish(sealed("old"), place, MODEL)
    if state == "littered":
        _lay(place / MODEL / ".staging" / "0123", {"manifest.json": b"half", "weights/model.json": b""})
        (place / MODEL / f".{POINTER}.0123.partial").write_bytes(b"{")
    return place


def _invariants(repository: Path) -> None:
    """What must hold after any fault, before anything is mended."""
    folder = repository / MODEL
    versions = [path for path in folder.iterdir() if VERSION_NAME.fullmatch(path.name)] if folder.exists() else []
    for version in versions:
        assert inspect(version).problems == ()
    if (folder / POINTER).exists():
        number, digest, _ = read_pointer(folder)
        assert inspect(folder / str(number)).digest == digest


def _recovers(repository: Path, files: dict[str, bytes]) -> None:
    version = publish(files, repository, MODEL)
    assert inspect(version).problems == ()
    assert read_pointer(repository / MODEL)[0] == int(version.name)
    assert list((repository / MODEL / ".staging").iterdir()) == []
    assert sorted(path.name for path in (repository / MODEL).iterdir() if path.name.startswith(f".{POINTER}")) == []
    assert publish(files, repository, MODEL) == version


def _points(log: Path, source: Path, repository: Path) -> dict[str, int]:
    """How often an undisturbed publish makes each call."""
    done = _strace(log, ["-e", f"trace={','.join(CALLS)}"], _command(source, repository))
    assert done.returncode == 0, done.stderr.decode()
    text = log.read_text()
    return {call: len(re.findall(rf"^\d+ +{call}\(", text, re.MULTILINE)) for call in CALLS}


def test_a_kill_at_any_call_leaves_the_old_or_the_new(sealed, source: Path, tmp_path: Path, strace_works: bool) -> None:
    if not strace_works:
        pytest.skip("strace may not trace here; the in-process matrix below holds the law")
    files = sealed("new")
    counts = _points(tmp_path / "log", source, _repository(tmp_path / "count", sealed, state="littered"))
    assert counts["write"] >= len(files) + 1
    assert counts["fsync"] >= len(files) + 3
    assert counts["rename"] == 2
    for call, count in counts.items():
        for number in range(1, count + 2):
            repository = _repository(tmp_path / f"{call}{number}", sealed, state="littered")
            options = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
            done = _strace(tmp_path / "log", options, _command(source, repository))
            killed = "killed by SIGKILL" in (tmp_path / "log").read_text()
            assert killed == (number <= count), f"{call} {number} of {count}"
            assert (done.returncode == 0) == (not killed)
            _invariants(repository)
            assert read_pointer(repository / MODEL)[0] in (1, 2)
            _recovers(repository, files)


@pytest.mark.parametrize(("error", "calls"), [("ENOSPC", ("write", "mkdir")), ("EIO", ("fsync", "rename"))])
def test_a_disk_that_refuses_any_call_is_told_clearly_and_leaves_nothing_half_written(
    sealed, source: Path, tmp_path: Path, strace_works: bool, error: str, calls: tuple[str, ...]
) -> None:
    if not strace_works:
        pytest.skip("strace may not trace here; the in-process matrix below holds the law")
    files = sealed("new")
    counts = _points(tmp_path / "log", source, _repository(tmp_path / "count", sealed, state="empty"))
    counts["mkdir"] -= 1  # the last one asks for the model's folder, which is there by then: a refusal changes nothing
    for call in calls:
        for number in range(1, counts[call] + 1):
            repository = _repository(tmp_path / f"{call}{number}", sealed, state="empty")
            options = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"]
            done = _strace(tmp_path / "log", options, _command(source, repository))
            assert "INJECTED" in (tmp_path / "log").read_text(), f"{call} {number}"
            assert done.returncode == 1, f"{call} {number}"
            assert "StorageError" in done.stderr.decode().splitlines()[-1]
            assert "cannot be written: " in done.stderr.decode().splitlines()[-1]
            _invariants(repository)
            staging = repository / MODEL / ".staging"
            assert not staging.exists() or list(staging.iterdir()) == [], f"{call} {number}"
            _recovers(repository, files)


def test_an_end_at_any_call_in_the_process_leaves_the_old_or_the_new(sealed, source: Path, tmp_path: Path) -> None:
    files = sealed("new")
    for call in SHIM_CALLS:
        for number in range(1, 100):
            repository = _repository(tmp_path / f"{call}{number}", sealed, state="littered" if number % 2 else "old")
            done = subprocess.run(_command(source, repository, call, str(number)), capture_output=True, timeout=60, check=False)
            assert done.returncode in (0, 137), done.stderr.decode()
            _invariants(repository)
            _recovers(repository, files)
            if done.returncode == 0:
                break
        assert number > (1 if call in ("rename", "replace") else 3), f"{call} was never reached"


def test_every_file_and_folder_is_flushed_before_the_rename_and_the_parent_after_it(
    sealed, source: Path, tmp_path: Path, strace_works: bool
) -> None:
    if not strace_works:
        pytest.skip("strace may not trace here")
    repository = tmp_path / "repository"
    done = _strace(tmp_path / "log", ["-e", "trace=write,fsync,rename"], _command(source, repository))
    assert done.returncode == 0, done.stderr.decode()
    lines = (tmp_path / "log").read_text().splitlines()
    events = [(m[1], m[2]) for line in lines if (m := re.search(r'(write|fsync|rename)\((?:\d+<)?"?([^">,]+)', line))]
    renames = [place for place, (call, _) in enumerate(events) if call == "rename"]
    assert len(renames) == 2
    folder = str(repository / MODEL)
    for rename in renames:
        target = events[rename][1]
        below = [path for call, path in events[:rename] if call == "write" and path.startswith(target)]
        flushed = [path for call, path in events[:rename] if call == "fsync"]
        assert below
        assert set(below) <= set(flushed)
        assert events[rename + 1] == ("fsync", folder)
    staging = events[renames[0]][1]
    assert {staging, f"{staging}/weights"} <= {path for call, path in events[: renames[0]] if call == "fsync"}
    last_write = {path: place for place, (call, path) in enumerate(events) if call == "write"}
    last_flush = {path: place for place, (call, path) in enumerate(events) if call == "fsync"}
    assert all(last_flush[path] > place for path, place in last_write.items() if path.startswith(folder))


def test_the_publisher_imports_nothing_heavy(source: Path, tmp_path: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); import barmill.bundles.publishing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", script, str(_ROOT)], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("barmill")}
    assert ours == {
        "barmill",
        "barmill.artefacts",
        "barmill.bundles",
        "barmill.bundles.folder",
        "barmill.bundles.manifest",
        "barmill.bundles.manifest_rules",
        "barmill.bundles.publishing",
        "barmill.bundles.strict_json",
        "barmill.errors",
    }
    assert not {"numpy", "polars", "numba", "pydantic"} & set(done.stdout.split())
