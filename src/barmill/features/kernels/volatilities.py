"""Volatility over the last n bars from their prices, and of few bars beside many. Rings and sums as in `windows.py`."""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, OPEN, Float64Array, kernel


@numba.njit(error_model="numpy", inline="always")
def _push(ring: Float64Array, n: int, place: int, value: float) -> int:
    """Put `value` over the oldest; returns the place of the next one, which is where the window now starts."""
    ring[place] = value
    ring[place + n] = value
    return place + 1 if place + 1 < n else 0


@numba.njit(error_model="numpy", inline="always")
def _mean(window: Float64Array) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += window[i]
        b += window[i + 1]
        c += window[i + 2]
        d += window[i + 3]
    total = (a + b) + (c + d)
    for i in range(whole, window.size):
        total += window[i]
    return total / window.size


@kernel("rogers_satchell_volatility", ("rogers_satchell_volatility",), lambda params: 2 + 2 * int(params[0]))
def rogers_satchell_volatility(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, ring of the bars' variances (neither product is negative while low <= open, close <= high)."""
    n = int(params[0])
    seen, place = state[0], int(state[1])
    ring = state[2:]
    for t in range(bars.shape[1]):
        open_, high, low, close = bars[OPEN, t], bars[HIGH, t], bars[LOW, t], bars[CLOSE, t]
        above = math.log(high / close) * math.log(high / open_)
        below = math.log(low / close) * math.log(low / open_)
        place = _push(ring, n, place, above + below)
        seen += 1.0
        out[0, t] = math.sqrt(_mean(ring[place : place + n])) if seen >= n else np.nan
    state[0], state[1] = seen, float(place)


@kernel("volatility_ratio", ("volatility_ratio",), lambda params: 3 + 2 * int(params[1]))
def volatility_ratio(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: fast, slow, value where nothing moved. state: bars seen, place, last close, ring of squared log returns."""
    fast, n, undefined = int(params[0]), int(params[1]), params[2]
    seen, place, last = state[0], int(state[1]), state[2]
    ring = state[3:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            place = _push(ring, n, place, math.log(close / last) ** 2)
            if seen >= n:
                usual = _mean(ring[place : place + n])
                value = math.sqrt(_mean(ring[place + n - fast : place + n]) / usual) if usual > 0.0 else undefined
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


KERNELS = (rogers_satchell_volatility, volatility_ratio)
