"""Calibration by class and by regime, as a recipe asks for it."""

import numpy as np
import pytest

from barmill.errors import RecipeError
from barmill.evaluation import expected_calibration_error
from barmill.pipeline.calibrating import HeldOut, fit_calibrators
from barmill.pipeline.calibration_judging import errors_by_regime
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.uncertainty import Calibration, FeatureCalibration, fit_calibration, read_calibrator
from barmill.uncertainty.links import probabilities_of, sigmoid, softmax

MODEL = "base_models: [{name: logistic}]\n"
BY_REGIME = "{calibrate: [temperature_scaling], calibrate_by: regime, calibrate_regime: trend_regime, calibrate_regime_rows: 400}"
FEATURE = "trend_regime_20"


def recipe(inference, labels="{horizon: 30}"):
    return recipe_from_text(MODEL + f"labels: {labels}\ninference: {inference}\n", "r.yaml")


def rows(n=6_000, seed=0, n_classes=2):
    """In regime 0 a model three times too sure, in regime 1 one three times too timid; of regime 2 hardly a row."""
    rng = np.random.default_rng(seed)
    regime = rng.integers(0, 2, n).astype(np.float64)
    regime[:30] = 2
    sureness = np.where(regime == 0, 3.0, 1 / 3)
    if n_classes == 2:
        honest = rng.normal(0, 1.5, n)
        return honest * sureness, (rng.random(n) < sigmoid(honest)).astype(np.int64), regime
    honest = rng.normal(size=(n, 3))
    y = (rng.random((n, 1)) > np.cumsum(softmax(honest), axis=1)).sum(axis=1)
    return honest * sureness[:, None], np.minimum(y, 2).astype(np.int64), regime


def held_out(regime):
    t0 = np.arange(len(regime)) * 40
    return HeldOut(t0, t0 + 30, regime)


def test_by_regime_each_regime_is_calibrated_by_its_own_rows_and_a_rare_one_by_all():
    logits, y, regime = rows()
    fitted, _ = fit_calibrators(recipe(BY_REGIME), logits, y, 2, held_out(regime))
    assert isinstance(fitted, FeatureCalibration)
    assert fitted.feature == FEATURE
    temperatures = [fitted.by_regime.of(one).steps[0].temperature for one in (0, 1)]
    assert temperatures == pytest.approx([3, 1 / 3], rel=0.15)
    assert [(one.regime, one.calibration is None) for one in fitted.by_regime.regimes] == [(0, False), (1, False), (2, True)]
    assert fitted.by_regime.of(2) == fitted.by_regime.pooled == fit_calibration(["temperature_scaling"], logits, y, 2)
    assert read_calibrator(fitted.to_json()) == fitted


def test_the_error_of_each_regime_falls_on_rows_that_calibration_did_not_see_where_pooling_leaves_it():
    logits, y, regime = rows(n=30_000)
    fitted, _ = fit_calibrators(recipe(BY_REGIME), logits, y, 2, held_out(regime))
    new, came, told = rows(n=30_000, seed=1)
    plain = probabilities_of(new)
    found = errors_by_regime(fitted, fitted.apply(new, told), plain, came, told)
    assert (found["feature"], found["least_rows"]) == (FEATURE, 400)
    pooled = fit_calibration(["temperature_scaling"], logits, y, 2).apply(new)
    for one in found["regimes"][:2]:
        mine = told == one["regime"]
        assert one["own"]
        assert one["n"] == mine.sum()
        assert 2 * one["ece"] < expected_calibration_error(pooled[mine], came[mine]).ece
        assert one["ece_before"] == expected_calibration_error(plain[mine], came[mine]).ece
    rare = found["regimes"][2]
    assert (rare["regime"], rare["own"], rare["n_fitted"]) == (2, False, 30)
    assert errors_by_regime(Calibration(2), plain, plain, came, told) is None


def test_a_regime_of_calibration_that_does_not_come_again_has_no_error_and_a_new_one_has():
    logits, y, regime = rows()
    fitted, _ = fit_calibrators(recipe(BY_REGIME), logits, y, 2, held_out(regime))
    told = np.where(regime == 2, 7.0, regime)
    p = fitted.apply(logits, told)
    found = {one["regime"]: one for one in errors_by_regime(fitted, p, p, y, told)["regimes"]}
    assert np.isnan(found[2]["ece"])
    assert (found[2]["n"], found[7]["n"], found[7]["n_fitted"], found[7]["own"]) == (0, 30, 0, False)


def test_auto_by_regime_fits_the_chain_that_it_kept_in_each_regime_and_nothing_where_none_helped():
    logits, y, regime = rows(n=16_000)
    asked = recipe(BY_REGIME.replace("[temperature_scaling]", "auto"))
    fitted, told = fit_calibrators(asked, logits, y, 2, held_out(regime))
    assert list(fitted.methods) == told["kept"] != []
    honest = np.random.default_rng(3).normal(size=3_000)
    y = (np.random.default_rng(4).random(3_000) < sigmoid(honest)).astype(np.int64)
    fitted, told = fit_calibrators(asked, honest, y, 2, held_out(regime[:3_000]))
    assert (fitted, told["kept"]) == (Calibration(2), [])


def test_by_class_auto_tries_nothing_but_a_curve_for_each_class():
    logits, y, _ = rows(n_classes=3)
    asked = recipe("{calibrate: auto, calibrate_by: class}", "{horizon: 30, classes: 3}")
    _, told = fit_calibrators(asked, logits, y, 3, held_out(np.zeros(len(y)))._replace(regime=None))
    assert [one["methods"] for one in told["tried"]] == [["platt"], ["beta"], ["isotonic"]]


@pytest.mark.parametrize("method", ["temperature_scaling", "platt", "beta", "isotonic"])
def test_probabilities_by_regime_stay_in_bounds_sum_to_one_and_depend_on_their_own_row(method):
    logits, y, regime = rows(n_classes=3)
    asked = recipe(BY_REGIME.replace("temperature_scaling", method), "{horizon: 30, classes: 3}")
    fitted, _ = fit_calibrators(asked, logits, y, 3, held_out(regime))
    new = np.concatenate((rows(n=200, seed=2, n_classes=3)[0], 40 * np.eye(3), -40 * np.eye(3)))
    told = np.resize([0.0, 1.0, 2.0, 5.0], len(new))
    p = fitted.apply(new, told)
    assert p.min() >= 0
    assert p.max() <= 1
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    alone = [fitted.apply(new[k : k + 1], told[k : k + 1])[0] for k in range(len(new))]
    np.testing.assert_array_equal(p, alone)


def test_a_feature_that_is_no_whole_number_is_refused_by_its_name():
    logits, y, regime = rows()
    with pytest.raises(RecipeError, match=r"calibrate_regime: 'trend_regime_20' is 0.5; expected whole numbers"):
        fit_calibrators(recipe(BY_REGIME), logits, y, 2, held_out(np.where(regime == 1, 0.5, regime)))


@pytest.mark.parametrize(
    ("inference", "message"),
    [
        ("{calibrate: null, calibrate_by: regime}", "`calibrate_by` is regime and nothing is calibrated"),
        ("{calibrate_by: class}", "temperature_scaling is one number for all classes; by class take platt, beta, isotonic or auto"),
        ("{calibrate: [platt], calibrate_by: class}", "of two classes one curve says both"),
        ("{calibrate_regime: trend_regime}", "`calibrate_regime` is of `calibrate_by: regime`"),
        ("{calibrate_by: regime, calibrate_regime_rows: 3}", "3 is out of range; expected a number at least 20"),
    ],
)
def test_keys_that_do_not_go_together_are_refused_when_the_recipe_is_read(inference, message):
    with pytest.raises(RecipeError) as error:
        recipe(inference)
    assert message in str(error.value)
