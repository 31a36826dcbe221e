import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from barmill.errors import DataError, TrainingError
from barmill.pipeline.events import Silence
from barmill.pipeline.executor import Job, run_jobs

WORKER = """
import json, os, pathlib, signal, sys, time
from barmill.errors import DataError
from barmill.pipeline.worker import work

def job(raw, teller):
    teller.started(raw["name"])
    print("a library chatters", flush=True)
    match raw["do"]:
        case "refuse": raise DataError("bars", "no bars", expected="bars", mend="Give some.")
        case "crash": raise ZeroDivisionError
        case "die": os.kill(os.getpid(), signal.SIGKILL)
        case "sleep": time.sleep(60)
    pathlib.Path(raw["out"]).write_text(os.environ["BARMILL_WORKER"])
    teller.finished(raw["name"], 0.5)

work(job)
"""


class Notes(Silence):
    def __init__(self):
        self.told = []

    def started(self, stage):
        self.told.append(("started", stage))

    def finished(self, stage, seconds):
        self.told.append(("finished", stage, seconds))


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "planted_worker.py").write_text(WORKER)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def make(name, do):
        file = tmp_path / f"{name}.json"
        file.write_text(f'{{"name": "{name}", "do": "{do}", "out": "{tmp_path / name}.out"}}')
        return Job(name, "planted_worker", file, tmp_path / f"{name}.log")

    return make


def test_jobs_tell_and_finish(jobs, tmp_path: Path):
    notes = Notes()
    run_jobs([jobs("one", "work"), jobs("two", "work"), jobs("three", "work")], 2, notes)
    assert sorted(notes.told) == sorted(event for name in ("one", "two", "three") for event in (("started", name), ("finished", name, 0.5)))
    assert (tmp_path / "one.log").read_text() == "a library chatters\n"
    assert [(tmp_path / f"{name}.out").read_text() for name in ("one", "two")] == ["0", "1"]  # those at work have a number each
    assert (tmp_path / "three.out").read_text() in ("0", "1")


def test_an_error_crosses_the_process_whole(jobs):
    with pytest.raises(DataError) as error:
        run_jobs([jobs("one", "refuse")], 1, Silence())
    assert str(error.value) == "bars: no bars; expected bars. Give some."


def test_a_crash_names_the_stage_the_reason_and_the_log(jobs, tmp_path: Path):
    with pytest.raises(TrainingError, match=r"one: its process ended with code 1: ZeroDivisionError. What it said is in .*one.log"):
        run_jobs([jobs("one", "crash")], 1, Silence())
    assert "ZeroDivisionError" in (tmp_path / "one.log").read_text()


def test_a_killed_worker_is_told(jobs):
    with pytest.raises(TrainingError, match=r"one: its process was ended by SIGKILL. .*What it said is in .*one.log"):
        run_jobs([jobs("one", "die")], 1, Silence())


def test_the_first_failure_stops_the_others(jobs):
    began = time.monotonic()
    with pytest.raises(DataError):
        run_jobs([jobs("slow", "sleep"), jobs("bad", "refuse"), jobs("never", "work")], 2, Silence())
    assert time.monotonic() - began < 30


def test_a_fit_that_is_spared_ends_its_job_alone_and_is_returned(jobs, tmp_path: Path):
    given = [jobs("crashes", "crash"), jobs("dies", "die"), jobs("works", "work")]
    lost = run_jobs(given, 1, Silence(), {"crashes", "dies"})
    assert [(one.at, one.error.found, one.log) for one in lost] == [
        ("crashes", "its process ended with code 1: ZeroDivisionError", tmp_path / "crashes.log"),
        ("dies", "its process was ended by SIGKILL", tmp_path / "dies.log"),
    ]
    assert (tmp_path / "works.out").exists()


def test_what_is_wrong_with_the_input_is_never_spared(jobs):
    with pytest.raises(DataError):
        run_jobs([jobs("one", "refuse")], 1, Silence(), {"one"})


def test_workers_end_when_their_parent_is_killed(jobs, tmp_path: Path):
    job = jobs("slow", "sleep")
    script = f"""
import sys
from pathlib import Path
from barmill.pipeline.events import Silence
from barmill.pipeline.executor import Job, run_jobs
run_jobs([Job("slow", "planted_worker", Path({str(job.file)!r}), Path({str(job.log)!r}))], 1, Silence())
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    children: list[int] = []
    deadline = time.monotonic() + 30
    while not children and time.monotonic() < deadline:
        tasks = Path(f"/proc/{parent.pid}/task").glob("*/children")
        children = [int(pid) for task in tasks for pid in task.read_text().split()]
    # once its log is there the worker sleeps, and says nothing that a broken pipe could stop
    while not job.log.exists() or not job.log.read_text():
        assert time.monotonic() < deadline
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(_lives(pid) for pid in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
