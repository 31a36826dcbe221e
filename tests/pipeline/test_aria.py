"""The forex recipe: what seed 001 asks for is what it reads, plans and cuts."""

import numpy as np
import pytest

from barmill.pipeline import read_recipe, recipe_file
from barmill.pipeline.cutting import CutLabels, labels_before_features
from barmill.pipeline.development import Development
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.plan import stages_of


@pytest.fixture(scope="module")
def recipe():
    return read_recipe(recipe_file("aria"))


def test_it_names_what_the_seed_names(recipe):
    models = {entry.label: entry for entry in recipe.base_models}
    assert list(models) == ["lstm", "xgboost", "cnn_1d"]
    asked = {
        "lstm": {"epochs": 20, "batch_size": 64, "learning_rate": 0.001, "seq_len": 16, "hidden_size": 32, "class_weight": "balanced"},
        "xgboost": {"n_estimators": 100, "max_depth": 4, "learning_rate": 0.05, "class_weight": "balanced"},
        "cnn_1d": {"epochs": 15, "batch_size": 64, "variant": "dilated"},
    }
    for label, config in asked.items():
        assert {name: models[label].config[name] for name in config} == config
    assert (recipe.labels.horizon, recipe.resample) == (8, "15m")
    assert (recipe.cross_validation.train_size, recipe.cross_validation.test_size) == ("4mo", "2mo")
    assert recipe.inference.calibrate == ("isotonic",)
    assert [(one.label, one.kind) for one in recipe.combined] == [("fusion", "fusion"), ("gating", "static_gating")]
    assert recipe.targets.size_kb == {"lstm": 1000, "xgboost": 500, "cnn_1d": 2000, "total": 5000}
    assert recipe.targets.latency_ms == {"each": 50, "all": 200, "calibration": 10, "combining": 5}


@pytest.fixture(scope="module")
def inputs(recipe, real_data):
    missing = [name for name in recipe.bars if not (real_data / name).exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {real_data}: set BARMILL_DATA")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_DATA", str(real_data))
        return gather_inputs(recipe, None, None, None)


def test_two_years_of_minutes_become_quarters_of_an_hour_and_a_plan(inputs):
    bars = inputs.bars
    assert (str(bars.timeframe), bars.instrument.symbol, bars.anchor) == ("15m", "EURUSD", "epoch")
    assert "745,077 bars of 1m resampled to 15m" in bars.notes
    assert inputs.plan.names[:7] == ("r", "abs_r", "ewma_sig", "atr14", "rsi", "bb_pos", "mom5")
    assert {"asia", "london", "new_york", "overlap", "volatility_regime", "trend_regime"} <= set(inputs.plan.names)
    stages = stages_of(inputs)
    assert set(stages.judged) == {"lstm", "xgboost", "cnn_1d", "fusion", "gating"}
    assert stages.cross_validation is not None


def test_every_walk_learns_from_four_months_of_the_calendar_and_judges_the_two_after(inputs):
    cut = CutLabels.of(labels_before_features(inputs), inputs.recipe, inputs.bars.timeframe)
    development = Development.of(cut.labels, cut.positions, inputs.recipe, inputs.bars)
    times = inputs.bars.open_time
    begun: list[np.datetime64] = []
    for fold in development.folds:
        train, test = (cut.labels.t0[rows] for rows in (development.train(fold), development.test(fold)))
        taught, judged = (times[rows[[0, -1]]].astype("datetime64[ms]") for rows in (train, test))
        assert 55 <= (judged[1] - judged[0]) / np.timedelta64(1, "D") <= 62
        assert 108 <= (taught[1] - taught[0]) / np.timedelta64(1, "D") <= 123
        assert cut.labels.t1[development.train(fold)].max() + 96 <= test[0]  # a day's embargo
        begun.append(judged[0])
    assert len(begun) == 8
    assert (np.diff(np.array(begun).astype("datetime64[M]").astype(int)) == 2).all()
    days = np.array(begun).astype("datetime64[D]") - np.array(begun).astype("datetime64[M]")
    assert np.ptp(days.astype(int)) <= 3  # the same day of the month, or the first trading day after it
