"""Volatility indicators against TA-Lib and against slow NumPy versions."""

import math

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import InputError, ShapeError
from barmill.features import atr, bollinger, garman_klass_volatility, parkinson_volatility


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
        expected = [math.nan, math.nan]
        if t >= window - 1:
            width, body = np.log(high[span] / low[span]), np.log(close[span] / open_[span])
            expected = [
                math.sqrt(np.mean(width**2) / (4 * math.log(2))),
                math.sqrt(np.mean(0.5 * width**2 - (2 * math.log(2) - 1) * body**2)),
            ]
        ours = [parkinson_volatility(high, low, window)[t], garman_klass_volatility(open_, high, low, close, window)[t]]
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
    with pytest.raises(InputError, match=r"bollinger: k: is -1; expected a number above 0\."):
        bollinger([1.0], 2, -1)
    with pytest.raises(ShapeError, match=r"atr: close: has 1 bars; expected 2 as in high\."):
        atr([1.0, 1.0], [1.0, 1.0], [1.0], 14)
    with pytest.raises(InputError, match=r"atr: n: is True"):
        atr([1.0], [1.0], [1.0], True)
