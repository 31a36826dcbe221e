"""Ensembles in a run: fitted on forecasts out of fold, published, forecast from their bundles, judged as models are, and resumed."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import barmill as bm
from barmill.errors import ProvenanceError, RecipeError
from barmill.pipeline.dataset import load_labels, load_positions
from barmill.pipeline.ensemble_config import OofConfig
from barmill.pipeline.ensembles.folding import FoldForecast
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.fold_stages import split_stages
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.plan import plan_run, stages_of
from barmill.pipeline.recipe_reading import read_recipe, recipe_from_text
from barmill.pipeline.workspace import Workspace
from barmill.splits import Ranges

pytestmark = pytest.mark.xdist_group("runs with ensembles")  # one process, which makes the run once

MODELS = """
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 4}
splits: {embargo: 60}
base_models:
  - {name: logistic}
  - {name: lightgbm, alias: trees, outputs: [p_up], config: {n_estimators: 10, num_leaves: 4}}
random_signals: 20
"""
FOLDS = "oof: {n_folds: 3, purge_bars: 30, embargo_bars: 30}"
BY_REGIME = "{calibrate_by: regime, calibrate_regime: volatility_regime_20_60, calibrate_regime_rows: 20}"
ENSEMBLES = f"""
inference: {BY_REGIME}
validation: {{early_stopping: 0.15, calibration: 0.35, ensemble: 0.35, selection: 0.15}}
ensemble: {{enabled: true, method: stacking, {FOLDS}}}
ensembles:
  - {{method: voting, config: {{weights: fitted}}, {FOLDS}}}
  - {{name: gate, method: gating, gating: {{method: softmax, regime_features: [volatility_regime_20_60]}}, {FOLDS}}}
  - {{method: fusion, {FOLDS}}}
"""
LABELS = ("ridge_stacking", "soft_voting", "gate", "fusion")
CPCV = "cross_validation: {method: cpcv, n_groups: 3, n_test_groups: 1, embargo: 60}\n"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("ensembles") / "both.yaml"
    path.write_text(MODELS + ENSEMBLES + CPCV)
    return path


@pytest.fixture(scope="module")
def environment(recipe, cache_in):
    folder = recipe.parent
    return {"BARMILL_LEDGER": str(folder / "ledger"), "BARMILL_CACHE": cache_in(folder)}


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(9_000, seed=5, strength=2.5).bars


@pytest.fixture(scope="module")
def run(recipe, environment, bars):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return bm.train(recipe, bars=bars, out=recipe.parent / "run")


def test_ensembles_are_judged_with_the_models_and_by_the_same_figures(run):
    judged = {model["name"]: model for model in run.judgement["models"]}
    assert list(judged) == ["logistic", "trees", *LABELS]
    for label in LABELS:
        assert set(judged[label]) == set(judged["logistic"])
        assert (judged[label]["family"], judged[label]["members"]) == ("ensemble", ["logistic", "trees"])
        assert judged[label]["classification"]["n"] == judged["logistic"]["classification"]["n"]
    for section in ("leaderboard", "cross_validation", "overfitting"):
        assert {model["name"] for model in run.judgement[section]["models"]} == set(judged), section
    assert run.judgement["ledger"]["trials"] == len(judged)


@pytest.mark.parametrize("label", LABELS)
def test_what_is_judged_is_what_the_bundle_says_of_raw_bars(run, bars, label):
    bundle = bm.Bundle.load(run.bundle_paths[label])
    assert bundle.digest == run.fingerprints["bundles"][label]
    frame = pl.read_parquet(next(run.folder.glob(f"metrics/forecasts-{label}-*")) / "forecasts.parquet")
    again = bundle.forecast(bars).frame.filter(pl.col("open_time").is_in(frame["open_time"]))
    assert frame.select(again.columns).equals(again)
    assert "Members: logistic (logistic), trees (lightgbm)" in bundle.model_card


def test_models_and_ensembles_are_calibrated_by_regime_in_bundles_and_splits_and_judged_by_it(run):
    for model in run.judgement["models"]:
        by = model["calibration"]["by"]
        assert (by["feature"], by["least_rows"]) == ("volatility_regime_20_60", 20)
        assert sum(one["n"] for one in by["regimes"]) == model["classification"]["n"]
        assert [one["own"] for one in by["regimes"] if one["n_fitted"] < 20] == [False] * sum(one["n_fitted"] < 20 for one in by["regimes"])
        assert any(one["own"] for one in by["regimes"])
    members = bm.Bundle.load(run.bundle_paths["soft_voting"]).part("members")["members"]
    alone = [bm.Bundle.load(run.bundle_paths[one["label"]]).part("calibrator") for one in members]
    assert [one["calibrator"] for one in members] == alone


def test_each_ensemble_is_told_by_its_members_and_held_against_the_best_of_them(run):
    told, board = {one["name"]: one for one in run.judgement["ensembles"]}, run.judgement["leaderboard"]
    losses = {model["name"]: model["paired_log_loss"] for model in board["models"]}
    assert list(told) == list(LABELS)
    for label, one in told.items():
        found = one["comparison"]
        assert found["best_member"] == min(("logistic", "trees"), key=lambda member: losses[member])
        assert found["log_loss"]["difference"] == losses[label] - losses[found["best_member"]]
        pair = next(pair for pair in board["pairs"] if {pair["a"], pair["b"]} == {label, found["best_member"]})
        assert found["net_return"]["p_adjusted"] == pair["net"]["p_adjusted"]
        assert np.mean([path["log_loss"] for path in found["paths"]]) == pytest.approx(found["log_loss"]["difference"])
        assert board["ensembles"][label] == found["words"]
        assert sum(one["weights"]["shares"].values()) == pytest.approx(1.0)
        assert sum(figures["share"] for figures in one["table"].values()) == pytest.approx(1.0)
    standing = next(model for model in board["models"] if model["name"] == "gate")
    assert standing["members"] == ["logistic", "trees"]


def test_what_members_bring_is_found_on_rows_that_nothing_of_them_saw(run):
    blocks = load_positions(next(run.folder.glob("data/splits-*")))
    for one in run.judgement["ensembles"]:
        told, diversity = one["out_of_fold"], one["diversity"]
        assert (told["rows"], told["diversity"]["not_left_out"]) == (len(blocks["train"]), None)
        assert {gain["member"] for gain in told["diversity"]["gains"]} == {"logistic", "trees"}
        assert one["shift"]["rows"] == len(blocks["ensemble"])
        assert set(one["shift"]["outputs"]) == {"logistic.p_up", "trees.p_up"}
        assert diversity["test"]["rows"] == len(blocks["test"])
        assert diversity["cross_validation"]["rows"] == len(blocks["development"])
        assert [(pair["first"], pair["second"]) for pair in diversity["test"]["pairs"]] == [("logistic", "trees")]


def test_only_weights_that_move_are_told_through_time(run):
    stack, vote, gate, _ = run.judgement["ensembles"]
    assert "through_time" not in stack["weights"]
    assert vote["weights"]["through_time"] is None
    moving = gate["weights"]["through_time"]
    np.testing.assert_allclose(np.sum(list(moving["members"].values()), axis=0), 1.0, atol=2e-4)
    assert list(moving["regimes"]) == ["volatility_regime_20_60"]
    frame = pl.read_parquet(next(run.folder.glob("metrics/forecasts-gate-*")) / "weights.parquet")
    assert gate["weights"]["shares"]["trees"] == pytest.approx(frame["weight|trees"].mean())


def test_the_bundle_and_the_clocks_tell_it_too(run):
    assert "| trees | " in bm.Bundle.load(run.bundle_paths["gate"]).model_card
    timings = json.loads((run.folder / "timings.json").read_text())
    for label in LABELS:
        assert timings["ensembles"][label]["own_s"] == pytest.approx(
            sum(timings["stages"][f"{step} {label}"] for step in ("fit", "calibrate"))
        )


def test_no_member_saw_a_row_that_the_ensembles_learned_from(run):
    labels, blocks = (load(next(run.folder.glob(f"data/{name}-*"))) for load, name in ((load_labels, "labels"), (load_positions, "splits")))
    oof = OofConfig(n_folds=3, purge_bars=30, embargo_bars=30)
    folds = OofFolds.of(labels, blocks["train"], oof)
    found = [FoldForecast.read(folder) for folder in sorted(run.folder.glob("oof/*/trees-*"))]
    np.testing.assert_array_equal(np.concatenate([one.positions for one in found]), blocks["train"])
    folds.check("trees", [one.fitted_on for one in found])
    late = Ranges.of(np.union1d(found[1].fitted_on.positions(), found[1].positions[:1]))
    with pytest.raises(ProvenanceError, match="trees, fold 1: fitted on 1 labels"):
        folds.check("trees", [found[0].fitted_on, late, found[2].fitted_on])


def test_ensembles_share_the_folds_and_their_calibration_has_a_slice_of_its_own(run):
    assert len(list(run.folder.glob("oof/*/*"))) == 3 * 2  # folds times members, and not times ensembles
    assert len(list(run.folder.glob("folds/oof-*/*/*"))) == 3 * 3 * 2
    blocks = {block["name"]: block for block in run.judgement["splits"]["blocks"]}
    assert list(blocks) == ["train", "early_stopping", "calibration", "ensemble", "selection", "test"]
    assert blocks["calibration"]["last_bar"] < blocks["ensemble"]["first_bar"]
    told = {record["what"]: record["fitted_on"] for record in run.judgement["provenance"]}
    assert (told["calibration"], told["ensembles"], told["calibration of ensembles"]) == ("calibration", "train", "ensemble")


def test_in_a_split_nothing_of_an_ensemble_saw_a_row_that_judges(run):
    labels = load_labels(next(run.folder.glob("data/labels-*")))
    for folder in sorted(run.folder.glob("folds/ridge_stacking-*")):
        tensors = load_file(folder / "forecasts.safetensors")
        seen, test = Ranges(tensors["fitted_on"]).positions(), tensors["positions"]
        first, last = labels.t0[test].min(), labels.t1[test].max()
        assert ((labels.t1[seen] < first) | (labels.t0[seen] > last)).all()


def test_an_ensemble_more_leaves_models_and_folds_alone(run, recipe, bars, tmp_path):
    more = tmp_path / recipe.name
    more.write_text(recipe.read_text().replace("ensembles:", f"ensembles:\n  - {{name: even, method: voting, {FOLDS}}}"))
    inputs, workspace = gather_inputs(read_recipe(more), bars, None, None), Workspace(run.folder)
    stages = stages_of(inputs)
    again = {f"{step} {label}" for step in ("bundle", "forecast") for label in ("logistic", "trees", *LABELS)}  # a bundle holds the recipe
    own = {f"{step} even" for step in ("fit", "calibrate", "evidence", "bundle", "forecast")}
    assert {planned.stage.name for planned in plan_run(inputs, stages, workspace).to_do} == {*again, *own, "cross-validation", "judgement"}
    splits = [split_stages(inputs.recipe, stages.table.key, stages.splits.key, number) for number in range(3)]
    to_do = [stage.name for split in splits for stage in split.all if workspace.record(stage) is None]
    assert to_do == [f"split {number} even" for number in range(3)]


def written_at(folder):
    """When each file was written of what is fitted."""
    return {path: path.stat().st_mtime_ns for kind in ("oof", "folds", "models") for path in folder.glob(f"{kind}/**/*.*")}


def test_a_run_killed_among_its_ensembles_resumes_to_the_identical_result(run, recipe, environment, bars, tmp_path, monkeypatch):
    """It begins where the models are fitted and judged in the splits, and nothing of the ensembles is done."""
    for name, value in {**environment, "BARMILL_LEDGER": str(tmp_path / "ledger")}.items():
        monkeypatch.setenv(name, value)
    cut = shutil.copytree(run.folder, tmp_path / "cut", symlinks=True)
    for label in LABELS:
        for done in (*cut.glob(f"models/{label}-*"), cut / "bundle" / label):
            shutil.rmtree(done)
    for folder in ("oof", "metrics"):
        shutil.rmtree(cut / folder)
    for file in ("fingerprints.json", "leaderboard.json", "timings.json", "report.html"):
        (cut / file).unlink()
    before = written_at(cut)
    bars.write(tmp_path / "bars.parquet")
    command = [sys.executable, "-m", "barmill.cli", "train", str(recipe), "--bars", str(tmp_path / "bars.parquet"), "--symbol", "SIM"]
    with subprocess.Popen([*command, "--out", str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 200
        while not list(cut.glob("oof/*/trees-01-*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert list(cut.glob("oof/*/trees-01-*"))
    assert not (cut / "fingerprints.json").exists()
    kept = written_at(cut)
    resumed = bm.train(recipe, bars=bars, out=cut, resume=True)
    after = written_at(cut)
    assert {path: after[path] for path in kept} == kept
    assert {path: kept[path] for path in before} == before
    assert resumed.fingerprints == run.fingerprints


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        ("{enabled: true, meta_learner: ridge, config: {alpha: 0.01}}", "0.01 is out of range; expected a number at least 0.1"),
        ("{enabled: true, meta_learner: lightgbm_meta, config: {max_depth: 4}}", "4 is out of range; expected a number at most 3"),
        ("{enabled: true, members: [logistic, tree]}", "the recipe has no model 'tree'. Did you mean 'trees'?"),
        ("{enabled: true, name: trees}", "'trees' stands twice in the run. Give each ensemble a `name` of its own."),
        ("{enabled: true, method: voting, config: {weights: {logistic: 0.7, trees: 0.7}}}", "the weights sum to 1.4"),
        ("{enabled: true, members: [logistic]}", "1 members (logistic); expected at least 2"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused_when_the_recipe_is_read(ensemble, message):
    with pytest.raises(RecipeError) as error:
        recipe_from_text(MODELS + f"ensemble: {ensemble}\n", "r.yaml")
    assert message in str(error.value)
