"""What loading a bundle takes: seconds, and the memory that stays, measured in a child process that does nothing else.

`python -m barmill.bundles.benching.loading FOLDER` is the child.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from barmill.errors import BundleError

SECONDS = 300.0


def bench_loading(folder: Path) -> dict[str, float]:
    """`load_s`, `memory_mb` (what loading adds to the libraries) and `process_mb` (all), of the version in `folder`.

    Raises: BundleError where the child does not load it.
    """
    command = [sys.executable, "-P", "-m", "barmill.bundles.benching.loading", str(folder.absolute())]
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)  # noqa: PTH100 - strings, as the child takes them
    try:
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, timeout=SECONDS, check=True)
        return json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None) or b""
        last = (said.decode(errors="replace").strip().splitlines() or [str(error)])[-1]
        raise BundleError(str(folder), f"does not load in a process of its own: {last}") from error


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _measure(folder: Path) -> dict[str, Any]:
    """Load once to map libraries and compile kernels, let go, and load again: what comes then is the bundle's."""
    from barmill.bundles.bundle import Bundle

    before = _resident_mb()
    began = time.perf_counter()
    bundle = Bundle.load(folder)
    first = time.perf_counter() - began
    after = _resident_mb()
    began = time.perf_counter()
    again = Bundle.load(folder)
    seconds = time.perf_counter() - began
    assert again.digest == bundle.digest
    return {
        "first_load_s": round(first, 3),
        "load_s": round(seconds, 3),
        "memory_mb": round(after - before, 1),
        "process_mb": round(_resident_mb(), 1),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(Path(sys.argv[1]))))


__all__ = ["bench_loading"]
