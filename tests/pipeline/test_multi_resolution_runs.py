"""A run in which one model sees bars of several timeframes: from the recipe to forecasts bar by bar."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import barmill as bm
from barmill.bundles import verify
from barmill.errors import RecipeError, SplitError
from barmill.features import FeaturePlan
from barmill.models.resolutions import base_bars
from barmill.pipeline.cutting import labels_before_features
from barmill.pipeline.inputs import RunInputs, gather_inputs
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.views import closed_bars

pytestmark = pytest.mark.xdist_group("a run on several timeframes")  # one process, which makes the run once

RECIPE = """
name: scales
features: {timeframes: [1m]}
labels: {horizon: 10, k_up: 1.5, k_down: 1.5, atr_window: 30, every: 2}
splits: {embargo: 60}
base_models:
  - {name: lightgbm, outputs: [p_up], config: {n_estimators: 10, num_leaves: 7}}
  - name: lstm
    view: multi_resolution
    config: {resolutions: {15m: 2, 1m: 12, 5m: 4}, hidden_size: 8, num_layers: 1, epochs: 2, batch_size: 64, learning_rate: 0.01}
random_signals: 20
"""


def only(entry: str) -> str:
    """A recipe of one model."""
    return f"base_models:\n  - {entry}\nsplits: {{embargo: 60}}\nlabels: {{horizon: 10}}\n"


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(4500, seed=5, strength=2.5).bars


@pytest.fixture(scope="module")
def run(bars, tmp_path_factory, cache_in):
    folder = tmp_path_factory.mktemp("scales")
    (folder / "scales.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        yield bm.train(folder / "scales.yaml", bars=bars, out=folder / "run")


@pytest.fixture(scope="module")
def bundle(run):
    return bm.Bundle.load(run.bundle_paths["lstm"])


def test_the_bundle_says_what_its_model_sees(run, bundle):
    assert {model["name"]: model["view"] for model in run.judgement["models"]} == {"lightgbm": "feature_matrix", "lstm": "multi_resolution"}
    model = bundle.manifest.model
    assert (model.view, model.window, model.inputs) == (
        "multi_resolution",
        {"1m": 12, "5m": 4, "15m": 2},
        ("open", "high", "low", "close", "volume"),
    )
    scaling = bundle.part("preproc")
    assert (scaling["kind"], scaling["resolutions"], scaling["anchor"], scaling["clip"]) == ("log_bars", model.window, "epoch", 8.0)
    architecture = json.loads((bundle.folder / "weights" / "architecture.json").read_bytes())
    assert (architecture["window"], architecture["resolutions"], architecture["n_features"]) == (18, model.window, 5)
    assert "12 of 1m, 4 of 5m, 2 of 15m" in bundle.model_card
    assert {one["feature"] for one in run.judgement["models"][1]["importance"]} == set(model.inputs)


def test_the_bundle_is_whole_and_replays_to_the_bit(run, bundle):
    report = verify(run.bundle_paths["lstm"])
    assert report.ok
    assert bundle.replay.exact
    assert bundle.replay.n_inputs > 250


def test_what_the_pipeline_judged_is_what_the_bundle_says_of_raw_bars(run, bundle, bars):
    said = bundle.forecast(bars).frame
    judged = pl.read_parquet(next((run.folder / "metrics").glob("forecasts-lstm-*/forecasts.parquet")))
    both = judged.join(said, on="open_time", suffix="_again")
    assert len(both) == len(judged) > 500
    assert both["p_up"].to_list() == both["p_up_again"].to_list()
    assert said["p_up"].n_unique() > 500


def test_bar_by_bar_every_bit_is_that_of_the_whole_history(bundle, bars):
    whole = bundle.forecast(bars).frame
    stream = bundle.stream()
    pieces = [stream.extend(bars.slice(0, 300)).frame]
    rows = [stream.push(bars.bar(row)) for row in range(300, 420)]
    pieces += [pl.DataFrame([row for row in rows if row is not None], schema=whole.schema), stream.extend(bars.slice(420, 900)).frame]
    assert pl.concat(pieces).equals(whole.filter(pl.col("open_time") < int(bars.open_time[900])))


def differs_before(bundle, bars, cuts) -> bool:
    """Whether a forecast at some bar is another where the history ends with that bar."""
    whole = bundle.forecast(bars).frame
    for cut in cuts:
        alone = bundle.forecast(bars.slice(0, cut)).frame
        if not alone.equals(whole.filter(pl.col("open_time") < int(bars.open_time[cut]))):
            return True
    return False


def test_later_bars_change_no_forecast(bundle, bars):
    assert not differs_before(bundle, bars.slice(0, 700), (400, 401, 402, 403, 404, 405))


def test_a_bar_that_is_seen_while_it_forms_is_found_out(bundle, bars, monkeypatch):
    honest = closed_bars._closed

    def forming(*arguments):
        """Every longer bar is known one base bar early."""
        found = honest(*arguments)
        last = np.minimum(np.append(found.last[1:], found.last[-1]), len(found.values) - 1)
        return replace(found, last=last)

    monkeypatch.setattr(closed_bars, "_closed", forming)
    assert differs_before(bundle, bars.slice(0, 700), (400, 401, 402, 403, 404, 405))


def inputs_of(entry: str, bars) -> RunInputs:
    return gather_inputs(recipe_from_text(only(entry), "test.yaml"), bars, None, None)


def test_labels_begin_where_every_model_can_be_asked(bars):
    alone = inputs_of("{name: lightgbm}", bars)
    beside = inputs_of("{name: lstm, view: multi_resolution, config: {resolutions: {1m: 5, 4h: 3}}}", bars)
    assert beside.warmup_bars == base_bars({"1m": 5, "4h": 3}, bars.timeframe) - 1 == 4 * 240 - 2
    first, later = (int(labels_before_features(one).t0[0]) for one in (alone, beside))
    assert first < 3 * 240 - 1 <= later < 3 * 240 + 5  # the third bar of four hours closes with minute 720
    too_few = bars.slice(0, 900)
    with pytest.raises(SplitError, match="900 bars"):
        inputs_of("{name: lstm, view: multi_resolution, config: {resolutions: {1m: 5, 4h: 3}}}", too_few)


def test_timeframes_that_are_not_named_are_the_charters_in_base_bars(bars):
    for timeframe, expected in (
        ("1m", {"1m": 60, "5m": 12, "15m": 4, "1h": 1}),
        ("5m", {"5m": 60, "25m": 12, "75m": 4, "5h": 1}),
    ):
        longer = bm.simulate(4500, seed=5, timeframe=timeframe).bars
        assert inputs_of("{name: lstm, view: multi_resolution}", longer).windows == {"lstm": expected}
    assert inputs_of("{name: lstm, config: {resolutions: {5m: 4, 1m: 8}}}", bars).recipe.base_models[0].view == "multi_resolution"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{name: lightgbm, view: multi_resolution}", "'multi_resolution'; expected 'feature_matrix', the view of lightgbm"),
        ("{name: lstm, view: window_tensor, config: {resolutions: {1m: 8}}}", "none on the view window_tensor"),
        ("{name: lstm, view: multi_resolution, config: {resolutions: {1m: 8, 60s: 1}}}", "'60s'; name timeframes such as 1m"),
        ("{name: lstm, view: multi_resolution, config: {resolutions: {1h: 8, 60m: 1}}}", "1h stands twice"),
        ("{name: lstm, view: multi_resolution, config: {resolutions: {1m: 0}}}", "0 is out of range"),
        ("{name: lstm, view: multi_resolution, config: {resolutions: {}}}", "0 bars in all"),
    ],
)
def test_a_view_that_cannot_be_is_refused_with_its_line(entry, told):
    with pytest.raises(RecipeError, match=r"test\.yaml:base_models\[0\]\.(view|config)") as refused:
        recipe_from_text(only(entry), "test.yaml")
    assert told in str(refused.value)


def test_a_timeframe_that_is_no_multiple_of_the_bars_is_refused():
    bars = bm.simulate(4500, seed=5, timeframe="5m").bars
    with pytest.raises(RecipeError, match=r"12m; expected a multiple of 5m"):
        inputs_of("{name: lstm, view: multi_resolution, config: {resolutions: {5m: 8, 12m: 2}}}", bars)


def test_a_plan_counts_the_longer_bars_of_its_bundle(bundle):
    assert isinstance(bundle.plan, FeaturePlan)
    assert bundle.pipeline.scaler.anchor == bundle.plan.anchor
