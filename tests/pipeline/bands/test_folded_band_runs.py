"""Bands by forecasts out of fold in a run: proved to be out of fold, for models that no ensemble uses as well."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import barmill as bm
from barmill.bundles import ForecastBand
from barmill.bundles.manifest import PARTS
from barmill.errors import ProvenanceError
from barmill.evaluation import band_coverage
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.bands.out_of_fold import band_of_folds
from barmill.pipeline.dataset import Dataset, load_labels
from barmill.pipeline.ensemble_config import OofConfig
from barmill.pipeline.ensembles.folding import FoldForecast
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.workspace import Stage

pytestmark = pytest.mark.xdist_group("runs with bands")  # one process, which makes the run once

RECIPE = """
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 4}
splits: {embargo: 60}
base_models:
  - {name: logistic}
  - {name: lightgbm, alias: trees, outputs: [p_up, E_r], config: {n_estimators: 10, num_leaves: 4}}
ensemble: {enabled: true, method: stacking, oof: {n_folds: 2, purge_bars: 30, embargo_bars: 30}}
inference: {uncertainty: {method: jackknife_plus, coverage: 0.95}}
cross_validation: {method: purged_kfold, n_splits: 2, embargo: 60}
random_signals: 20
"""
AROUND = {"logistic": "q50", "trees": "E_r", "ridge_stacking": "E_r"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache_in):
    folder = tmp_path_factory.mktemp("folded-bands")
    (folder / "jackknife.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        return bm.train(folder / "jackknife.yaml", bars=bm.simulate(9_000, seed=5, strength=2.5).bars, out=folder / "run")


def part(run, label, name):
    """A part of a bundle, as it lies on disk."""
    return json.loads((run.bundle_paths[label] / PARTS[name]).read_bytes())


def test_models_and_ensembles_have_a_band_by_folds_and_no_slice_is_cut_for_it(run):
    for section in (run.judgement, run.judgement["cross_validation"]):
        bands = {model["name"]: model["band"] for model in section["models"]}
        assert {label: band["around"] for label, band in bands.items()} == AROUND
        assert {(band["method"], band["level"], band["fitted_on"]) for band in bands.values()} == {("jackknife_plus", 0.95, "out_of_fold")}
        assert len({band["n_rows"] for band in bands.values()}) == 1
    assert "conformal" not in {block["name"] for block in run.judgement["splits"]["blocks"]}
    assert next(record["fitted_on"] for record in run.judgement["provenance"] if record["what"] == "conformal bands") == "train"


@pytest.mark.parametrize("label", AROUND)
def test_the_bundle_serves_a_band_of_one_width_around_its_refitted_model(run, label):
    frame = pl.read_parquet(next(run.folder.glob(f"metrics/forecasts-{label}-*")) / "forecasts.parquet")
    middle = (frame["lower"] + frame["upper"]) / 2
    np.testing.assert_allclose(middle, frame[AROUND[label]], atol=1e-12)
    assert part(run, label, "conformal")["band"]["method"] == "jackknife"
    card = (run.bundle_paths[label] / PARTS["model_card"]).read_text()
    assert "What jackknife+ promises, 90% on exchangeable rows, is of the models of the folds" in card


def test_the_width_is_that_of_errors_out_of_fold_and_a_fold_that_saw_its_rows_is_caught(run, tmp_path):
    folders = {name: next(run.folder.glob(f"data/{name}-*")) for name in ("features", "labels", "splits", "scaled")}
    data = Dataset(folders["features"], folders["labels"], folders["splits"], folders["scaled"], 2, 30, "realised_volatility_60")
    train = data.positions["train"]
    folds = OofFolds.of(data.labels, train, OofConfig(n_folds=2, purge_bars=30, embargo_bars=30))
    found = [FoldForecast.read(folder) for folder in sorted(run.folder.glob("oof/*/trees-*"))]
    errors = np.concatenate(
        [np.abs(data.labels.net_log_return[one.positions] / data.scaled_data.scale(one.positions) - one.said.expected) for one in found]
    )
    band = ForecastBand.from_json(part(run, "trees", "conformal")).band
    assert band.q == np.sort(errors)[int(np.ceil(0.95 * (len(train) + 1))) - 1]

    class Kept:  # what is asked of a workspace
        def path(self, stage):
            return run.folder / stage.place

    stages = [Stage(folder.name, folder.relative_to(run.folder).as_posix(), "") for folder in sorted(run.folder.glob("oof/*/trees-*"))]
    config = UncertaintyConfig(method="jackknife_plus", coverage=0.95)
    assert band_of_folds(config, "trees", stages, folds, data.scaled_data, Kept()).band == band
    with pytest.raises(ProvenanceError, match="trees, fold 0"):
        band_of_folds(config, "trees", stages[::-1], folds, data.scaled_data, Kept())


def test_in_a_split_the_band_is_made_of_folds_of_its_own(run):
    folders = sorted(run.folder.glob("folds/trees-*"))
    labels = load_labels(next(run.folder.glob("data/labels-*")))
    widths, held = [], []
    for folder in folders:
        tensors, band = load_file(folder / "forecasts.safetensors"), json.loads((folder / "band.json").read_bytes())
        rows, ends = tensors["positions"], tensors["band"]
        np.testing.assert_allclose(ends.mean(axis=1), tensors["expected"], atol=1e-12)
        assert band["band"]["n_rows"] == json.loads((folder / "summary.json").read_bytes())["n"]["fit"]
        widths.append(band["band"]["q"])
        held.append(band_coverage(labels.net_log_return[rows], *ends.T) * len(rows))
    assert len(set(widths)) == len(folders) == 2
    told = next(model["band"]["report"]["overall"] for model in run.judgement["cross_validation"]["models"] if model["name"] == "trees")
    assert told["coverage"] == pytest.approx(sum(held) / told["n_rows"])
