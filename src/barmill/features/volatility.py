"""Volatility: how far prices moved, from closes, from ranges, and around a mean."""

import math
from functools import partial
from typing import NamedTuple

import numpy.typing as npt

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import exponential, volatilities, wilder, windows
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import BollingerParams, FastSlowParams, NoParams, WindowParams
from barmill.features.spec import FeatureSpec

FAMILY = "volatility"


def atr(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, n: int) -> Float64Array:
    """Average true range: Wilder's mean of max(H - L, |H - C₋₁|, |L - C₋₁|), in price units.

    Parameters
    ----------
    high, low, close : float64 arrays of shape (n_bars,), prices
    n : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,); NaN for the first n bars. The first value is the mean of TR 1..n, as in TA-Lib.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1 or a low above its high.
    Source: Wilder (1978), New Concepts in Technical Trading Systems.
    """
    history.whole("atr", n=n)
    given = history.columns("atr", high=high, low=low, close=close)
    history.not_above("atr", given, "low", "high")
    return wilder.atr.run((n,), **given)[0].copy()


class Bollinger(NamedTuple):
    """The three bands, float64 of shape (n_bars,) each."""

    upper: Float64Array
    middle: Float64Array
    lower: Float64Array


def bollinger(close: npt.ArrayLike, n: int, k: float = 2.0) -> Bollinger:
    """Bollinger bands: the simple mean of n closes, and k population standard deviations above and below it.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    n : int, bars, at least 1
    k : float, above 0

    Returns
    -------
    upper, middle, lower : float64 arrays of shape (n_bars,), price units; NaN for the first n - 1 bars.

    Timing: row t is known at the close of bar t.
    Raises: ShapeError unless close has one axis; InputError for a window below 1 or a k that is not above 0.
    Source: Bollinger (2001), Bollinger on Bollinger Bands.
    """
    history.whole("bollinger", n=n)
    if not (math.isfinite(k) and k > 0):
        raise InputError("bollinger: k", f"is {k!r}", expected="a number above 0")
    out = windows.bollinger.run((n, k, math.nan), **history.columns("bollinger", close=close))
    return Bollinger(out[0].copy(), out[1].copy(), out[2].copy())


def parkinson_volatility(high: npt.ArrayLike, low: npt.ArrayLike, window: int) -> Float64Array:
    """Volatility from the high-low range over the last `window` closed bars: sqrt(mean(ln(H/L)²)/(4 ln 2)).

    About five times as efficient as close-to-close when prices move continuously; biased low when trading is thin.

    Parameters
    ----------
    high, low : float64 arrays of shape (n_bars,), prices, low > 0
    window : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), per bar, not annualised (0.01 is 1%); NaN for the first `window - 1` bars.

    Timing: row t uses bars t - window + 1 .. t, so it is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1, or naming the first row where low > high or low <= 0.
    Source: Parkinson (1980), Journal of Business 53(1), 61-65.
    """
    history.whole("parkinson_volatility", window=window)
    given = history.columns("parkinson_volatility", high=high, low=low)
    history.above_zero("parkinson_volatility", given, "low")
    history.not_above("parkinson_volatility", given, "low", "high")
    return windows.parkinson_volatility.run((window,), **given)[0].copy()


def garman_klass_volatility(
    open: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    window: int,
) -> Float64Array:
    """Volatility from range and body: sqrt(mean(½ ln(H/L)² - (2 ln 2 - 1) ln(C/O)²)) over the last `window` closed bars.

    More efficient than `parkinson_volatility`; like it, blind to the gap from one close to the next open.

    Parameters
    ----------
    open, high, low, close : float64 arrays of shape (n_bars,), prices, low > 0
    window : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), per bar, not annualised; NaN for the first `window - 1` bars.

    Timing: row t uses bars t - window + 1 .. t, so it is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1, or naming the first row where low > high or low <= 0.
    Source: Garman & Klass (1980), Journal of Business 53(1), 67-78.
    """
    given = _bodies_within_ranges("garman_klass_volatility", window, open, high, low, close)
    return windows.garman_klass_volatility.run((window,), **given)[0].copy()


def rogers_satchell_volatility(
    open: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    window: int,
) -> Float64Array:
    """Volatility that a drift does not bias: sqrt(mean(ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O))) over the last `window` closed bars.

    To be preferred to `garman_klass_volatility` where prices trend; like it, blind to the gap from one close to the next open.

    Parameters
    ----------
    open, high, low, close : float64 arrays of shape (n_bars,), prices, low > 0
    window : int, bars, at least 1

    Returns
    -------
    float64 array of shape (n_bars,), per bar, not annualised; NaN for the first `window - 1` bars.

    Timing: row t uses bars t - window + 1 .. t, so it is known at the close of bar t.
    Raises: ShapeError if the lengths differ; InputError for a window below 1, or naming the first row where low > high or low <= 0.
    Source: Rogers & Satchell (1991), Annals of Applied Probability 1(4), 504-512.
    """
    given = _bodies_within_ranges("rogers_satchell_volatility", window, open, high, low, close)
    return volatilities.rogers_satchell_volatility.run((window,), **given)[0].copy()


def _bodies_within_ranges(
    function: str, window: int, open: npt.ArrayLike, high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike
) -> dict[str, Float64Array]:
    """The checked columns of bars whose open and close lie between low and high, above 0."""
    history.whole(function, window=window)
    given = history.columns(function, open=open, high=high, low=low, close=close)
    history.above_zero(function, given, "low")
    for body in ("open", "close"):
        history.not_above(function, given, "low", body)
        history.not_above(function, given, body, "high")
    return given


_feature = partial(FeatureSpec, family=FAMILY, version=1)
_window = partial(
    _feature, params=WindowParams, usual=WindowParams(window=20), kernel_params=lambda p: (p.window,), lookback=lambda p: p.window - 1
)
_of_returns = partial(_window, usual=WindowParams(window=60), inputs=("close",), lookback=lambda p: p.window, unit="log return per bar")
_of_ranges = partial(_window, inputs=("open", "high", "low", "close"), unit="log return per bar")
_true_range = partial(
    _feature,
    params=NoParams,
    usual=NoParams(),
    inputs=("high", "low", "close"),
    kernel=wilder.true_range,
    kernel_params=lambda _: (),
    lookback=lambda _: 1,
    source="Wilder (1978), New Concepts in Technical Trading Systems",
)
_atr = partial(
    _window,
    usual=WindowParams(window=14),
    inputs=("high", "low", "close"),
    kernel=wilder.atr,
    lookback=lambda p: p.window,
    fades=lambda p: (1 - 1 / p.window,),
    source="Wilder (1978), New Concepts in Technical Trading Systems",
)
_bollinger = partial(
    _feature,
    params=BollingerParams,
    usual=BollingerParams(window=20, width=2),
    inputs=("close",),
    kernel=windows.bollinger,
    kernel_params=lambda p: (p.window, p.width, 0.5),
    lookback=lambda p: p.window - 1,
    source="Bollinger (2001), Bollinger on Bollinger Bands",
)

FEATURES = (
    _of_returns(
        name="realised_volatility",
        kernel=windows.realised_volatility,
        output="realised_volatility",
        formula="sqrt(mean of ln(C/C₋₁)² over n bars), about zero and not about the mean; 0 where the close stood still",
        source="Andersen & Bollerslev (1998), International Economic Review 39(4)",
    ),
    _of_returns(
        name="ewma_volatility",
        kernel=exponential.ewma_volatility,
        output="ewma_volatility",
        fades=lambda p: (1 - 2 / (p.window + 1),),
        formula="square root of the exponential mean, factor 2/(n + 1), of ln(C/C₋₁)², seeded with the mean of the first n",
        source="J.P. Morgan (1996), RiskMetrics Technical Document, 5.2",
    ),
    _of_returns(
        name="volatility_ratio",
        params=FastSlowParams,
        usual=FastSlowParams(fast=10, slow=60),
        kernel=volatilities.volatility_ratio,
        output="volatility_ratio",
        kernel_params=lambda p: (p.fast, p.slow, 1.0),
        lookback=lambda p: p.slow,
        unit="1 is usual",
        formula="realised_volatility of `fast` bars / that of `slow` bars; 1 where the close stood still",
        source="Andersen & Bollerslev (1998), International Economic Review 39(4)",
    ),
    _of_ranges(
        name="parkinson_volatility",
        inputs=("high", "low"),
        kernel=windows.parkinson_volatility,
        output="parkinson_volatility",
        formula="sqrt(mean of ln(H/L)² over n bars / (4 ln 2)); 0 where no bar had a range",
        source="Parkinson (1980), Journal of Business 53(1)",
    ),
    _of_ranges(
        name="garman_klass_volatility",
        kernel=windows.garman_klass_volatility,
        output="garman_klass_volatility",
        formula="sqrt(mean of ½ ln(H/L)² - (2 ln 2 - 1) ln(C/O)² over n bars); 0 where no bar had a range",
        source="Garman & Klass (1980), Journal of Business 53(1)",
    ),
    _of_ranges(
        name="rogers_satchell_volatility",
        kernel=volatilities.rogers_satchell_volatility,
        output="rogers_satchell_volatility",
        formula="sqrt(mean of ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O) over n bars); 0 where each bar went straight from open to close",
        source="Rogers & Satchell (1991), Annals of Applied Probability 1(4)",
    ),
    _true_range(
        name="true_range",
        output="share",
        unit="share of the close",
        formula="max(H - L, |H - C₋₁|, |L - C₋₁|)/C",
    ),
    _true_range(
        name="true_range_price",
        output="true_range",
        unit="price",
        formula="max(H - L, |H - C₋₁|, |L - C₋₁|)",
        scale="price",
    ),
    _atr(
        name="atr",
        output="share",
        unit="share of the close",
        formula="ATR(n)/C, Wilder's mean of max(H - L, |H - C₋₁|, |L - C₋₁|); 0 where nothing moved",
    ),
    _atr(
        name="atr_price",
        output="atr",
        unit="price",
        formula="ATR(n), Wilder's mean of max(H - L, |H - C₋₁|, |L - C₋₁|); 0 where nothing moved",
        scale="price",
    ),
    _bollinger(
        name="bollinger_width",
        output="width",
        unit="share of the middle band",
        formula="(upper - lower)/middle, bands at k population standard deviations of n closes; 0 where they are equal",
    ),
    _bollinger(
        name="bollinger_position",
        output="position",
        unit="0 at the lower band, 1 at the upper",
        formula="(C - lower)/(upper - lower), bands at k population standard deviations of n closes; 0.5 where they are equal",
    ),
    _bollinger(
        name="bollinger_upper",
        output="upper",
        unit="price",
        formula="mean of n closes + k population standard deviations of them",
        scale="price",
    ),
    _bollinger(
        name="bollinger_middle",
        output="middle",
        unit="price",
        formula="mean of n closes",
        scale="price",
    ),
    _bollinger(
        name="bollinger_lower",
        output="lower",
        unit="price",
        formula="mean of n closes - k population standard deviations of them",
        scale="price",
    ),
)

__all__ = [
    "FAMILY",
    "FEATURES",
    "Bollinger",
    "atr",
    "bollinger",
    "garman_klass_volatility",
    "parkinson_volatility",
    "rogers_satchell_volatility",
]
