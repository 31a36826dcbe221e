"""The worker's side of `executor`: read the job, report as lines of JSON, end with the parent."""

import gc
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from barmill.errors import BarmillError
from barmill.pipeline.events import Plan

LONGEST_REASON = 300  # characters of an exception's words that the parent is told


class Teller:
    """A `Listener` that passes on to the parent process; progress at most ten times a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def planned(self, plan: Plan) -> None:
        return None

    def said(self, text: str) -> None:
        tell(event="said", text=text)

    def started(self, stage: str) -> None:
        tell(event="started", stage=stage)

    def progressed(self, stage: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if done >= total or now - self._last >= 0.1:
            self._last = now
            tell(event="progress", stage=stage, done=done, total=total, note=note)

    def finished(self, stage: str, seconds: float) -> None:
        tell(event="finished", stage=stage, seconds=seconds)


def tell(**event: Any) -> None:
    sys.__stdout__.write(json.dumps(event) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def work(job: Callable[[dict[str, Any], Teller], None]) -> None:
    """Run `job` on the JSON file named on the command line; exit code 0, or 1 after telling the error."""
    gc.freeze()  # the modules that are there stay; see how `executor` starts a worker
    gc.enable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout = sys.stderr  # what a library prints goes to the log
    try:
        job(json.loads(Path(sys.argv[1]).read_bytes()), Teller())
    except BarmillError as error:
        tell(event="error", kind=type(error).__name__, place=error.place, found=error.found, expected=error.expected, mend=error.mend)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  (the last rim of the process: the log gets the traceback, the parent its last line)
        traceback.print_exc()
        tell(event="crashed", reason=f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")[:LONGEST_REASON])
        sys.exit(1)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        continue
    os._exit(1)
