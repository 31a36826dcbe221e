import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import BundleError, ForecastError, ShapeError, SplitError
from barmill.uncertainty import RegimeCalibration, fit_calibration, fit_regime_calibration
from barmill.uncertainty.links import sigmoid, softmax

METHODS = ("temperature_scaling", "platt", "beta", "isotonic")


def rows(n_classes=2, n=3000, seed=0):
    """In regime 0 a model three times too sure, in regime 2 one three times too timid; of regime 7 ten rows."""
    rng = np.random.default_rng(seed)
    regimes = rng.choice([0, 2], n)
    regimes[:10] = 7
    sureness = np.where(regimes == 0, 3.0, 1 / 3)
    if n_classes == 2:
        honest = rng.normal(0, 1.5, n)
        return honest * sureness, (rng.uniform(size=n) < sigmoid(honest)).astype(int), regimes
    honest = rng.normal(size=(n, n_classes))
    y = (softmax(honest).cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return honest * sureness[:, None], np.minimum(y, n_classes - 1), regimes


def test_each_regime_has_the_temperature_that_was_planted_in_it():
    fitted = fit_regime_calibration(["temperature_scaling"], *rows(n=40_000)[:2], 2, rows(n=40_000)[2])
    assert fitted.of(0).steps[0].temperature == pytest.approx(3, rel=0.1)
    assert fitted.of(2).steps[0].temperature == pytest.approx(1 / 3, rel=0.1)
    assert fitted.methods == ("temperature_scaling",)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_a_row_is_calibrated_by_its_own_regime_as_if_there_were_no_other(method, n_classes):
    z, y, regimes = rows(n_classes)
    fitted = fit_regime_calibration([method], z, y, n_classes, regimes)
    p = fitted.apply(z, regimes)
    for regime in (0, 2):
        mine = regimes == regime
        np.testing.assert_array_equal(p[mine], fit_calibration([method], z[mine], y[mine], n_classes).apply(z[mine]))


def test_a_regime_with_too_few_rows_or_a_missing_class_or_that_never_came_is_served_by_the_pooled_one_and_that_is_kept():
    z, y, regimes = rows()
    regimes[10:700] = 3
    y[10:700] = 1
    fitted = fit_regime_calibration(["platt"], z, y, 2, regimes, least_rows=600)
    assert [(found.regime, found.n_rows, found.calibration is None) for found in fitted.regimes] == [
        (0, int((regimes == 0).sum()), False),
        (2, int((regimes == 2).sum()), False),
        (3, 690, True),
        (7, 10, True),
    ]
    pooled = fit_calibration(["platt"], z, y, 2)
    assert fitted.of(3) == fitted.of(7) == fitted.of(99) == pooled
    np.testing.assert_array_equal(fitted.apply(z, np.full(z.size, 99.0)), pooled.apply(z))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-40, 40), st.sampled_from([0, 2, 7, 9])), min_size=1, max_size=40), st.sampled_from(METHODS))
def test_the_order_is_kept_inside_a_regime_and_a_row_alone_gives_the_same_bits(new, method):
    z, y, regimes = rows(n=1500)
    fitted = fit_regime_calibration([method], z, y, 2, regimes)
    scores, groups = np.sort([row[0] for row in new]), np.array([row[1] for row in new])
    p = fitted.apply(scores, groups)
    assert p.min() >= 0
    assert p.max() <= 1
    for regime in np.unique(groups):
        assert (np.diff(p[groups == regime]) >= -1e-15).all()
    np.testing.assert_array_equal(p, [fitted.apply([score], [group])[0] for score, group in zip(scores, groups, strict=True)])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_json_gives_the_same_value_to_the_bit(n_classes):
    z, y, regimes = rows(n_classes)
    fitted = fit_regime_calibration(["isotonic", "beta"], z, y, n_classes, regimes)
    again = RegimeCalibration.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(again.apply(z, regimes), fitted.apply(z, regimes))
    assert again.to_json() == fitted.to_json()


def test_regimes_that_are_no_whole_numbers_are_refused():
    z, y, regimes = rows()
    fitted = fit_regime_calibration([], z, y, 2, regimes)
    with pytest.raises(ForecastError, match=r"regime row 1: is 0.5; expected a whole number"):
        fitted.apply([0.0, 1.0], [0.0, 0.5])
    with pytest.raises(ForecastError, match="regime row 0: is nan"):
        fitted.apply([0.0], [np.nan])
    with pytest.raises(ShapeError, match="regimes: have shape"):
        fitted.apply([0.0, 1.0], [0])
    with pytest.raises(ShapeError, match="regimes: of shape"):
        fit_regime_calibration([], z, y, 2, regimes + 0.5)
    with pytest.raises(ShapeError, match="least_rows: is 0"):
        fit_regime_calibration([], z, y, 2, regimes, least_rows=0)
    with pytest.raises(SplitError, match="hold no row of class 0"):
        fit_regime_calibration(["platt"], z, np.ones(z.size), 2, regimes)


@pytest.mark.parametrize(
    "mend",
    [
        lambda kept: kept.pop("pooled"),
        lambda kept: kept.update(regimes=[kept["regimes"][0]] * 2),
        lambda kept: kept.update(regimes=kept["regimes"][::-1]),
        lambda kept: kept["pooled"].update(n_classes=3),
        lambda kept: kept.update(least_rows=None),
    ],
)
def test_json_of_something_else_is_a_bundle_error(mend):
    kept = fit_regime_calibration(["temperature_scaling"], *rows()[:2], 2, rows()[2]).to_json()
    mend(kept)
    with pytest.raises(BundleError, match="calibrator"):
        RegimeCalibration.from_json(kept)
