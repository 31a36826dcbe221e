"""Momentum and trend: how far, how steadily and in which direction prices went."""

import math
from functools import partial
from typing import NamedTuple

import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history, moving_averages
from barmill.features.kernels import exponential, oscillators, wilder, windows
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import LagParams, MacdParams, StochasticParams, WindowParams
from barmill.features.spec import FeatureSpec

FAMILY = "momentum"


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


_feature = partial(FeatureSpec, family=FAMILY, version=1)
_window = partial(
    _feature, params=WindowParams, usual=WindowParams(window=14), inputs=("high", "low", "close"), kernel_params=lambda p: (p.window,)
)
_return = partial(
    _feature,
    params=LagParams,
    usual=LagParams(lag=1),
    inputs=("close",),
    kernel=windows.log_return,
    kernel_params=lambda p: (p.lag,),
    lookback=lambda p: p.lag,
    source="Campbell, Lo & MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
)
_change = partial(_return, usual=LagParams(lag=10), source="Murphy (1999), Technical Analysis, chapter 10")
_macd = partial(
    _feature,
    params=MacdParams,
    usual=MacdParams(fast=12, slow=26, signal=9),
    inputs=("close",),
    kernel=exponential.macd,
    kernel_params=lambda p: p.values(),
    lookback=lambda p: p.slow + p.signal - 2,
    unit="share of the close",
    source="Appel (2005), Technical Analysis: Power Tools for Active Investors",
)
_smoothed_macd = partial(_macd, fades=lambda p: (1 - 2 / (p.slow + 1), 1 - 2 / (p.signal + 1)))
_directional = partial(
    _window,
    kernel=wilder.adx,
    kernel_params=lambda p: (p.window, 0.0),
    lookback=lambda p: p.window,
    fades=lambda p: (1 - 1 / p.window,),
    unit="0 to 100",
    source="Wilder (1978), New Concepts in Technical Trading Systems",
)
_stochastic = partial(
    _feature,
    params=StochasticParams,
    usual=StochasticParams(window=14, smooth=3, slow=3),
    inputs=("high", "low", "close"),
    kernel=windows.stochastic,
    kernel_params=lambda p: (*p.values(), 50.0),
    unit="0 to 100",
    source="Lane (1984), Technical Analysis of Stocks & Commodities 2",
)
_extremes = partial(
    _window,
    kernel=oscillators.extremes,
    kernel_params=lambda p: (p.window, 0.5),
    lookback=lambda p: p.window - 1,
    source="Donchian (1960), Financial Analysts Journal 16(6)",
)

FEATURES = (
    _return(
        name="log_return",
        output="log_return",
        unit="log return",
        formula="ln(C/C₋ₙ)",
    ),
    _return(
        name="abs_log_return",
        output="absolute",
        unit="log return",
        formula="|ln(C/C₋ₙ)|",
    ),
    _return(
        name="return",
        output="simple",
        unit="share",
        formula="C/C₋ₙ - 1",
    ),
    _change(
        name="momentum",
        output="simple",
        unit="share",
        formula="C/C₋ₙ - 1: the simple return of n bars, under the name that it has among indicators",
    ),
    _change(
        name="roc",
        output="percent",
        unit="percent",
        formula="100·(C/C₋ₙ - 1), the rate of change",
    ),
    _window(
        name="rsi",
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
    _macd(
        name="macd",
        output="macd_share",
        fades=lambda p: (1 - 2 / (p.slow + 1),),
        formula="(EMA(fast) - EMA(slow))/C; 0 where the close stood still",
    ),
    _smoothed_macd(
        name="macd_signal",
        output="signal_share",
        formula="(EMA(signal) of MACD)/C; 0 where the close stood still",
    ),
    _smoothed_macd(
        name="macd_hist",
        output="hist_share",
        formula="(MACD - its signal)/C; 0 where the close stood still",
    ),
    _directional(
        name="plus_di",
        output="plus_di",
        formula="100·+DM/TR, Wilder's sums over n bars; 0 where there was no true range",
    ),
    _directional(
        name="minus_di",
        output="minus_di",
        formula="100·-DM/TR, Wilder's sums over n bars; 0 where there was no true range",
    ),
    _directional(
        name="adx",
        output="adx",
        lookback=lambda p: 2 * p.window - 1,
        fades=lambda p: (1 - 1 / p.window, 1 - 1 / p.window),
        formula="Wilder's mean over n bars of 100·|+DI - -DI|/(+DI + -DI); a bar without movement leaves it as it was, 0 before any",
    ),
    _stochastic(
        name="stochastic_k",
        output="slow_k",
        lookback=lambda p: p.window + p.smooth - 2,
        formula="mean over `smooth` bars of 100·(C - lowest)/(highest - lowest) of `window` bars; 50 where high and low are one",
    ),
    _stochastic(
        name="stochastic_d",
        output="slow_d",
        lookback=lambda p: p.window + p.smooth + p.slow - 3,
        formula="mean over `slow` bars of stochastic_k; 50 where high and low are one",
    ),
    _extremes(
        name="highest",
        inputs=("high",),
        output="highest",
        unit="price",
        formula="greatest H of n bars",
        scale="price",
    ),
    _extremes(
        name="lowest",
        inputs=("low",),
        output="lowest",
        unit="price",
        formula="least L of n bars",
        scale="price",
    ),
    _extremes(
        name="range_position",
        output="position",
        unit="0 at the lowest, 1 at the highest",
        formula="(C - lowest)/(highest - lowest) of n bars; 0.5 where they are one",
    ),
    _extremes(
        name="williams_r",
        output="williams",
        unit="-100 to 0",
        formula="-100·(highest - C)/(highest - lowest) of n bars; -50 where they are one",
        source="Williams (1973), How I Made One Million Dollars",
    ),
    _window(
        name="cci",
        kernel=oscillators.cci,
        output="cci",
        usual=WindowParams(window=20),
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window - 1,
        unit="mean absolute deviations / 0.015",
        formula="(P - mean P)/(0.015·mean |P - mean P|) of n bars, P = (H + L + C)/3; 0 where they are equal",
        source="Lambert (1980), Commodities 10",
    ),
    *moving_averages.FEATURES,
)

__all__ = ["FAMILY", "FEATURES", "Adx", "Macd", "Stochastic", "adx", "macd", "rsi", "stochastic"]
