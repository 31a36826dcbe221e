"""When to decide, and in which unit: the symmetric CUSUM filter and the exponentially weighted volatility."""

import math

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError
from barmill.labels._arguments import Float64Array, Int64Array, checked_series


def ewm_volatility(close: npt.ArrayLike, span: float) -> Float64Array:
    """Exponentially weighted sample standard deviation of the simple returns.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices > 0
    span : float, bars, above 1: the decay is alpha = 2/(span+1)

    Returns
    -------
    float64 array of shape (n_bars,), per bar; weights (1-alpha)^j are normalised over the history there is, and the bias of
    the variance is corrected. NaN before there are two returns, that is for the first two bars.

    Timing: row t uses bars 0 .. t. Raises: LabelError for a span or a price that cannot be.
    Source: López de Prado (2018), snippet 3.1.
    """
    from barmill.labels import _kernels  # compiles at first import; see there

    (closes,) = checked_series("ewm_volatility", close=close)
    if not (math.isfinite(span) and span > 1):
        raise LabelError("ewm_volatility.span", f"{span}", expected="more than 1 bar")
    if closes.size and closes.min() <= 0:
        at = int(np.argmax(closes <= 0))
        raise LabelError(f"ewm_volatility.close[{at}]", f"{closes[at]}", expected="a positive price")
    out = np.empty_like(closes)
    _kernels.scan_ewm_volatility(closes, 2.0 / (span + 1.0), out)
    return out


def cusum_filter(x: npt.ArrayLike, threshold: float) -> Int64Array:
    """Bars at which the sum of changes since the last event first passes `threshold`, upwards or downwards.

    Parameters
    ----------
    x : float64 array of shape (n_bars,), as it is to be summed: the log of prices for log returns
    threshold : float, in the units of `x`, >= 0; it must be passed, not reached

    Returns
    -------
    int64 array of positions, ascending.

    Timing: an event at t uses bars 0 .. t. Raises: LabelError for a threshold or value that cannot be.
    Source: López de Prado (2018), section 2.5.2.1.
    """
    from barmill.labels import _kernels  # compiles at first import; see there

    (values,) = checked_series("cusum_filter", x=x)
    if not (math.isfinite(threshold) and threshold >= 0):
        raise LabelError("cusum_filter.threshold", f"{threshold}", expected="a number of 0 or more")
    out = np.empty(values.size, dtype=np.int64)
    n_events = _kernels.scan_cusum(values, float(threshold), out)
    return out[:n_events].copy()
