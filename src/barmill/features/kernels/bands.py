"""The day so far, and the close among levels that others give it (the high, low and close of the last whole day).

The day is the session of the calendar, the UTC day of a market that never closes; a session that opens within half a day of
the first one of its day belongs to it, so a midday break ends no day.

Source: Person (2004), A Complete Guide to Technical Trading Tactics, chapter 6 (pivots); West (1979), Communications of the ACM
22(9) (the variance about a weighted mean, one value after another).
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, OPEN, VOLUME, Float64Array, kernel

HALF_DAY_MS = 43_200_000.0


@kernel("day_so_far", ("position", "day_return", "day_range", "vwap_distance", "vwap_position"), lambda _: 10)
def day_so_far(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: row of the session's open.

    state: whether a day has begun, when its first session opened; its open, high and low; its volume, VWAP and squares about
    it; its lowest and highest typical price.
    """
    row = int(params[0])
    for t in range(bars.shape[1]):
        high, low, close, volume = bars[HIGH, t], bars[LOW, t], bars[CLOSE, t], bars[VOLUME, t]
        typical = (high + low + close) / 3.0
        if state[0] == 0.0 or bars[row, t] - state[1] >= HALF_DAY_MS:
            state[0], state[1], state[2], state[3], state[4] = 1.0, bars[row, t], bars[OPEN, t], high, low
            state[5], state[6], state[7], state[8], state[9] = 0.0, 0.0, 0.0, typical, typical
        state[3], state[4] = max(state[3], high), min(state[4], low)
        if volume > 0.0:
            state[5] += volume
            step = typical - state[6]
            state[6] += step * (volume / state[5])
            state[7] += volume * (step * (typical - state[6]))
            state[8], state[9] = min(state[8], typical), max(state[9], typical)
        reach = state[3] - state[4]
        out[0, t] = (close - state[4]) / reach if reach > 0.0 else 0.5
        out[1, t] = close / state[2] - 1.0
        out[2, t] = reach / state[2]
        out[3, t] = close / state[6] - 1.0 if state[5] > 0.0 else 0.0
        varies = state[9] > state[8] and state[7] > 0.0
        out[4, t] = (close - state[6]) / math.sqrt(state[7] / state[5]) if varies else 0.0


@kernel("band", ("position",), lambda _: 0)
def band(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the upper and the lower level. No state."""
    upper_row, lower_row = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        upper, lower = bars[upper_row, t], bars[lower_row, t]
        value = np.nan
        if math.isfinite(upper) and math.isfinite(lower):
            value = (bars[CLOSE, t] - lower) / (upper - lower) if upper > lower else 0.5
        out[0, t] = value


@numba.njit(error_model="numpy")
def _zone(close: float, pivot: float, high: float, low: float) -> float:
    """How many of the pivot and its two levels on that side the close has reached, negative below the pivot."""
    if close >= pivot:
        return 1.0 + (close >= 2.0 * pivot - low) + (close >= pivot + (high - low))
    return -1.0 - (close <= 2.0 * pivot - high) - (close <= pivot - (high - low))


@kernel("pivots", ("distance", "zone"), lambda _: 0)
def pivots(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of a high, a low and a close. No state. outputs: the close's distance from the pivot, and its zone."""
    high_row, low_row, close_row = int(params[0]), int(params[1]), int(params[2])
    for t in range(bars.shape[1]):
        high, low, last, close = bars[high_row, t], bars[low_row, t], bars[close_row, t], bars[CLOSE, t]
        distance, zone = np.nan, np.nan
        if math.isfinite(high) and math.isfinite(low) and math.isfinite(last):
            pivot = (high + low + last) / 3.0
            distance = close / pivot - 1.0 if pivot > 0.0 else 0.0
            zone = _zone(close, pivot, high, low) if high > low else 0.0
        out[0, t], out[1, t] = distance, zone


KERNELS = (day_so_far, band, pivots)
