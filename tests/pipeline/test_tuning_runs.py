"""Whole small tunings: killed and resumed, from the command line, and inside a run."""

import json
import os
import signal
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

import barmill as bm
from barmill.cli.__main__ import app
from barmill.errors import RecipeError, TrainingError
from barmill.evaluation import Ledger
from barmill.pipeline import Silence
from barmill.pipeline.dataset import load_bars
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.recipe_reading import read_recipe
from barmill.pipeline.tuning.tuning_run import tune_recipe

pytest.importorskip("optuna")

RECIPE = """
name: small
bars: {simulate: {n_bars: 5000, seed: 3, strength: 2.5}}
features: {timeframes: [1m]}
labels: {horizon: 20, atr_window: 30, every: 5}
splits: {embargo: 40, purge: 20}
base_models: [{name: logistic, config: {max_iter: 20}}]
tune: {trials: 30, folds: 2}
random_signals: 20
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE)
    return tmp_path


class Killing(Silence):
    """Kills the worker that tunes, once it has told of so many trials."""

    def __init__(self, after: int) -> None:
        self.after = after

    def progressed(self, stage: str, done: int, total: int, note: str) -> None:
        if stage.startswith("tune") and done >= self.after:
            for task in Path("/proc/self/task").iterdir():
                for child in (task / "children").read_text().split():
                    if b"tuning.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGKILL)


def test_a_tuning_of_30_trials_that_is_killed_is_resumed_and_counted_as_30(place, monkeypatch):
    monkeypatch.setenv("BARMILL_LEDGER", str(place / "whole-ledger"))
    whole = tune_recipe(place / "small.yaml", out=place / "whole")
    monkeypatch.setenv("BARMILL_LEDGER", str(place / "ledger"))
    with pytest.raises(TrainingError, match="ended by SIGKILL"):
        tune_recipe(place / "small.yaml", out=place / "killed", listener=Killing(11))
    ledger = Ledger.of(_fingerprint(place / "killed"))
    assert 11 <= ledger.count < 30
    resumed = tune_recipe(place / "small.yaml", out=place / "killed", resume=True)
    assert ledger.count == 30
    assert ledger.verify() == 61  # the data, and 30 fits with 30 outcomes
    assert resumed.results == whole.results
    assert resumed.results[0]["n_trials"] == 30
    assert resumed.trials("logistic").equals(whole.trials("logistic"))
    for name in ("best.json", "returns.parquet", "trials.parquet"):
        one, two = (next(run.folder.glob(f"models/logistic-tuned-*/{name}")).read_bytes() for run in (whole, resumed))
        assert one == two
    assert tune_recipe(place / "small.yaml", out=place / "killed").results == whole.results  # nothing is left to do


def _fingerprint(folder: Path) -> str:
    return load_bars(next(folder.glob("data/bars-*"))).fingerprint


def test_the_command_prints_its_trials_and_writes_a_recipe_that_trains(place):
    storage = f"sqlite:///{place / 'elsewhere.sqlite'}"
    asked = ["tune", str(place / "small.yaml"), "--out", str(place / "run"), "--trials", "3", "--storage", storage]
    done = CliRunner().invoke(app, [*asked, "--set", "tune.folds=2"])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines() if line[:1].isdigit()] == ["0", "1", "2"]
    assert "logistic: best log_loss" in done.stdout
    assert "3 trials on these bars, 0 openings of a test block" in done.stdout
    assert (place / "elsewhere.sqlite").exists()
    assert not list((place / "run" / "tuning").glob("*.sqlite"))
    again = CliRunner().invoke(app, [*asked, "--resume", "--json"])
    told = json.loads(again.stdout)
    tuned = read_recipe(place / "run" / "recipe-tuned.yaml")
    assert tuned.tune is None
    assert {name: tuned.base_models[0].config[name] for name in told["tuning"][0]["best"]} == told["tuning"][0]["best"]
    assert tuned.base_models[0].config["max_iter"] == 20
    assert yaml.safe_load((place / "run" / "recipe-tuned.yaml").read_text())["name"] == "small"


def test_the_tuned_recipe_is_of_the_bars_that_were_tuned_on(place, monkeypatch):
    """Not of those that the recipe names, where others were given; and from any folder."""
    (place / "data").mkdir()
    bm.simulate(9_000, seed=4, strength=2.5).bars.write(place / "data" / "mine.parquet")
    overrides = ["labels.every=3", "labels.k_up=2.0", "labels.k_down=2.0", "tune.trials=1", "tune.metric=auc"]
    monkeypatch.chdir(place / "data")
    run = tune_recipe(place / "small.yaml", "mine.parquet", symbol="BTCUSDT", overrides=overrides, out=place / "run")
    monkeypatch.chdir(place)
    inputs = gather_inputs(read_recipe(run.recipe_file), None, None, run.recipe_file.parent)
    assert inputs.bars.instrument.symbol == "BTCUSDT"
    assert inputs.bars.instrument == load_bars(next((place / "run").glob("data/bars-*"))).instrument
    assert inputs.bars.fingerprint == _fingerprint(place / "run")
    assert inputs.oracle is None


def test_there_must_be_a_tuning_to_resume(place):
    with pytest.raises(RecipeError, match="there is no tuning to resume"):
        tune_recipe(place / "small.yaml", out=place / "run", resume=True)


def test_a_run_tunes_before_it_fits_and_in_each_split_of_its_cross_validation(place):
    overrides = [
        "bars.simulate.n_bars=9_000",
        "tune.trials=3",
        "tune.trials_in_folds=2",
        "cross_validation.method=purged_kfold",
        "cross_validation.n_splits=2",
    ]
    run = bm.train(place / "small.yaml", out=place / "run", overrides=overrides)
    (told,) = run.judgement["tuning"]
    assert (told["model"], told["n_trials"], told["metric"]) == ("logistic", 3, "log_loss")
    config = run.bundle.part("recipe")["base_models"][0]["config"]
    assert config == {**config, **told["best"]}
    assert run.bundle.part("recipe")["tune"]["storage"] is None
    tuned = pl.read_parquet(next(run.folder.glob("models/logistic-tuned-*/trials.parquet")))
    assert tuned["number"].to_list() == [0, 1, 2]
    ledger = Ledger.of(run.bars.fingerprint)
    tried = [trial.trial["tuning"]["params"]["C"] for trial in ledger.trials if "tuning" in trial.trial]
    assert sorted(tried) == sorted(set(tried))
    assert len(tried) == 3  # the splits tried the first two of them, on rows of their own
    assert run.judgement["ledger"]["trials"] == 4
    assert bm.train(place / "small.yaml", out=place / "run", overrides=overrides).fingerprints == run.fingerprints
