"""Momentum indicators against TA-Lib, by hand, and at their edges."""

import numpy as np
import pytest
import talib

from barmill.errors import InputError, ShapeError
from barmill.features import adx, ema, macd, rsi, stochastic


def equal(ours: np.ndarray, theirs: np.ndarray, first: int) -> None:
    """Ours is NaN before `first` and equal to TA-Lib's from there."""
    assert np.isnan(ours[:first]).all()
    assert np.isfinite(ours[first:]).all()
    np.testing.assert_allclose(ours[first:], theirs[first:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 14, 50])
def test_ema_equals_talib(bars, n):
    theirs = talib.EMA(bars.close, n) if n > 1 else bars.close
    equal(ema(bars.close, n), theirs, n - 1)


@pytest.mark.parametrize("n", [2, 14, 28])
def test_rsi_equals_talib(bars, n):
    equal(rsi(bars.close, n), talib.RSI(bars.close, n), n)


@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (5, 35, 5), (2, 3, 1)])
def test_macd_equals_talib_from_its_first_value(bars, fast, slow, signal):
    for ours, theirs in zip(macd(bars.close, fast, slow, signal), talib.MACD(bars.close, fast, slow, signal), strict=True):
        equal(ours, theirs, slow + signal - 2)


@pytest.mark.parametrize("n", [2, 14, 30])
def test_adx_and_its_parts_equal_talib(bars, n):
    given = bars.high, bars.low, bars.close
    ours = adx(*given, n)
    equal(ours.plus_di, talib.PLUS_DI(*given, n), n)
    equal(ours.minus_di, talib.MINUS_DI(*given, n), n)
    equal(ours.adx, talib.ADX(*given, n), 2 * n - 1)


@pytest.mark.parametrize(("k", "smooth", "d"), [(14, 3, 3), (5, 1, 1), (9, 4, 2)])
def test_stochastic_equals_talib(bars, k, smooth, d):
    ours = stochastic(bars.high, bars.low, bars.close, k, smooth, d)
    theirs = talib.STOCH(bars.high, bars.low, bars.close, k, smooth, 0, d, 0)
    equal(ours.slow_d, theirs[1], k + smooth + d - 3)
    assert np.isfinite(ours.slow_k[k + smooth - 2 :]).all()
    both = slice(k + smooth + d - 3, None)
    np.testing.assert_allclose(ours.slow_k[both], theirs[0][both], rtol=1e-9, atol=1e-9)


def test_rsi_of_six_closes_on_paper():
    # changes +2, -1, +1: the first mean gain 3/3, the first mean loss 1/3; then -3 gives gain 2/3, loss (2/3 + 3)/3
    ours = rsi([10.0, 12.0, 11.0, 12.0, 9.0], 3)
    np.testing.assert_allclose(ours[3:], [75.0, 100.0 * (2 / 3) / (2 / 3 + 11 / 9)], rtol=1e-14)


def test_what_is_undefined_is_nan_and_never_a_number():
    still = np.full(50, 7.0)
    assert np.isnan(rsi(still, 14)).all()
    assert np.isnan(adx(still, still, still, 5).adx).all()
    assert np.isnan(stochastic(still, still, still).slow_k).all()
    np.testing.assert_array_equal(macd(still).macd[33:], 0.0)


@pytest.mark.parametrize("n_bars", [0, 1, 5])
def test_a_short_history_is_all_nan(n_bars):
    short = np.arange(1.0, n_bars + 1)
    for line in (rsi(short, 14), ema(short, 14), *macd(short), *adx(short, short, short, 14), *stochastic(short, short, short)):
        assert line.shape == (n_bars,)
        assert np.isnan(line).all()


def test_bad_arguments_are_refused_with_place_and_range():
    with pytest.raises(InputError, match=r"rsi: n: is 0; expected a whole number of bars, 1 or more\."):
        rsi([1.0, 2.0], 0)
    with pytest.raises(InputError, match=r"ema: n: is 2\.5"):
        ema([1.0, 2.0], 2.5)
    with pytest.raises(InputError, match=r"macd: fast: is 26; expected less than slow, 26\."):
        macd([1.0, 2.0], 26, 26, 9)
    with pytest.raises(ShapeError, match=r"adx: low: has 2 bars; expected 1 as in high\."):
        adx([1.0], [1.0, 2.0], [1.0], 2)
    with pytest.raises(ShapeError, match=r"rsi: close: has shape \(1, 2\); expected one axis"):
        rsi([[1.0, 2.0]], 2)
    with pytest.raises(InputError, match=r"stochastic: row 1: low 3\.0 is above high 2\.0\. Correct the bars\."):
        stochastic([2.0, 2.0], [1.0, 3.0], [1.0, 2.0])
