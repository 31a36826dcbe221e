"""Runs jobs in processes of their own: one thread each, progress as lines of JSON, and no orphans.

Two processes of one thread beat one of two threads, and a result then cannot depend on how many threads there were.
A worker reads its job from a file and ends when its standard input closes, which happens however the parent ends. Its
number among those at work stands in its environment, and by it models that are fitted side by side take different GPUs.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import barmill.errors
from barmill.errors import BarmillError, ForecastError, TrainingError
from barmill.pipeline.events import Listener
from barmill.training.several_devices import WORKER_NUMBER

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
ONE_THREAD = dict.fromkeys(_THREAD_LIMITS, "1")
# As `python -m` does, but without the garbage collector until `work` begins: it would look through the modules again and again while they
# are imported, for a sixth of what a small fit takes, and they are no garbage.
_START = "import gc, runpy, sys; gc.disable(); runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
OF_A_FIT = (TrainingError, ForecastError)  # what a fit can end with; anything else is wrong with what was given, or with the machine


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a worker: as by `python -m module file`.

    name : str, what messages call it
    module : str, a worker module of ours
    file : Path, JSON that the module understands
    log : Path, where the worker's other output goes
    """

    name: str
    module: str
    file: Path
    log: Path


@dataclass(frozen=True, slots=True)
class Failure:
    """A fit that went wrong, without which the caller goes on.

    at : str, the stage at which its job was, or the job's name where it had begun none
    error : what it ended with
    log : Path, what the worker said
    """

    at: str
    error: BarmillError
    log: Path


def run_jobs(jobs: Sequence[Job], workers: int, listener: Listener, spared: Collection[str] = ()) -> list[Failure]:
    """Run `jobs`, `workers` at a time, in order. The first failure stops the others and is raised.

    spared : names of stages and of jobs whose fit may go wrong: that ends its job alone, and is returned
    """
    waiting = list(jobs)
    running: dict[str, subprocess.Popen[bytes]] = {}
    numbers: dict[str, int] = {}
    lines: queue.Queue[tuple[str, bytes]] = queue.Queue()
    told = {job.name: _Told(job) for job in jobs}
    lost: list[Failure] = []
    fatal: BarmillError | None = None
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                numbers[job.name] = min(set(range(workers)) - {numbers[name] for name in running})
                running[job.name] = _start(job, numbers[job.name], lines)
            name, line = lines.get()
            if line:
                told[name].hear(line, listener)
                continue
            code = _ended(running.pop(name))
            failure = told[name].failure(code)
            if failure is None:
                continue
            if failure.at in spared and isinstance(failure.error, OF_A_FIT):
                lost.append(failure)
                continue
            fatal = failure.error
            break
    finally:
        _stop(running)
    if fatal is not None:
        raise fatal
    return lost


def _start(job: Job, number: int, lines: "queue.Queue[tuple[str, bytes]]") -> subprocess.Popen[bytes]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, job.module, str(job.file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **ONE_THREAD, WORKER_NUMBER: str(number)},
        )

    threading.Thread(target=_read, args=(job.name, process, lines), daemon=True).start()
    return process


def _read(name: str, process: subprocess.Popen[bytes], lines: "queue.Queue[tuple[str, bytes]]") -> None:
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.put((name, line))
    lines.put((name, b""))


def _ended(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    assert process.stdin is not None
    process.stdin.close()
    return code


class _Told:
    """What the worker of one job said of itself so far."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.at = job.name
        self.error: BarmillError | None = None
        self.crash = ""

    def hear(self, line: bytes, listener: Listener) -> None:
        """Pass on what is meant for people, and keep what says how the job ends."""
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            listener.said(f"{self.job.name}: {line.decode(errors='replace').rstrip()}")
            return
        match event.get("event"):
            case "progress":
                listener.progressed(event["stage"], event["done"], event["total"], event["note"])
            case "started":
                self.at = event["stage"]
                listener.started(event["stage"])
            case "finished":
                self.at = self.job.name
                listener.finished(event["stage"], event["seconds"])
            case "said":
                listener.said(event["text"])
            case "crashed":
                self.crash = event["reason"]
            case _:
                kind = getattr(barmill.errors, event["kind"])
                self.error = kind(event["place"], event["found"], expected=event["expected"], mend=event["mend"])

    def failure(self, code: int) -> Failure | None:
        """How the job failed, whose process ended with `code`; None if it did not."""
        if self.error is not None:
            return Failure(self.at, self._placed(self.error), self.job.log)
        return Failure(self.at, self._crashed(code), self.job.log) if code != 0 else None

    def _placed(self, error: BarmillError) -> BarmillError:
        """Of a fit also the stage and the log: what went wrong is seldom the caller's to know otherwise."""
        if not isinstance(error, OF_A_FIT):
            return error
        place = self.at if not error.place or error.place in self.at else f"{self.at}, {error.place}"
        return type(error)(place, error.found, expected=error.expected, mend=f"{error.mend} {self._log}".lstrip())

    def _crashed(self, code: int) -> TrainingError:
        if code < 0:
            mend = "If the machine ran out of memory, train on fewer bars or features. The same command goes on from the last checkpoint."
            return TrainingError(self.at, f"its process was ended by {signal.Signals(-code).name}", mend=f"{mend} {self._log}")
        why = f": {self.crash}" if self.crash else ""
        return TrainingError(self.at, f"its process ended with code {code}{why}", mend=self._log)

    @property
    def _log(self) -> str:
        return f"What it said is in {self.job.log}."


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in running.values():
        process.terminate()
    for process in running.values():
        _ended(process)
    running.clear()
