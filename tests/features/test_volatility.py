"""Volatility indicators against TA-Lib and against slow NumPy versions."""

import math

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import InputError, ShapeError
from barmill.features import FeaturePlan, atr, bollinger, garman_klass_volatility, parkinson_volatility, rogers_satchell_volatility


@pytest.mark.parametrize("n", [1, 2, 14, 60])
def test_atr_equals_talib(bars, n):
    ours, theirs = atr(bars.high, bars.low, bars.close, n), talib.ATR(bars.high, bars.low, bars.close, n)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=0, equal_nan=True)
    assert np.isnan(ours[:n]).all()
    assert np.isfinite(ours[n:]).all()


@pytest.mark.parametrize(("n", "k"), [(20, 2.0), (5, 1.5), (100, 3.0)])
def test_bollinger_equals_talib(bars, n, k):
    for ours, theirs in zip(bollinger(bars.close, n, k), talib.BBANDS(bars.close, n, k, k), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, equal_nan=True)


def test_bollinger_bands_of_equal_closes_are_equal_to_the_bit():
    bands = bollinger(np.full(30, 0.1 + 0.2), 20)
    for band in bands:
        np.testing.assert_array_equal(band[19:], 0.1 + 0.2)


@settings(deadline=None)  # the first example may compile
@given(arrays(np.float64, st.tuples(st.just(4), st.integers(1, 40)), elements=st.floats(0.5, 2.0)), st.integers(1, 12))
def test_range_volatilities_equal_the_slow_version(prices, window):
    low, open_, close, high = np.sort(prices, axis=0)
    for t in range(len(low)):
        span = slice(t - window + 1, t + 1)
        expected = [math.nan, math.nan, math.nan]
        if t >= window - 1:
            width, body = np.log(high[span] / low[span]), np.log(close[span] / open_[span])
            above = np.log(high[span] / close[span]) * np.log(high[span] / open_[span])
            below = np.log(low[span] / close[span]) * np.log(low[span] / open_[span])
            expected = [
                math.sqrt(np.mean(width**2) / (4 * math.log(2))),
                math.sqrt(np.mean(0.5 * width**2 - (2 * math.log(2) - 1) * body**2)),
                math.sqrt(np.mean(above + below)),
            ]
        prices = open_, high, low, close
        ours = [f(*prices, window)[t] for f in (garman_klass_volatility, rogers_satchell_volatility)]
        ours.insert(0, parkinson_volatility(high, low, window)[t])
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15, equal_nan=True)


def test_the_input_is_not_changed(bars):
    high = bars.high.copy()
    atr(high, bars.low, bars.close, 14)
    np.testing.assert_array_equal(high, bars.high)


def test_bad_arguments_are_refused_with_place_and_range():
    with pytest.raises(InputError, match=r"parkinson_volatility: row 1: low is 0\.0; expected a price above 0\."):
        parkinson_volatility([1.0, 1.0], [1.0, 0.0], 2)
    with pytest.raises(InputError, match=r"parkinson_volatility: row 0: low 2\.0 is above high 1\.0"):
        parkinson_volatility([1.0], [2.0], 2)
    with pytest.raises(InputError, match=r"garman_klass_volatility: row 0: close 3\.0 is above high 2\.0"):
        garman_klass_volatility([1.5], [2.0], [1.0], [3.0], 1)
    with pytest.raises(InputError, match=r"rogers_satchell_volatility: row 0: low 2\.0 is above open 1\.5"):
        rogers_satchell_volatility([1.5], [3.0], [2.0], [2.5], 1)
    with pytest.raises(InputError, match=r"bollinger: k: is -1; expected a number above 0\."):
        bollinger([1.0], 2, -1)
    with pytest.raises(ShapeError, match=r"atr: close: has 1 bars; expected 2 as in high\."):
        atr([1.0, 1.0], [1.0, 1.0], [1.0], 14)
    with pytest.raises(InputError, match=r"atr: n: is True"):
        atr([1.0], [1.0], [1.0], True)


def values_of(names: tuple[str, ...], bars) -> np.ndarray:
    return FeaturePlan.build(timeframes=(), add=names, needs=()).compute(bars).values.T


def test_rogers_satchell_sees_no_volatility_in_a_straight_trend():
    """Each bar goes from its low to its high without turning: that is all drift (where the range alone sees volatility)."""
    close = 100.0 * 1.01 ** np.arange(1, 31)
    open_ = close / 1.01
    np.testing.assert_array_equal(rogers_satchell_volatility(open_, close, open_, close, 20)[19:], 0.0)
    assert (parkinson_volatility(close, open_, 20)[19:] > 0.005).all()


def test_range_volatilities_find_the_volatility_of_a_random_walk():
    """Of each bar's 500 steps only the range and body are seen; discrete steps miss a little of the range."""
    rng = np.random.default_rng(2)
    path = np.cumsum(rng.normal(0.0, 1e-3, (2_000, 500)), axis=1)
    open_, close = np.ones(2_000), np.exp(path[:, -1])
    high, low = np.exp(np.maximum(path.max(axis=1), 0.0)), np.exp(np.minimum(path.min(axis=1), 0.0))
    true = 1e-3 * math.sqrt(500)
    for found in (garman_klass_volatility, rogers_satchell_volatility):
        assert found(open_, high, low, close, 2_000)[-1] == pytest.approx(true, rel=0.08)
    assert parkinson_volatility(high, low, 2_000)[-1] == pytest.approx(true, rel=0.08)


def test_shares_and_prices_of_one_run_agree(bars):
    names = ("atr_14", "atr_price_14", "true_range", "true_range_price", "bollinger_upper_20_2", "bollinger_lower_20_2")
    atr_share, atr_price, true_range, true_range_price, upper, lower = values_of(names, bars)
    np.testing.assert_array_equal(atr_price / bars.close, atr_share)
    np.testing.assert_array_equal(true_range_price / bars.close, true_range)
    np.testing.assert_allclose(true_range_price, talib.TRANGE(bars.high, bars.low, bars.close), rtol=1e-12, equal_nan=True)
    width = values_of(("bollinger_width_20_2",), bars)[0]
    np.testing.assert_allclose((upper - lower) / ((upper + lower) / 2), width, rtol=1e-9, equal_nan=True)


def test_ewma_volatility_of_four_returns_on_paper(make_bars):
    bars = make_bars(5, seed=6, quiet=0.0)
    squares = np.diff(np.log(bars.close)) ** 2
    third = squares[:3].mean()  # n = 3: the first three seed it, the factor is 1/2
    values = values_of(("ewma_volatility_3",), bars)[0]
    assert np.isnan(values[:3]).all()
    np.testing.assert_allclose(values[3:], np.sqrt([third, (third + squares[3]) / 2]), rtol=1e-9)


def test_volatility_ratio_is_the_ratio_of_realised_volatilities(bars):
    ratio, fast, slow = values_of(("volatility_ratio_10_60", "realised_volatility_10", "realised_volatility_60"), bars)
    np.testing.assert_allclose(ratio[60:], fast[60:] / slow[60:], rtol=1e-12)
