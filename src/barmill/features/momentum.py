"""Momentum and trend: how far, how steadily and in which direction prices went."""

import math
from typing import NamedTuple

import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import exponential, wilder, windows
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import LagParams, MacdParams, StochasticParams, WindowParams
from barmill.features.spec import FeatureSpec

FAMILY = "momentum"


def ema(x: npt.ArrayLike, n: int) -> Float64Array:
    """Exponential mean with factor 2/(n + 1), seeded with the simple mean of the first n values.

    Parameters
    ----------
    x : float64 array of shape (n_bars,)
    n : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), in the units of x; NaN for the first n - 1 bars.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError unless x has one axis; InputError for a span below 1.
    """
    history.whole("ema", n=n)
    return exponential.ema.run((n,), close=history.columns("ema", x=x)["x"])[0].copy()


def rsi(close: npt.ArrayLike, n: int) -> Float64Array:
    """Relative strength index: 100·G/(G + B) of Wilder's mean gain G and mean loss B over n changes.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    n : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), 0 to 100; NaN for the first n bars, and as long as nothing has moved (the feature
    `rsi` is 50 there, TA-Lib gives 0).

    Timing: row t is known at the close of bar t.
    Raises: ShapeError unless close has one axis; InputError for a window below 1.
    Source: Wilder (1978), New Concepts in Technical Trading Systems.
    """
    history.whole("rsi", n=n)
    return wilder.rsi.run((n, math.nan), **history.columns("rsi", close=close))[0].copy()


class Macd(NamedTuple):
    """MACD, its signal and their difference, float64 of shape (n_bars,) each."""

    macd: Float64Array
    signal: Float64Array
    hist: Float64Array


def macd(close: npt.ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Moving average convergence and divergence: EMA(fast) - EMA(slow), the EMA of that, and their difference.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    fast, slow, signal : int, bars, at least 1, fast below slow

    Returns
    -------
    macd, signal, hist : float64 arrays of shape (n_bars,), price units; NaN for the first slow + signal - 2 bars. Both
    means start on bar slow - 1, the fast one from the mean of the `fast` bars ending there, as in TA-Lib.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError unless close has one axis; InputError for a span below 1 or a fast one that is not below the slow one.
    Source: Appel (2005), Technical Analysis: Power Tools for Active Investors.
    """
    history.whole("macd", fast=fast, slow=slow, signal=signal)
    if fast >= slow:
        raise InputError("macd: fast", f"is {fast}", expected=f"less than slow, {slow}")
    out = exponential.macd.run((fast, slow, signal), **history.columns("macd", close=close))
    return Macd(out[0].copy(), out[1].copy(), out[2].copy())


class Adx(NamedTuple):
    """Directional indicators and their index, float64 of shape (n_bars,) each."""

    plus_di: Float64Array
    minus_di: Float64Array
    adx: Float64Array


def adx(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, n: int) -> Adx:
    """Average directional index with +DI and -DI: how strongly, and which way, prices trend.

    Parameters
    ----------
    high, low, close : float64 arrays of shape (n_bars,), prices
    n : int, bars, at least 1

    Returns
    -------
    plus_di, minus_di, adx : float64 arrays of shape (n_bars,), 0 to 100; NaN for the first n bars (adx: 2n - 1), and as long
    as there was no true range at all (TA-Lib gives 0). A bar without directional movement leaves adx as it was.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1 or a low above its high.
    Source: Wilder (1978), New Concepts in Technical Trading Systems.
    """
    history.whole("adx", n=n)
    given = history.columns("adx", high=high, low=low, close=close)
    history.not_above("adx", given, "low", "high")
    out = wilder.adx.run((n, math.nan), **given)
    return Adx(out[0].copy(), out[1].copy(), out[2].copy())


class Stochastic(NamedTuple):
    """Slow lines of the stochastic oscillator, float64 of shape (n_bars,) each."""

    slow_k: Float64Array
    slow_d: Float64Array


def stochastic(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, k: int = 14, smooth: int = 3, d: int = 3) -> Stochastic:
    """Stochastic oscillator: where the close stands within the range of the last k bars, smoothed, and smoothed again.

    Parameters
    ----------
    high, low, close : float64 arrays of shape (n_bars,), prices
    k, smooth, d : int, bars, at least 1

    Returns
    -------
    slow_k, slow_d : float64 arrays of shape (n_bars,), 0 to 100. slow_k is NaN for the first k + smooth - 2 bars, slow_d
    for d - 1 more; both where a range of k bars had no width (TA-Lib gives 0).

    Timing: row t is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1 or a low above its high.
    Source: Lane (1984), Technical Analysis of Stocks & Commodities 2.
    """
    history.whole("stochastic", k=k, smooth=smooth, d=d)
    given = history.columns("stochastic", high=high, low=low, close=close)
    history.not_above("stochastic", given, "low", "high")
    out = windows.stochastic.run((k, smooth, d, math.nan), **given)
    return Stochastic(out[0].copy(), out[1].copy())


FEATURES = (
    FeatureSpec(
        name="log_return",
        family=FAMILY,
        version=1,
        params=LagParams,
        usual=LagParams(lag=1),
        inputs=("close",),
        kernel=windows.log_return,
        output="log_return",
        kernel_params=lambda p: (p.lag,),
        lookback=lambda p: p.lag,
        unit="log return",
        formula="ln(C/C₋ₙ)",
        source="Campbell, Lo & MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
    ),
    FeatureSpec(
        name="rsi",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=14),
        inputs=("close",),
        kernel=wilder.rsi,
        output="rsi",
        kernel_params=lambda p: (p.window, 50.0),
        lookback=lambda p: p.window,
        fades=lambda p: (1 - 1 / p.window,),
        unit="0 to 100",
        formula="100·G/(G + B), Wilder's means of gains and losses over n changes; 50 where nothing moved",
        source="Wilder (1978), New Concepts in Technical Trading Systems",
    ),
    FeatureSpec(
        name="macd",
        family=FAMILY,
        version=1,
        params=MacdParams,
        usual=MacdParams(fast=12, slow=26, signal=9),
        inputs=("close",),
        kernel=exponential.macd,
        output="macd_share",
        kernel_params=lambda p: p.values(),
        lookback=lambda p: p.slow + p.signal - 2,
        fades=lambda p: (1 - 2 / (p.slow + 1),),
        unit="share of the close",
        formula="(EMA(fast) - EMA(slow))/C; 0 where the close stood still",
        source="Appel (2005), Technical Analysis: Power Tools for Active Investors",
    ),
    FeatureSpec(
        name="macd_signal",
        family=FAMILY,
        version=1,
        params=MacdParams,
        usual=MacdParams(fast=12, slow=26, signal=9),
        inputs=("close",),
        kernel=exponential.macd,
        output="signal_share",
        kernel_params=lambda p: p.values(),
        lookback=lambda p: p.slow + p.signal - 2,
        fades=lambda p: (1 - 2 / (p.slow + 1), 1 - 2 / (p.signal + 1)),
        unit="share of the close",
        formula="(EMA(signal) of MACD)/C; 0 where the close stood still",
        source="Appel (2005), Technical Analysis: Power Tools for Active Investors",
    ),
    FeatureSpec(
        name="macd_hist",
        family=FAMILY,
        version=1,
        params=MacdParams,
        usual=MacdParams(fast=12, slow=26, signal=9),
        inputs=("close",),
        kernel=exponential.macd,
        output="hist_share",
        kernel_params=lambda p: p.values(),
        lookback=lambda p: p.slow + p.signal - 2,
        fades=lambda p: (1 - 2 / (p.slow + 1), 1 - 2 / (p.signal + 1)),
        unit="share of the close",
        formula="(MACD - its signal)/C; 0 where the close stood still",
        source="Appel (2005), Technical Analysis: Power Tools for Active Investors",
    ),
    FeatureSpec(
        name="plus_di",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=14),
        inputs=("high", "low", "close"),
        kernel=wilder.adx,
        output="plus_di",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window,
        fades=lambda p: (1 - 1 / p.window,),
        unit="0 to 100",
        formula="100·+DM/TR, Wilder's sums over n bars; 0 where there was no true range",
        source="Wilder (1978), New Concepts in Technical Trading Systems",
    ),
    FeatureSpec(
        name="minus_di",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=14),
        inputs=("high", "low", "close"),
        kernel=wilder.adx,
        output="minus_di",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window,
        fades=lambda p: (1 - 1 / p.window,),
        unit="0 to 100",
        formula="100·-DM/TR, Wilder's sums over n bars; 0 where there was no true range",
        source="Wilder (1978), New Concepts in Technical Trading Systems",
    ),
    FeatureSpec(
        name="adx",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=14),
        inputs=("high", "low", "close"),
        kernel=wilder.adx,
        output="adx",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: 2 * p.window - 1,
        fades=lambda p: (1 - 1 / p.window, 1 - 1 / p.window),
        unit="0 to 100",
        formula="Wilder's mean over n bars of 100·|+DI - -DI|/(+DI + -DI); a bar without movement leaves it as it was, 0 before any",
        source="Wilder (1978), New Concepts in Technical Trading Systems",
    ),
    FeatureSpec(
        name="stochastic_k",
        family=FAMILY,
        version=1,
        params=StochasticParams,
        usual=StochasticParams(window=14, smooth=3, slow=3),
        inputs=("high", "low", "close"),
        kernel=windows.stochastic,
        output="slow_k",
        kernel_params=lambda p: (*p.values(), 50.0),
        lookback=lambda p: p.window + p.smooth - 2,
        unit="0 to 100",
        formula="mean over `smooth` bars of 100·(C - lowest)/(highest - lowest) of `window` bars; 50 where high and low are one",
        source="Lane (1984), Technical Analysis of Stocks & Commodities 2",
    ),
    FeatureSpec(
        name="stochastic_d",
        family=FAMILY,
        version=1,
        params=StochasticParams,
        usual=StochasticParams(window=14, smooth=3, slow=3),
        inputs=("high", "low", "close"),
        kernel=windows.stochastic,
        output="slow_d",
        kernel_params=lambda p: (*p.values(), 50.0),
        lookback=lambda p: p.window + p.smooth + p.slow - 3,
        unit="0 to 100",
        formula="mean over `slow` bars of stochastic_k; 50 where high and low are one",
        source="Lane (1984), Technical Analysis of Stocks & Commodities 2",
    ),
    FeatureSpec(
        name="ema_distance",
        family=FAMILY,
        version=1,
        params=WindowParams,
        usual=WindowParams(window=26),
        inputs=("close",),
        kernel=exponential.ema,
        output="distance",
        kernel_params=lambda p: (p.window,),
        lookback=lambda p: p.window - 1,
        fades=lambda p: (1 - 2 / (p.window + 1),),
        unit="share of the mean",
        formula="C/EMA(n) - 1, seeded with the mean of the first n closes; 0 where the close stood still",
        source="Brown (1963), Smoothing, Forecasting and Prediction",
    ),
)

__all__ = ["FAMILY", "FEATURES", "Adx", "Macd", "Stochastic", "adx", "ema", "macd", "rsi", "stochastic"]
