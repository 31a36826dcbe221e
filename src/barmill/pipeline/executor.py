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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import barmill.errors
from barmill.errors import BarmillError, TrainingError
from barmill.pipeline.events import Listener
from barmill.training.several_devices import WORKER_NUMBER

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
ONE_THREAD = dict.fromkeys(_THREAD_LIMITS, "1")


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a worker: `python -m module file`.

    name : str, what messages call it
    module : str, a worker module of ours
    file : Path, JSON that the module understands
    log : Path, where the worker's other output goes
    """

    name: str
    module: str
    file: Path
    log: Path


def run_jobs(jobs: Sequence[Job], workers: int, listener: Listener) -> None:
    """Run `jobs`, `workers` at a time, in order. The first failure stops the others and is raised."""
    waiting = list(jobs)
    running: dict[str, subprocess.Popen[bytes]] = {}
    numbers: dict[str, int] = {}
    lines: queue.Queue[tuple[str, bytes]] = queue.Queue()
    names = {job.name: job for job in jobs}
    failures: dict[str, BarmillError] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers and not failures:
                job = waiting.pop(0)
                numbers[job.name] = min(set(range(workers)) - {numbers[name] for name in running})
                running[job.name] = _start(job, numbers[job.name], lines)
            if failures and not running:
                break
            name, line = lines.get()
            if line:
                _tell(name, line, listener, failures)
                continue
            code = _ended(running.pop(name))
            if code != 0 and name not in failures:
                failures[name] = _crashed(names[name], code)
            if failures:
                waiting.clear()
                _stop(running)
    finally:
        _stop(running)
    if failures:
        raise next(iter(failures.values()))


def _start(job: Job, number: int, lines: "queue.Queue[tuple[str, bytes]]") -> subprocess.Popen[bytes]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", job.module, str(job.file)],
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


def _tell(name: str, line: bytes, listener: Listener, failures: dict[str, BarmillError]) -> None:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        listener.said(f"{name}: {line.decode(errors='replace').rstrip()}")
        return
    match event.get("event"):
        case "progress":
            listener.progressed(event["stage"], event["done"], event["total"], event["note"])
        case "started":
            listener.started(event["stage"])
        case "finished":
            listener.finished(event["stage"], event["seconds"])
        case "said":
            listener.said(event["text"])
        case _:
            kind = getattr(barmill.errors, event["kind"])
            failures[name] = kind(event["place"], event["found"], expected=event["expected"], mend=event["mend"])


def _crashed(job: Job, code: int) -> BarmillError:
    if code < 0:
        reason = f"its process was ended by {signal.Signals(-code).name}"
        mend = "If the machine ran out of memory, train on fewer bars or features. The same command goes on from the last checkpoint."
    else:
        reason, mend = f"its process ended with code {code}", f"What it said is in {job.log}."
    return TrainingError(job.name, reason, mend=mend)


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in running.values():
        process.terminate()
    for process in running.values():
        _ended(process)
    running.clear()
