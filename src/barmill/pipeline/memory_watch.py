"""Measures what the memory plan promised: the resident memory of this process and its workers together."""

import os
import threading
from pathlib import Path


class MemoryWatch:
    """While the block runs, samples the proportional set size of the process tree; `peak_mb` is the most that was seen."""

    def __init__(self, every_seconds: float = 0.25) -> None:
        self.peak_mb = 0
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.peak_mb = max(self.peak_mb, sum(_pss_kb(pid) for pid in _tree()) // 1024)
            self._stop.wait(self._every)


def _tree() -> list[int]:
    pids = [os.getpid()]
    for task in Path("/proc/self/task").iterdir():
        try:
            pids += [int(pid) for pid in (task / "children").read_text().split()]
        except OSError:  # a thread that ended while we looked
            continue
    return pids


def _pss_kb(pid: int) -> int:
    """Memory of a process with shared pages divided among their users (memory-mapped features count once)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # a worker that ended while we looked
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
