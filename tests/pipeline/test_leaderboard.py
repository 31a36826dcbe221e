"""The leaderboard of a run, and runs side by side: figures that can be recomputed, ranks, clocks apart, honest warnings."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

import barmill as bm
from barmill.artefacts import read_json, write_json
from barmill.errors import DataError
from barmill.evaluation import diebold_mariano
from barmill.pipeline import compare_runs

pytestmark = pytest.mark.xdist_group("runs of a leaderboard")  # one process, which makes the run once

RECIPE = """
name: small
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 3}
splits: {embargo: 60}
CV
base_models:
  - {name: logistic}
  - {name: lightgbm, outputs: [p_up, E_r], config: {n_estimators: 20, num_leaves: 7}}
random_signals: 20
"""
CV = "cross_validation: {method: purged_kfold, n_splits: 3}"


def trained(folder, recipe, name, cv, cache_in):
    (folder / f"{name}.yaml").write_text(recipe.replace("CV", cv))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        return bm.train(folder / f"{name}.yaml", bars=bm.simulate(9000, seed=5, strength=2.5).bars, out=folder / name)


@pytest.fixture(scope="module", params=["", CV], ids=["test block", "paths"])
def run(request, tmp_path_factory, cache_in):
    return trained(tmp_path_factory.mktemp("run"), RECIPE, "small", request.param, cache_in)


@pytest.fixture(scope="module")
def other(tmp_path_factory, cache_in):
    recipe = RECIPE.replace("n_estimators: 20", "n_estimators: 5").replace("lightgbm,", "lightgbm, alias: shallow,")
    return trained(tmp_path_factory.mktemp("other"), recipe, "other", "", cache_in)


def board(run):
    return read_json(run.folder / "leaderboard.json")


def test_it_has_every_figure_of_every_model(run):
    told = board(run)
    assert {model["name"] for model in told["models"]} == {"logistic", "lightgbm"}
    figures = ("sharpe", "interval", "dsr", "auc", "ic", "log_loss", "ece", "coverage_90", "winkler_90", "turnover", "max_drawdown")
    for model in told["models"]:
        assert all(model[figure] is not None for figure in (*figures, "size_bytes", "train_s", "latency_us")), model
        assert 0 < model["coverage_90"] < 1
        assert 1 < model["latency_us"] < 1e6
        bundle = run.bundle_paths[model["name"]]
        assert model["size_bytes"] == sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
    assert told["block"] == ("test" if run.judgement["cross_validation"] is None else "cross_validation")
    assert told["pbo"] is None or 0 <= told["pbo"] <= 1


def test_clocks_stand_in_no_judgement(run):
    """Law 6: what a clock says differs from run to run, so nothing that has a fingerprint holds it."""
    text = json.dumps(run.judgement)
    assert "latency" not in text
    assert "train_s" not in text


def test_the_paired_losses_are_those_of_the_figures_and_their_test_can_be_made_again(run):
    told = board(run)
    losses = pl.read_parquet(run.folder / "metrics" / "label_losses.parquet")
    for model in told["models"]:
        assert losses[model["name"]].mean() == pytest.approx(model["log_loss"])
        assert model["paired_log_loss"] == pytest.approx(model["log_loss"])
    pair = told["pairs"][0]
    again = diebold_mariano(losses[pair["a"]].to_numpy(), losses[pair["b"]].to_numpy(), overlap=10)
    assert pair["loss"]["p_value"] == pytest.approx(again.p_value)
    assert told["overlap"] == 10
    beaten = {model["name"]: model["beaten_by"] for model in told["models"]}
    assert any(beaten.values()) == (pair["loss"]["p_adjusted"] <= told["alpha"])
    assert sorted(model["rank"] for model in told["models"]) == ([1, 2] if any(beaten.values()) else [1, 1])


def test_one_run_is_its_own_leaderboard(run):
    found = compare_runs([run.folder])
    assert found["models"] == board(run)["models"]
    assert found["differs"] == []


def test_runs_on_the_same_bars_and_labels_are_tested_in_pairs(run, other):
    found = compare_runs([run.folder, other.folder])
    if run.judgement["cross_validation"] is not None:  # judged on other rows: no test
        assert not found["paired"]
        assert "judged on" in found["differs"]
        assert {model["rank"] for model in found["models"]} == {None}
        return
    assert found["paired"]
    assert found["differs"] == []
    assert len(found["pairs"]) == 6
    by_name = {model["name"]: model for model in found["models"]}
    # the same model in both runs: nothing to tell apart, to the bit
    same = next(pair for pair in found["pairs"] if {pair["a"], pair["b"]} == {"small:logistic", "other:logistic"})
    assert same["loss"]["difference"] == 0
    assert by_name["small:logistic"]["paired_log_loss"] == by_name["other:logistic"]["paired_log_loss"]


def copied(run, place, **changes):
    shutil.copytree(run.folder, place)
    recipe = read_json(place / "recipe.json")
    for key, value in changes.items():
        recipe[key] = {**recipe[key], **value} if isinstance(value, dict) else value
    write_json(place / "recipe.json", recipe)
    return place


def test_what_differs_is_named_and_forbids_ranks_where_it_must(other, tmp_path):
    labels = copied(other, tmp_path / "labels", labels={"horizon": 40})
    found = compare_runs([other.folder, labels])
    assert (found["differs"], found["paired"], found["pairs"]) == (["labels"], False, [])
    seeds = copied(other, tmp_path / "seeds", seed=7)
    found = compare_runs([other.folder, seeds])
    assert (found["differs"], found["paired"]) == (["seed"], True)


def test_rows_that_the_runs_do_not_share_are_left_out(other, tmp_path):
    half = copied(other, tmp_path / "half")
    for name in ("label_losses", "net_returns"):
        frame = pl.read_parquet(half / "metrics" / f"{name}.parquet")
        frame.head(frame.height // 2).write_parquet(half / "metrics" / f"{name}.parquet")
    found = compare_runs([other.folder, half])
    assert found["n_labels"] == pl.read_parquet(half / "metrics" / "label_losses.parquet").height


def test_outcomes_that_differ_are_refused(other, tmp_path):
    wrong = copied(other, tmp_path / "wrong")
    frame = pl.read_parquet(wrong / "metrics" / "label_losses.parquet")
    flipped = np.where(np.arange(frame.height) == 5, 1 - frame["|up"].to_numpy(), frame["|up"].to_numpy())
    frame.with_columns(pl.Series("|up", flipped)).write_parquet(wrong / "metrics" / "label_losses.parquet")
    with pytest.raises(DataError, match="came out differently"):
        compare_runs([other.folder, wrong])


def test_a_run_named_twice_or_without_a_leaderboard_is_refused(other, tmp_path):
    with pytest.raises(DataError, match="twice"):
        compare_runs([other.folder, other.folder])
    old = copied(other, tmp_path / "old")
    (old / "leaderboard.json").unlink()
    with pytest.raises(DataError, match="no such file"):
        compare_runs([old])
