"""Cross-validation in a run: paths, proofs, caching by fold, and nothing of the test block in any of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score

import barmill as bm
from barmill.errors import ProvenanceError
from barmill.evaluation import Ledger, sharpe_ratio
from barmill.pipeline import Silence, read_recipe
from barmill.pipeline.cross_validation import cross_validate_models, cross_validation_section
from barmill.pipeline.dataset import Dataset, load_labels, load_positions
from barmill.pipeline.development import Development
from barmill.pipeline.folds import fold_data, stretches_of
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.path_judging import SplitResult, _Paths
from barmill.pipeline.plan import stages_of
from barmill.pipeline.prepare import prepare
from barmill.pipeline.workspace import Workspace
from barmill.splits import CombinatorialPurgedCV, Ranges, cpcv_path_ids

pytestmark = pytest.mark.xdist_group("a run with paths")  # one process, which makes the run once

RECIPE = """
name: folds
features: {timeframes: [1m, 5m], add: ADD}
labels: {horizon: 30, atr_window: 30, every: 4}
splits: {embargo: 60}
cross_validation: CV
base_models:
  - {name: logistic, outputs: [p_up]}
  - {name: lightgbm, alias: trees, outputs: [p_up], config: {n_estimators: 10, num_leaves: 4}}
random_signals: 20
"""
CPCV = "{method: cpcv, n_groups: 4, n_test_groups: 2, embargo: 90}"


def recipe_in(folder, cv=CPCV, add="[]"):
    path = folder / "folds.yaml"
    path.write_text(RECIPE.replace("CV", cv).replace("ADD", add))
    return path


def bars_of(seed=5):
    return bm.simulate(9_000, seed=seed, strength=2.5).bars


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache_in):
    folder = tmp_path_factory.mktemp("cv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        run = bm.train(recipe_in(folder), bars=bars_of(), out=folder / "run")
        counted = Ledger.of(run.bars.fingerprint)
        return run, counted


def cross_validated(folder, cv=CPCV, add="[]", bars=None):
    """The folder of a run that went as far as its cross-validation, which asks for no model of the run's own, and what was told of it."""
    inputs = gather_inputs(read_recipe(recipe_in(folder, cv, add)), bars_of() if bars is None else bars, None, None)
    stages, workspace = stages_of(inputs), Workspace(folder / "run")
    prepare(inputs, stages, workspace, Silence())
    cross_validate_models(inputs, stages, workspace, 2, Silence())
    return workspace.root, cross_validation_section(stages, workspace)


def folds(root, model):
    """(forecasts, summary) of each split, in order."""
    found = sorted(root.glob(f"folds/{model}-*"))
    return [(load_file(folder / "forecasts.safetensors"), json.loads((folder / "summary.json").read_text())) for folder in found]


def told(run, model):
    return told_of(run.judgement["cross_validation"], model)


def told_of(section, model):
    return next(each for each in section["models"] if each["name"] == model)


def labels_of(run):
    return load_labels(next(run.folder.glob("data/labels-*"))), load_positions(next(run.folder.glob("data/splits-*")))


def test_every_path_is_put_together_from_the_splits_that_judged(run):
    run, _ = run
    labels, positions = labels_of(run)
    up = labels.classes(2)
    n = len(positions["development"])
    groups = np.array_split(np.arange(n), 4)
    for model in ("logistic", "trees"):
        results = folds(run.folder, model)
        assert len(results) == 6
        ids = cpcv_path_ids(4, 2)
        chosen = [
            fold.test_groups for fold in CombinatorialPurgedCV(n_groups=4, n_test_groups=2).folds(labels.take(positions["development"]))
        ]
        for path in told(run, model)["paths"]:
            p = np.full(n, np.nan)
            for (forecast, _), test_groups, path_of_group in zip(results, chosen, ids, strict=True):
                said = dict(zip(forecast["positions"].tolist(), forecast["p"].tolist(), strict=True))
                for group, number in zip(test_groups, path_of_group, strict=True):
                    if number == path["path"]:
                        assert np.isnan(p[groups[group]]).all()
                        p[groups[group]] = [said[row] for row in positions["development"][groups[group]].tolist()]
            assert path["auc"] == pytest.approx(roc_auc_score(up[positions["development"]], p), abs=1e-12)


def test_no_model_of_a_split_saw_a_label_that_meets_what_it_forecast(run):
    run, _ = run
    labels, _ = labels_of(run)
    ends = np.maximum(labels.t1, labels.t0 + 60)  # splits.purge
    for model in ("logistic", "trees"):
        for forecast, summary in folds(run.folder, model):
            test = np.zeros(labels.n_bars + 60, dtype=bool)
            for row in forecast["positions"]:
                test[labels.t0[row] : ends[row] + 1] = True
            seen = np.concatenate([np.arange(start, stop) for start, stop in forecast["fitted_on"]])
            assert len(seen) == sum(summary["n"][part] for part in ("fit", "early_stopping", "calibration", "selection"))
            assert not any(test[labels.t0[row] : ends[row] + 1].any() for row in seen)


def test_the_report_of_out_of_fold_forecasts_is_complete(run):
    run, _ = run
    for model in ("logistic", "trees"):
        proof = told(run, model)["oof"]
        assert (proof["complete"], proof["n_paths"], proof["n_pieces"]) == (True, 3, 12)
        assert proof["n_samples"] == run.judgement["cross_validation"]["n_labels"]
        assert proof["not_labelled"]["features not ready"] > 0


def test_the_model_is_chosen_by_the_paths_and_that_is_stated(run):
    run, _ = run
    losses = {model["name"]: model["distribution"]["log_loss"]["mean"] for model in run.judgement["cross_validation"]["models"]}
    assert [model["name"] for model in run.judgement["models"] if model["selected"]] == [min(losses, key=losses.__getitem__)]
    choice = next(record for record in run.judgement["provenance"] if record["what"] == "choice among the models")
    assert choice["fitted_on"] == "development"
    test = next(block for block in run.judgement["splits"]["blocks"] if block["name"] == "test")
    assert choice["last_time"] < test["first_time"]


def test_each_model_is_one_trial_with_an_outcome_on_the_paths_and_one_on_the_test_block(run):
    run, ledger = run
    assert ledger.count == 2
    outcomes = ledger.outcomes()
    assert [set(by_block) for by_block in outcomes.values()] == [{"cross_validation", "test"}] * 2
    luck = run.judgement["overfitting"]
    assert luck["block"] == "cross_validation"
    assert luck["trials"]["total"] == 2
    year = np.sqrt(525_600)
    sharpes = [by_block["cross_validation"].trial["sharpe"] * year for by_block in outcomes.values()]
    assert sharpes == pytest.approx([model["sharpe"] for model in luck["models"]])
    kept = load_file(next(run.folder.glob("metrics/cross-validated-*/returns.safetensors")))
    for model in luck["models"]:
        paths = [path["sharpe"] for path in told(run, model["name"])["paths"]]
        assert model["sharpe"] == pytest.approx(np.median(paths))  # three paths: the median is one of them
        assert sharpe_ratio(kept[f"typical|{model['name']}"], 525_600) == pytest.approx(model["sharpe"])
    assert luck["pbo"]["n_configurations"] == 2


def test_equity_curves_to_draw_begin_at_one_and_end_where_the_path_does(run):
    run, _ = run
    drawn = pl.read_parquet(run.folder / "metrics" / "paths.parquet")
    assert len(drawn) <= 1500
    for model in ("logistic", "trees"):
        for path in told(run, model)["paths"]:
            curve = drawn[f"{model}|{path['path']}"]
            assert curve[0] == 1.0
            assert curve[-1] == pytest.approx(1 + path["total_return"])


def test_a_damaged_fold_is_done_again_alone_to_the_same_bytes(run, monkeypatch):
    run, ledger = run
    monkeypatch.setenv("BARMILL_LEDGER", str(ledger.folder))
    whole = next(run.folder.glob("metrics/cross-validated-*"))
    before = (whole / "cross_validation.json").read_bytes()
    stages = written_at(run.folder)
    victim = next(run.folder.glob("folds/trees-002-*"))
    (victim / "summary.json").write_text("{}")
    (whole / "cross_validation.json").write_text("{}")
    (next(run.folder.glob("metrics/judged-*")) / "judgement.json").write_text("{}")
    bm.train(run.folder.parent / "folds.yaml", bars=bars_of(), out=run.folder)
    assert (whole / "cross_validation.json").read_bytes() == before
    again = written_at(run.folder)
    assert {name for name in stages if again[name] != stages[name]} == {victim.name}


def test_a_run_killed_before_it_told_its_outcomes_tells_them_when_it_goes_on(run, tmp_path, monkeypatch):
    run, ledger = run
    monkeypatch.setenv("BARMILL_LEDGER", str(tmp_path / "ledger"))
    again = Ledger.of(ledger.data_fingerprint)
    for trial in ledger.trials:
        again.append("fit", trial.trial)
    run.report.unlink()
    bm.train(run.folder.parent / "folds.yaml", bars=bars_of(), out=run.folder)
    assert [set(by_block) for by_block in again.outcomes().values()] == [{"cross_validation", "test"}] * 2


def test_nothing_before_the_test_block_changes_when_the_test_block_does(run, tmp_path):
    """Isolation: other bars from the first test decision on, the same cross-validation."""
    run, _ = run
    labels, positions = labels_of(run)
    other = moved_after(int(labels.t0[positions["test"][0]]), 1.02)
    again, _ = cross_validated(tmp_path, bars=other)
    for model in ("logistic", "trees"):
        for (mine, _), (theirs, _) in zip(folds(run.folder, model), folds(again, model), strict=True):
            assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def moved_after(last, times):
    """The bars with other prices after bar `last`."""
    bars = bars_of()
    frame = bars.frame.with_columns(
        pl.when(pl.int_range(pl.len()) > last).then(pl.col(name) * times).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    )
    return bm.Bars.from_columns(bars.instrument, bars.timeframe, *(frame[name].to_numpy() for name in frame.columns[:6]))


KILLED = """
import sys
import barmill as bm
if __name__ == "__main__":
    bm.train(sys.argv[1], bars=bm.simulate(9_000, seed=5, strength=2.5).bars, out=sys.argv[2])
"""
ONE_MORE = "  - {name: logistic, alias: again, outputs: [p_up]}\nrandom_signals"


def test_a_model_more_whose_cross_validation_is_killed_goes_on_to_the_identical_result_and_leaves_other_folds_alone(
    run, tmp_path, monkeypatch
):
    """The model more is one that is there, by another name: what comes of it is known."""
    run, _ = run
    monkeypatch.setenv("BARMILL_LEDGER", str(tmp_path / "ledger"))
    (tmp_path / "train.py").write_text(KILLED)
    recipe = tmp_path / "folds.yaml"
    recipe.write_text((run.folder.parent / "folds.yaml").read_text().replace("random_signals", ONE_MORE))
    folder = shutil.copytree(run.folder, tmp_path / "run")  # the others look at the run as it was
    for number in range(3, 6):  # half of what was there is to be done too, which leaves enough to be killed among
        for done in folder.glob(f"folds/*-{number:03}-*"):
            shutil.rmtree(done)
    before = written_at(folder)
    process = subprocess.Popen([sys.executable, str(tmp_path / "train.py"), str(recipe), str(folder)], env=os.environ)
    try:
        deadline = time.monotonic() + 240
        while len(written_at(folder)) < len(before) + 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = written_at(folder)
    assert len(before) == 6 < len(kept) < 18
    again = bm.train(recipe, bars=bars_of(), out=folder)
    after = written_at(folder)
    assert len(after) == 18
    assert {name: after[name] for name in kept} == kept
    assert {name: kept[name] for name in before} == before
    for model, same in (("logistic", "logistic"), ("trees", "trees"), ("again", "logistic")):
        mine, theirs = (sorted(root.glob(f"folds/{name}-*")) for root, name in ((folder, model), (run.folder, same)))
        for name in ("forecasts.safetensors", "summary.json"):
            assert [(split / name).read_bytes() for split in mine] == [(split / name).read_bytes() for split in theirs]
    earned, known = (load_file(last_of(each.folder.glob("metrics/cross-validated-*/returns.safetensors"))) for each in (again, run))
    assert {name.partition("|")[2] for name in earned} == {"logistic", "trees", "again"}
    for name, net in earned.items():
        np.testing.assert_array_equal(net, known[name.replace("again", "logistic")], err_msg=name)
    assert Ledger.of(again.bars.fingerprint).count == 3


def last_of(paths):
    """The one that was written last."""
    return max(paths, key=lambda path: path.stat().st_mtime_ns)


def written_at(root):
    """When each split of each model was written."""
    return {folder.name: folder.stat().st_mtime_ns for folder in root.glob("folds/*-*")}


LEARNED = '["hmm_probability_2_1(log_return_1,realised_volatility_20)"]'


@pytest.fixture(scope="module")
def learning(tmp_path_factory):
    """A feature that learns, in folds that follow one another."""
    return cross_validated(tmp_path_factory.mktemp("learning"), "{method: purged_kfold, n_splits: 3}", LEARNED)


def check_one_path(root, section, n_splits):
    assert (section["n_splits"], section["n_paths"]) == (n_splits, 1)
    judged = np.concatenate([forecast["positions"] for forecast, _ in folds(root, "logistic")])
    assert np.array_equal(judged, np.unique(judged))
    assert told_of(section, "logistic")["oof"]["n_samples"] == len(judged)


def test_folds_that_follow_one_another_make_one_path(learning):
    check_one_path(*learning, n_splits=3)


def test_steps_of_a_walk_make_one_path_and_learn_from_what_came_before(tmp_path):
    root, section = cross_validated(tmp_path, "{method: walk_forward, train_size: 3000, test_size: 1000, n_splits: 2}")
    check_one_path(root, section, n_splits=2)
    assert all(split["train"][-1][1] < split["test"][0][0] for split in section["splits"])


def test_features_that_learn_learn_again_in_each_fold_on_its_training_rows_alone(learning):
    root, _ = learning
    stages = {role: next(root.glob(f"data/{role}-*")) for role in ("fitted-features", "labels", "splits", "scaled")}
    data = Dataset(stages["fitted-features"], stages["labels"], stages["splits"], stages["scaled"], 2, 30, "realised_volatility_60")
    half = data.positions["development"][:900]
    whole = fold_data(data, half, bars_of)
    last = int(data.labels.t0[half[-1]])
    again = fold_data(data, half, lambda: moved_after(last, 1.3))
    assert np.array_equal(whole.values[: last + 1], again.values[: last + 1], equal_nan=True)
    column = next(number for number, name in enumerate(data.names) if name.startswith("hmm_probability"))
    assert not np.array_equal(whole.values[:, column], np.asarray(data.values)[:, column], equal_nan=True)  # another fit than the run's own


def test_stretches_are_the_runs_of_consecutive_rows(run):
    run, _ = run
    labels, _ = labels_of(run)
    rows = np.array([0, 1, 2, 7, 9, 10])
    assert stretches_of(labels, rows) == [(int(labels.t0[a]), int(labels.t0[b])) for a, b in ((0, 2), (7, 7), (9, 10))]


def test_a_forecast_by_a_model_that_saw_its_label_is_caught(run):
    """Planted: one split says that it was fitted on a row that it forecast."""
    run, _ = run
    inputs = gather_inputs(read_recipe(run.folder.parent / "folds.yaml"), bars_of(), None, None)
    stages = {role: next(run.folder.glob(f"data/{role}-*")) for role in ("features", "labels", "splits", "scaled")}
    data = Dataset(*stages.values(), 2, 30, "realised_volatility_60")
    judged = _Paths(inputs, data, Development.of(data.labels, data.positions, inputs.recipe, inputs.bars))
    results = [SplitResult.read(folder) for folder in sorted(run.folder.glob("folds/logistic-*"))]
    judged.model("logistic", (), results)
    seen = np.union1d(results[3].fitted_on.positions(), results[3].positions[:1])
    results[3] = replace(results[3], fitted_on=Ranges.of(seen))
    with pytest.raises(ProvenanceError, match=r"logistic, split 3.*fitted on 1 labels"):
        judged.model("logistic", (), results)
