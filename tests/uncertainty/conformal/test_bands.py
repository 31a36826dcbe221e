"""Fitted bands as a server applies them: never crossed, never infinite, the same row by row, and exact as JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import BundleError, ForecastError, ShapeError, SplitError
from barmill.uncertainty.conformal import (
    CqrBand,
    JackknifeBand,
    SplitBand,
    cqr,
    fit_cqr_band,
    fit_jackknife_band,
    fit_split_band,
    jackknife,
    read_band,
    split_conformal,
)

numbers = st.floats(-1e6, 1e6)
pairs = st.integers(1, 20).flatmap(lambda n: arrays(np.float64, (2, n), elements=numbers))


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    prediction, spread = rng.normal(0, 0.3, n), rng.uniform(0.5, 2.0, n)
    return prediction + spread * rng.normal(size=n), prediction, prediction - 2.5 * spread, prediction + 2.5 * spread


def test_what_is_served_is_the_function_of_the_definitions():
    y, prediction, lo, hi = rows()
    new, _, new_lo, new_hi = rows(seed=1)
    split, narrowed = split_conformal(y, prediction, new, 0.1), cqr(y, lo, hi, new_lo, new_hi, 0.1)
    assert narrowed.q < 0
    np.testing.assert_array_equal(fit_split_band(y, prediction, 0.1).apply(new), split[1:])
    np.testing.assert_array_equal(fit_cqr_band(y, lo, hi, 0.1).apply(new_lo, new_hi), narrowed[1:])
    np.testing.assert_array_equal(fit_jackknife_band(y, prediction, 0.1).apply(new), jackknife(np.abs(y - prediction), new, 0.1))


@given(pairs, st.floats(-1e6, 1e6))
def test_a_cqr_band_is_the_formula_or_a_point_in_the_middle(ends, q):
    lo, hi = ends
    lower, upper = CqrBand(q, 0.1, 9).apply(lo, hi)
    assert (lower <= upper).all()
    crossed = lo - q > hi + q
    np.testing.assert_array_equal(lower[~crossed], (lo - q)[~crossed])
    np.testing.assert_array_equal(upper[~crossed], (hi + q)[~crossed])
    np.testing.assert_array_equal(lower[crossed], (0.5 * lo + 0.5 * hi)[crossed])
    np.testing.assert_array_equal(upper[crossed], lower[crossed])


@given(pairs, st.floats(-1e6, 1e6))
def test_one_by_one_is_all_at_once(ends, q):
    lo, hi = ends
    whole, alone = CqrBand(q, 0.1, 9).apply(lo, hi), [CqrBand(q, 0.1, 9).apply(lo[i : i + 1], hi[i : i + 1]) for i in range(lo.size)]
    np.testing.assert_array_equal(whole, np.concatenate(alone, axis=1))
    split = SplitBand(abs(q), 0.1, 9)
    np.testing.assert_array_equal(split.apply(lo), np.concatenate([split.apply(lo[i : i + 1]) for i in range(lo.size)], axis=1))


def test_a_point_forecast_of_exactly_the_outcomes_has_a_band_of_no_width():
    band = fit_split_band(np.ones(20), np.ones(20), 0.1)
    assert band.q == 0.0
    assert band.apply([2.0]) == (2.0, 2.0)


@pytest.mark.parametrize("band", [SplitBand(1 / 3, 0.1, 57), CqrBand(-math.pi / 10, 0.05, 21), JackknifeBand(0.1 + 0.2, 1 / 3, 9)])
def test_json_gives_the_same_band_to_the_bit(band):
    assert type(band).from_json(json.loads(json.dumps(band.to_json()))) == band
    assert read_band(json.loads(json.dumps(band.to_json()))) == band


@pytest.mark.parametrize(
    "change",
    [{"q": math.inf}, {"q": math.nan}, {"q": None}, {"q": -1.0}, {"alpha": 1.0}, {"n_rows": 0}, {"method": "cqr"}, {"n_rows": "x"}],
)
def test_json_of_something_else_is_a_bundle_error(change):
    for kind in (SplitBand, JackknifeBand):
        with pytest.raises(BundleError, match="conformal band: cannot be read"):
            kind.from_json({**kind(1.0, 0.1, 9).to_json(), **change})
    with pytest.raises(BundleError, match="conformal band"):
        CqrBand.from_json({})


def test_an_unknown_method_is_a_bundle_error_that_names_the_nearest():
    with pytest.raises(BundleError, match="Did you mean 'cqr'"):
        read_band({"method": "cqrr"})
    with pytest.raises(BundleError, match="has the method None"):
        read_band({})


def test_a_bundle_never_says_infinity():
    y = np.zeros(8)
    for fit in (lambda: fit_split_band(y, y, 0.1), lambda: fit_cqr_band(y, y, y, 0.1), lambda: fit_jackknife_band(y, y, 0.1)):
        with pytest.raises(SplitError, match=r"has 8 rows, too few for a band with alpha = 0\.1; expected at least 9"):
            fit()
    with pytest.raises(ShapeError, match="q is inf"):
        SplitBand(math.inf, 0.1, 9)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ForecastError, match="prediction row 1: is not finite"):
        SplitBand(1.0, 0.1, 9).apply([0.0, np.nan])
    with pytest.raises(ForecastError, match="hi row 0: is not finite"):
        CqrBand(1.0, 0.1, 9).apply([0.0, 1.0], [np.inf, 2.0])
    with pytest.raises(ForecastError, match="lo row 1: is not finite"):
        CqrBand(1.0, 0.1, 9).apply([0.0, np.nan], [1.0, 2.0])
    with pytest.raises(ForecastError, match="one of each for a row"):
        CqrBand(1.0, 0.1, 9).apply([0.0], [1.0, 2.0])
