"""The first load of a bundle on a machine: in a child process, with limits, so that weights that crash take nobody along.

Digests prove that bytes are those that were published, not that a library survives them: a damaged LightGBM text crashes
the process that parses it, and 65 bytes of ONNX can ask for 32 GiB. So a bundle whose digest is not in the cache is loaded
and replayed by a child first; one that fails is refused here, with the reason, until its mark is removed.

`python -m barmill.bundles.first_load FOLDER DIGEST` is the child.
"""

import importlib.metadata
import json
import os
import platform
import resource
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import barmill
from barmill.artefacts import cache_folder, canonical_json, sha256, write_json
from barmill.bundles.folder import VerifiedFiles, read_version
from barmill.bundles.manifest import PARTS
from barmill.errors import BarmillError, BundleError, SetupError, StorageError

MEMORY_BYTES = 8 << 30  # address space; loading a model takes under 1 GiB beyond what the libraries have mapped
CPU_SECONDS = 30
WALL_SECONDS = 30.0
START_SECONDS = 300.0  # imports, and compiling the feature kernels for the first time: our code, of the bundle only its plan
PLAN_BYTES = 4 << 20  # a plan that is larger is no plan
_READY = b"ready\n"
_LIBRARIES = ("lightgbm", "numpy", "onnxruntime", "polars", "safetensors", "xgboost-cpu", "xgboost")


class _Answer(NamedTuple):
    """What became of the child: it crashed (or hit a limit), or it told a problem (none: empty)."""

    crashed: bool
    problem: str


def pass_first_load(verified: VerifiedFiles) -> str:
    """Whether the bundle may be loaded here: empty if it has been before, or was now by a child process without complaint.

    Otherwise what our own checks refused it for, in the child; they will refuse it here likewise, with an error of its own type.
    Raises BundleError if the child crashed or ran out of its limits, now or before: then nothing here may touch the bundle.
    """
    place, passed, failed = str(verified.folder), _mark("verified", verified.digest), _mark("quarantined", verified.digest)
    if passed.exists():
        return ""
    if failed.exists():
        mend = f"Publish it again from its run; remove {failed} to try this one once more."
        raise BundleError(place, f"is quarantined: {_reason(failed)}", mend=mend)
    answer = _load_in_child(verified)
    if answer.crashed:
        _write(failed, {"bundle": place, "reason": answer.problem})
        mend = "It is quarantined; publish it again from its run."
        raise BundleError(place, f"failed its first load, in a child process: {answer.problem}", mend=mend)
    if not answer.problem:
        _write(passed, {"bundle": place})
    return answer.problem


def _mark(kind: str, digest: str) -> Path:
    """The mark of a bundle under these libraries: another version of one may load, or crash, where this one does not."""
    return cache_folder() / kind / f"{digest}-{_environment()[:12]}.json"


def _environment() -> str:
    versions: dict[str, str] = {"barmill": barmill.__version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = ""
    return sha256(canonical_json(versions))


def _reason(mark: Path) -> str:
    try:
        return str(json.loads(mark.read_bytes())["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return "the reason cannot be read"


def _write(mark: Path, content: dict[str, str]) -> None:
    try:
        write_json(mark, content)
    except StorageError:
        # A machine without a cache folder pays with a child process at every load; that is no reason to refuse the bundle.
        return


def _load_in_child(verified: VerifiedFiles) -> _Answer:
    if not sys.executable:
        raise SetupError("python", "its program cannot be found", mend="Run Barmill with an ordinary Python.")
    root = str(Path(barmill.__file__).parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"), "1")
    # -P: a file in the current folder must not pass for one of our modules.
    command = [sys.executable, "-P", "-m", "barmill.bundles.first_load", str(verified.folder.absolute()), verified.digest]
    environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        try:
            said, errors, late = _listen(child)
        finally:
            child.kill()
        code = child.wait()
    if late:
        return _Answer(True, late)
    answer = said.partition(_READY)[2]
    if code == 0 and answer:
        return _Answer(**json.loads(answer))
    return _Answer(True, _crash(code, errors))


def _listen(child: "subprocess.Popen[bytes]") -> tuple[bytes, bytes, str]:
    """What the child says until it ends, and why it was cut short; its time begins to count when it says that it is ready."""
    assert child.stdout is not None
    assert child.stderr is not None
    said: dict[Any, bytes] = {child.stdout: b"", child.stderr: b""}
    deadline, allowed = time.monotonic() + START_SECONDS, START_SECONDS
    with selectors.DefaultSelector() as selector:
        for stream in said:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            events = selector.select(max(deadline - time.monotonic(), 0))
            if not events:
                return said[child.stdout], said[child.stderr], f"it had not finished after {allowed:g} s"
            for key, _ in events:
                piece = os.read(key.fd, 1 << 16)
                if not piece:
                    selector.unregister(key.fileobj)
                said[key.fileobj] = (said[key.fileobj] + piece)[-(1 << 16) :]
            if allowed == START_SECONDS and said[child.stdout].startswith(_READY):
                deadline, allowed = time.monotonic() + WALL_SECONDS, WALL_SECONDS
    return said[child.stdout], said[child.stderr], ""


def _crash(code: int, errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    last = "".join(letter for letter in lines[-1] if letter.isprintable())[:500] if lines else "it said nothing"
    if code < 0:
        name = signal.Signals(-code).name
        more = f" (more than {CPU_SECONDS} s of processor time)" if name == "SIGXCPU" else ""
        return f"it was ended by {name}{more}; its last words: {last}"
    return f"it ended with code {code}; its last words: {last}"


def _limit() -> None:
    """Bound what the bundle may take from here on. No core dumps: they would be gigabytes."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound if what != resource.RLIMIT_CPU else hard))


def _warm(plan: Path) -> None:
    """Compile what the bundle's features, views, trees and streams need, which may take longer than a load is given."""
    from barmill.bundles.warming import warm_forecasts
    from barmill.features import FeaturePlan, warm_kernels

    warm_forecasts()
    try:
        if plan.stat().st_size <= PLAN_BYTES:
            warm_kernels(features=FeaturePlan.from_json(json.loads(plan.read_bytes())).features)
    except (BarmillError, OSError, ValueError, AttributeError, RecursionError):
        return  # whatever is wrong with it, the load says so


def main(folder: str, digest: str) -> None:
    """The child: load and replay the bundle within limits, and say on standard output what went wrong."""
    from barmill.bundles.bundle import Bundle

    _warm(Path(folder) / PARTS["features"])
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    _limit()
    answer = _Answer(False, "")
    try:
        verified = read_version(Path(folder))
        if verified.digest != digest:
            answer = _Answer(False, "it was replaced while it was loaded")
        else:
            Bundle.from_verified(verified)
    except BarmillError as error:
        answer = _Answer(False, str(error))
    except MemoryError:
        answer = _Answer(True, f"it asked for more than {MEMORY_BYTES >> 30} GiB of memory")
    sys.stdout.buffer.write(canonical_json(answer._asdict()))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:3])
