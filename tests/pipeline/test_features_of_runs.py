"""Runs whose features read second series, take features, learn, and stand on sessions."""

import json

import numpy as np
import polars as pl
import pytest

import barmill as bm
from barmill.errors import RecipeError, SchemaError
from barmill.features import FeaturePlan
from barmill.market import resample
from barmill.pipeline.dataset import load_labels, load_positions

pytestmark = pytest.mark.xdist_group("a run on wide bars")  # one process, which makes the run once

LEARNED = "hmm_probability_2_1(log_return_1,realised_volatility_20)"
RECIPE = f"""
name: wide
series:
  - {{file: other_30m.parquet, columns: {{reference_close: close}}, known: close, timeframe: 30m}}
features:
  set: orpflow
  timeframes: [1m, 5m]
  anchor: session
  add: [reference_return_1@30m, "zscore_60(rsi_14)@5m", minutes_to_close, "{LEARNED}"]
labels: {{horizon: 30, atr_window: 30, every: 2}}
splits: {{embargo: 60}}
base_models: [{{name: logistic, outputs: [p_up]}}]
random_signals: 20
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    (folder / "wide.yaml").write_text(RECIPE)
    resample(bm.simulate(9_000, seed=8).bars, "30m").frame.write_parquet(folder / "other_30m.parquet")
    return folder


@pytest.fixture(scope="module")
def run(folder, cache_in):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        return bm.train(folder / "wide.yaml", bars=bm.simulate(9_000, seed=5, strength=2.5).bars, out=folder / "run")


def test_the_bundle_forecasts_what_was_judged_from_the_joined_bars(run):
    assert run.bars.column("reference_close").size == len(run.bars)
    kept = pl.read_parquet(next(run.folder.glob("metrics/forecasts-logistic-*/forecasts.parquet")))
    again = run.bundle.forecast(run.bars, since=kept["open_time"][0]).frame
    assert again.equals(kept.select(again.columns))


def test_a_stream_of_the_bundle_takes_bars_with_their_columns(run):
    stream = run.bundle.stream()
    stream.extend(run.bars.slice(0, 8_990))
    live = [stream.push(run.bars.bar(i)) for i in range(8_990, 9_000)]
    whole = run.bundle.forecast(run.bars).frame[-10:]
    assert [row["p_up"] for row in live] == whole["p_up"].to_list()


def test_what_learns_has_learned_on_the_bars_of_the_training_block_alone(run):
    plan = run.bundle.plan
    labels, splits = (next(run.folder.glob(f"data/{stage}-*")) for stage in ("labels", "splits"))
    train = load_labels(labels).t0[load_positions(splits)["train"]]
    first, last = int(train[0]), int(train[-1])
    unfitted = FeaturePlan(plan.base, plan.features, plan.columns, plan.calendar, plan.anchor)
    again = unfitted.fit(run.bars.slice(0, last + 1), [(first, last)])
    assert dict(again.fitted) == dict(plan.fitted)
    record = next(record for record in run.judgement["provenance"] if record["what"] == "features")
    assert record["fitted_on"] == "train"


def test_bars_without_the_columns_are_refused_by_the_bundle(run):
    alone = bm.simulate(9_000, seed=5, strength=2.5).bars
    with pytest.raises(SchemaError, match="lack columns: reference_return_1@30m needs reference_close"):
        run.bundle.forecast(alone)


def test_a_recipe_that_asks_for_columns_that_are_not_there_is_refused_with_the_list(folder):
    recipe = folder / "lacking.yaml"
    recipe.write_text("features: {set: core, add: [funding_rate, spread_bps]}\nbase_models: [{name: logistic}]\n")
    bars = bm.simulate(3_000, seed=5).bars
    with pytest.raises(RecipeError, match="the bars lack columns: funding_rate needs funding_rate; spread_bps needs ask_price, bid_price"):
        bm.train(recipe, bars=bars, out=folder / "lacking")
    assert not (folder / "lacking" / "data").exists()
    recipe.write_text(
        "series: [{file: other_30m.parquet, columns: {reference_cloze: close}, known: close}]\nbase_models: [{name: logistic}]\n"
    )
    with pytest.raises(RecipeError, match=r"no feature reads a column 'reference_cloze'\. Did you mean 'reference_close'?"):
        bm.train(recipe, bars=bars, out=folder / "lacking")


def test_the_report_and_the_page_of_features_stand_in_the_run(run):
    assert "features.html" in (run.folder / "report.html").read_text()
    page = (run.folder / "features.html").read_text()
    assert "reference_return_1@30m" in page
    values = np.load(next(run.folder.glob("data/fitted-features-*/values.npy")), mmap_mode="r")
    names = json.loads(next(run.folder.glob("data/fitted-features-*/names.json")).read_text())
    assert values.shape == (9_000, len(names))
    assert names == list(run.bundle.plan.names)
