"""Conformal bands in a run: fitted on a slice of their own, served by the bundle, and judged on rows that they did not see."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import barmill as bm
from barmill.bundles import ForecastBand
from barmill.pipeline.dataset import load_labels, load_positions

pytestmark = pytest.mark.xdist_group("runs with bands")  # one process, which makes the run once

RECIPE = """
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 4}
splits: {embargo: 60}
base_models:
  - {name: logistic}
  - {name: lightgbm, alias: trees, outputs: [p_up], config: {n_estimators: 10, num_leaves: 4}}
ensemble: {enabled: true, method: voting, oof: {n_folds: 2, purge_bars: 30, embargo_bars: 30}}
inference: {uncertainty: {method: mondrian, coverage: 0.9, holdout_fraction: 0.2, regime: volatility_regime_20_60}}
cross_validation: {method: purged_kfold, n_splits: 2, embargo: 60}
random_signals: 20
"""
LABELS = ("logistic", "trees", "soft_voting")
REGIME = "volatility_regime_20_60"


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(9_000, seed=5, strength=2.5).bars


@pytest.fixture(scope="module")
def run(tmp_path_factory, bars, cache_in):
    folder = tmp_path_factory.mktemp("bands")
    (folder / "mondrian.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        return bm.train(folder / "mondrian.yaml", bars=bars, out=folder / "run")


def block(run, bars, frame, name):
    """The labels of a block, their rows in `frame`, and what came."""
    labels, blocks = load_labels(next(run.folder.glob("data/labels-*"))), load_positions(next(run.folder.glob("data/splits-*")))
    rows = blocks[name]
    return rows, np.searchsorted(frame["open_time"].to_numpy(), bars.open_time[labels.t0[rows]]), labels.net_log_return[rows]


def test_every_model_and_ensemble_has_a_band_by_one_method_and_is_judged_by_the_same_rows(run):
    judged = {model["name"]: model["band"] for model in run.judgement["models"]}
    paths = {model["name"]: model["band"] for model in run.judgement["cross_validation"]["models"]}
    assert tuple(judged) == tuple(paths) == LABELS
    for bands in (judged, paths):
        assert {(band["method"], band["around"], band["level"], band["fitted_on"]) for band in bands.values()} == {
            ("mondrian", "q05_q95", 0.9, "conformal")
        }
        assert len({(band["n_rows"], band["report"]["overall"]["n_rows"], band["report"]["overlap"]) for band in bands.values()}) == 1
        for report in (band["report"] for band in bands.values()):
            assert len(report["by_volatility"]) == 10
            assert [figure["group"] for figure in report["by_regime"]] == ["regime -1", "regime 0", "regime 1"]
            assert len(report["rolling"]["time_ms"]) == len(report["rolling"]["coverage"])


@pytest.fixture(scope="module")
def served(run, bars):
    """The bundle of the ensemble, what it says of every bar, and the regime and the unit of returns at each of these."""
    bundle = bm.Bundle.load(run.bundle_paths["soft_voting"])
    table, frame = bundle.plan.compute(bars), bundle.forecast(bars).frame
    at = np.searchsorted(table.open_time, frame["open_time"].to_numpy())
    return bundle, frame, table.values[at, bundle.plan.names.index(REGIME)], bundle.pipeline.scale(table.values, at)


def test_the_band_that_is_judged_is_the_one_that_the_bundle_serves(run, bars, served):
    _, frame, _, _ = served
    judged = pl.read_parquet(next(run.folder.glob("metrics/forecasts-soft_voting-*")) / "forecasts.parquet")
    assert judged.select(frame.columns).equals(frame.filter(pl.col("open_time").is_in(judged["open_time"])))
    rows, at, came = block(run, bars, judged, "test")
    told = next(model["band"] for model in run.judgement["models"] if model["name"] == "soft_voting")
    inside = (came >= judged["lower"].to_numpy()[at]) & (came <= judged["upper"].to_numpy()[at])
    assert (told["report"]["overall"]["coverage"], told["report"]["overall"]["n_rows"]) == (inside.mean(), len(rows))


def test_the_band_is_what_the_forecasts_of_its_own_slice_lacked_in_each_regime(run, bars, served):
    bundle, frame, regime, scale = served
    band = ForecastBand.from_json(bundle.part("conformal"))
    assert band.regime == REGIME
    rows, at, came = block(run, bars, frame, "conformal")
    lacked = np.maximum(frame["q05"].to_numpy()[at] - came, came - frame["q95"].to_numpy()[at]) / scale[at]
    assert band.band.pooled.q == pytest.approx(np.sort(lacked)[int(np.ceil(0.9 * (len(rows) + 1))) - 1], rel=1e-9)
    own = {entry.regime: entry.q for entry in band.band.regimes}
    for number, q in own.items():
        scores = np.sort(lacked[regime[at] == number])
        assert q is None or q == pytest.approx(scores[int(np.ceil(0.9 * (len(scores) + 1))) - 1], rel=1e-9)
    q = np.array([band.band.pooled.q if own.get(int(number)) is None else own[int(number)] for number in regime])
    assert len(set(q)) > 1
    np.testing.assert_allclose(frame["q05"] - frame["lower"], q * scale, atol=1e-12)
    np.testing.assert_allclose(frame["upper"] - frame["q95"], q * scale, atol=1e-12)


def test_nothing_else_is_fitted_on_the_rows_of_the_bands(run):
    stated = {record["what"]: record["fitted_on"] for record in run.judgement["provenance"]}
    assert stated["conformal bands"] == "conformal"
    assert list(stated.values()).count("conformal") == 1
    assert [block["name"] for block in run.judgement["splits"]["blocks"]][3:6] == ["ensemble", "conformal", "selection"]


def test_each_split_has_a_band_of_its_own_and_a_path_has_every_row_once(run):
    folders = sorted(run.folder.glob("folds/soft_voting-*"))
    tensors = [load_file(folder / "forecasts.safetensors") for folder in folders]
    bands = [ForecastBand.from_json(json.loads((folder / "band.json").read_bytes())) for folder in folders]
    assert len({band.band.pooled.q for band in bands}) == 2
    labels = load_labels(next(run.folder.glob("data/labels-*")))
    inside = [
        (one["band"][:, 0] <= labels.net_log_return[one["positions"]]) & (labels.net_log_return[one["positions"]] <= one["band"][:, 1])
        for one in tensors
    ]
    told = next(model["band"] for model in run.judgement["cross_validation"]["models"] if model["name"] == "soft_voting")
    assert told["report"]["overall"]["n_rows"] == sum(map(len, inside))
    assert told["report"]["overall"]["coverage"] == pytest.approx(np.concatenate(inside).mean(), abs=1e-12)
    assert told["n_rows"] == min(band.band.pooled.n_rows for band in bands)
