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


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(9_000, seed=5, strength=2.5).bars


@pytest.fixture(scope="module")
def run(tmp_path_factory, bars):
    folder = tmp_path_factory.mktemp("bands")
    (folder / "mondrian.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", str(folder / "cache"))
        return bm.train(folder / "mondrian.yaml", bars=bars, out=folder / "run")


def forecasts(run, label):
    return pl.read_parquet(next(run.folder.glob(f"metrics/forecasts-{label}-*")) / "forecasts.parquet")


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


@pytest.mark.parametrize("label", ["logistic", "soft_voting"])
def test_the_band_that_is_judged_is_the_one_that_the_bundle_serves(run, bars, label):
    bundle, frame = bm.Bundle.load(run.bundle_paths[label]), forecasts(run, label)
    again = bundle.forecast(bars).frame.filter(pl.col("open_time").is_in(frame["open_time"]))
    assert frame.select(again.columns).equals(again)
    band = ForecastBand.from_json(bundle.part("conformal"))
    assert band.regime == "volatility_regime_20_60"
    table = bundle.plan.compute(bars)
    at = np.searchsorted(table.open_time, frame["open_time"].to_numpy())
    regime, scale = table.values[at, bundle.plan.names.index(band.regime)], bundle.pipeline.scale(table.values, at)
    own = {entry.regime: entry.q for entry in band.band.regimes}
    q = np.array([band.band.pooled.q if own.get(int(number)) is None else own[int(number)] for number in regime])
    assert len(set(q)) > 1
    crossed = frame["lower"] == frame["upper"]
    np.testing.assert_allclose(frame["q05"] - frame["lower"], q * scale, atol=1e-12)
    assert not crossed.any()
    labels, blocks = load_labels(next(run.folder.glob("data/labels-*"))), load_positions(next(run.folder.glob("data/splits-*")))
    rows = blocks["test"]
    at = np.searchsorted(frame["open_time"].to_numpy(), bars.open_time[labels.t0[rows]])
    came, lower, upper = labels.net_log_return[rows], frame["lower"].to_numpy()[at], frame["upper"].to_numpy()[at]
    told = next(model["band"] for model in run.judgement["models"] if model["name"] == label)
    assert told["report"]["overall"]["coverage"] == np.mean((came >= lower) & (came <= upper))
    assert told["n_rows"] == band.band.pooled.n_rows == len(blocks["conformal"])


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
