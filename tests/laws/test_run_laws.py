"""Laws 6 and 8 on whole runs: same input, same output; killed at any moment, resumed to the identical result."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from barmill.factory import train
from barmill.pipeline import Run, Silence, plan_recipe

pytestmark = pytest.mark.xdist_group("the laws of a run")  # one process, which makes the run once

RECIPE = """
name: small
bars: {simulate: {n_bars: 9000, seed: 3, strength: 2.0}}
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 2}
splits: {embargo: 60}
base_models:
  - {name: logistic}
  - {name: lightgbm, config: {n_estimators: 30, num_leaves: 7}}
random_signals: 20
"""
WITH_NETWORK = RECIPE.replace(
    "random_signals: 20",
    "  - {name: lstm, config: {seq_len: 8, hidden_size: 8, num_layers: 1, epochs: 6, batch_size: 128}}\nrandom_signals: 20",
)


class Notes(Silence):
    def __init__(self):
        self.started_stages, self.sayings, self.plans = [], [], []

    def started(self, stage):
        self.started_stages.append(stage)

    def said(self, text):
        self.sayings.append(text)

    def planned(self, plan):
        self.plans.append(plan)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "small.yaml"
    file.write_text(WITH_NETWORK)
    return file


@pytest.fixture(scope="module")
def reference(recipe, tmp_path_factory, cache_in):
    """One run that nothing disturbs, in a process of its own: what other tests left in this one would count as the run's memory."""
    state, out = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("reference") / "run"
    own = {"BARMILL_LEDGER": str(state / "ledger"), "BARMILL_CACHE": cache_in(state)}
    command = [sys.executable, "-m", "barmill.cli", "train", str(recipe), "--out", str(out)]
    subprocess.run(command, env={**os.environ, **own}, check=True, capture_output=True)
    return Run(out)


def touched_by_logistic(*others: str) -> set[str]:
    """The stages that another parameter of the first model touches: a bundle holds the recipe, so all are made again."""
    own = {f"{step} logistic" for step in ("fit", "calibrate", "bundle", "forecast")}
    return own | {f"{step} {label}" for step in ("bundle", "forecast") for label in others} | {"judgement"}


def test_the_same_command_again_has_nothing_to_do(recipe, reference):
    notes = Notes()
    again = train(recipe, out=reference.folder, listener=notes)
    assert notes.started_stages == []
    assert any("nothing to do" in said for said in notes.sayings)
    assert all(planned.cached for planned in notes.plans[0].stages)
    assert again.fingerprints == reference.fingerprints


def test_only_what_a_change_touches_is_planned_again(recipe, reference):
    plan = plan_recipe(recipe, out=reference.folder, overrides=["base_models[0].config.C=0.5"])
    assert {planned.stage.name for planned in plan.to_do} == touched_by_logistic("lightgbm", "lstm")


def test_a_damaged_stage_is_computed_again_to_the_same_result(recipe, reference, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(reference.folder, copy, symlinks=True)
    file = next(copy.glob("models/logistic-*/weights/model.json"))
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    assert train(recipe, out=copy).fingerprints == reference.fingerprints


def test_every_run_stays_within_its_memory_plan(reference):
    timings = json.loads((reference.folder / "timings.json").read_bytes())
    assert 0 < timings["peak_memory_mb"] <= timings["estimated_memory_mb"]


MOMENTS = ["features", "fit lstm", "calibrate lstm", "forecast lstm", "judgement", "report"]  # shared stage, worker, judging, the end


def test_a_run_killed_at_every_moment_resumes_to_the_identical_result(recipe, reference, tmp_path):
    """One run, killed at each moment in turn: every start but the first goes on from what the last kill left."""
    out = tmp_path / "run"
    for moment in MOMENTS:
        resumed = ["--resume"] if out.exists() else []
        command = [sys.executable, "-m", "barmill.cli", "train", str(recipe), "--out", str(out), *resumed]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=dict(os.environ)) as process:
            assert process.stderr is not None
            reached = any(line.startswith(f"{moment} ...") for line in process.stderr)
            if moment == "fit lstm":  # in the middle of the fit, after some checkpoints
                deadline = time.monotonic() + 60
                while not list(out.glob(".scratch/models-lstm-*/*")) and time.monotonic() < deadline:
                    time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        assert reached, f"the run never said '{moment} ...'"
        assert not (out / "report.html").exists()
    assert train(recipe, out=out, resume=True).fingerprints == reference.fingerprints


WITHOUT_TORCH = """
import importlib.abc, sys


class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, NoTorch())
from barmill.factory import train
run = train(sys.argv[1], out=sys.argv[2])
print(run.bundle.forecast(run.bars).frame.height)
"""


@dataclass(frozen=True)
class Core:
    """A run without networks, made by a process that has no torch: how that ended, and what tells its ledger from others."""

    folder: Path
    ended: subprocess.CompletedProcess[str]
    own: dict[str, str]

    @property
    def recipe(self) -> Path:
        return self.folder.parent / "core.yaml"


@pytest.fixture(scope="module")
def core(tmp_path_factory, cache_in):
    folder = tmp_path_factory.mktemp("core")
    (folder / "core.yaml").write_text(RECIPE)
    own = {"BARMILL_LEDGER": str(folder / "ledger"), "BARMILL_CACHE": cache_in(folder)}
    command = [sys.executable, "-c", WITHOUT_TORCH, str(folder / "core.yaml"), str(folder / "run")]
    return Core(folder / "run", subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False), own)


def test_judging_never_imports_torch_and_the_core_runs_without_it(core):
    assert core.ended.returncode == 0, core.ended.stderr
    assert int(core.ended.stdout) > 0


def counted(run: Run) -> tuple[int, int]:
    ledger = run.judgement["ledger"]
    return ledger["trials"], ledger["test_openings"]


def test_the_ledger_counts_each_trial_once_and_each_opening_and_only_what_a_change_touches_is_computed_again(core, tmp_path, monkeypatch):
    for name, value in core.own.items():
        monkeypatch.setenv(name, value)
    first = Run(core.folder)
    assert counted(first) == (2, 1)
    copy = shutil.copytree(core.folder, tmp_path / "two", symlinks=True)
    shutil.rmtree(copy / "metrics")  # so that it looks at the test block for itself
    second = train(core.recipe, out=copy)
    assert second.fingerprints == first.fingerprints
    assert counted(second) == (2, 2)
    notes = Notes()
    assert counted(train(core.recipe, out=copy, overrides=["base_models[0].config.C=0.25"], listener=notes)) == (3, 3)
    assert {planned.stage.name for planned in notes.plans[0].to_do} == touched_by_logistic("lightgbm")
    assert set(notes.started_stages) == {*touched_by_logistic("lightgbm"), "report"}
