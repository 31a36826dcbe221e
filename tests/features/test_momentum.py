"""Momentum indicators against TA-Lib, by hand, and at their edges."""

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import InputError, ShapeError
from barmill.features import FeaturePlan, adx, ema, macd, rsi, stochastic
from barmill.features.kernels import averages, oscillators
from barmill.market import Timeframe


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


def values_of(names: tuple[str, ...], bars) -> np.ndarray:
    return FeaturePlan.build(timeframes=(), add=names, needs=()).compute(bars).values


@pytest.mark.parametrize("n", [2, 14, 60])
def test_oscillators_and_averages_equal_talib_at_any_window(make_bars, n):
    bars = make_bars(3_000, seed=1, tick=1e-9)  # on coarser ticks typical prices tie, and TA-Lib lets the rounding decide
    given = bars.high, bars.low, bars.close
    theirs = [talib.WILLR(*given, n), talib.CCI(*given, n), talib.SMA(bars.close, n), talib.MAX(bars.high, n), talib.MIN(bars.low, n)]
    ours = values_of((f"williams_r_{n}", f"cci_{n}", f"sma_{n}", f"highest_{n}", f"lowest_{n}"), bars).T
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("lag", [1, 5, 60])
def test_returns_of_one_run_agree_with_each_other_and_with_talib(bars, lag):
    names = (f"log_return_{lag}", f"abs_log_return_{lag}", f"return_{lag}", f"momentum_{lag}", f"roc_{lag}")
    log_return, size, simple, momentum, roc = values_of(names, bars).T
    np.testing.assert_allclose(roc, talib.ROC(bars.close, lag), rtol=1e-9, atol=1e-9, equal_nan=True)
    np.testing.assert_array_equal(size, np.abs(log_return))
    np.testing.assert_array_equal(momentum, simple)
    np.testing.assert_allclose(np.expm1(log_return), simple, rtol=1e-9, atol=1e-12, equal_nan=True)


ticks = arrays(np.int64, st.integers(1, 60), elements=st.integers(1, 6))  # few levels: many ties, as prices have


@given(ticks, st.integers(1, 12))
def test_extremes_are_those_of_every_window(levels, n):
    low = levels.astype(np.float64)
    high, close = low + 1.0, low + 0.25
    out = oscillators.extremes.run((n, 0.5), high=high, low=low, close=close)
    for t in range(len(low)):
        expected = (np.nan,) * 3
        if t >= n - 1:
            top, bottom = high[t - n + 1 : t + 1].max(), low[t - n + 1 : t + 1].min()
            expected = (top, bottom, (close[t] - bottom) / (top - bottom))
        np.testing.assert_array_equal(out[:3, t], expected)


@given(st.floats(1e-6, 1e6), st.integers(1, 30))
def test_a_close_that_stands_still_is_its_own_mean_to_the_bit(price, n):
    mean, distance = averages.sma.run((n,), close=np.full(40, price))
    np.testing.assert_array_equal(mean[n - 1 :], price)
    np.testing.assert_array_equal(distance[n - 1 :], 0.0)


def test_neutral_values_of_oscillators_where_nothing_moves(make_bars):
    still = make_bars(40, tick=100.0, quiet=1.0)  # every price rounds to one
    assert len(set(still.close.tolist())) == 1
    values = values_of(("williams_r_14", "range_position_14", "cci_14"), still)
    assert values[-1].tolist() == [-50.0, 0.5, 0.0]


def test_typical_prices_that_differ_by_rounding_alone_are_one():
    """99.7 + 100.3 + 100.4 and 99.6 + 100.1 + 100.7 are 300.4 both, and not the same float."""
    high, low, close = np.tile([[100.4, 100.7], [99.7, 99.6], [100.3, 100.1]], 10)
    assert len({*((high + low + close) / 3).tolist()}) == 2
    np.testing.assert_array_equal(oscillators.cci.run((5, 0.0), high=high, low=low, close=close)[0, 4:], 0.0)
    money = oscillators.mfi.run((5, 50.0), high=high, low=low, close=close, volume=np.ones(20))
    np.testing.assert_array_equal(money[0, 5:], 50.0)


def test_sma_and_its_distance_on_paper(make_bars):
    bars = make_bars(30, seed=4)
    close = bars.close[-4:]
    values = values_of(("sma_4", "sma_distance_4", "sma_4@5m"), bars)
    assert values[-1, 0] == pytest.approx(close.sum() / 4, rel=1e-15)
    assert values[-1, 1] == pytest.approx(close[-1] / (close.sum() / 4) - 1, rel=1e-9)
    assert values[-1, 2] == pytest.approx(bars.close[[14, 19, 24, 29]].mean(), rel=1e-15)
    assert Timeframe(5).ms == 300_000
