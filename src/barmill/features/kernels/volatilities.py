"""Volatility over the last n bars from their prices, and of few bars beside many. Rings and sums are in `rings.py`."""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, OPEN, Float64Array, kernel
from barmill.features.kernels.rings import mean_of, push


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
        place = push(ring, n, place, above + below)
        seen += 1.0
        out[0, t] = math.sqrt(mean_of(ring[place : place + n])) if seen >= n else np.nan
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
            place = push(ring, n, place, math.log(close / last) ** 2)
            if seen >= n:
                usual = mean_of(ring[place : place + n])
                value = math.sqrt(mean_of(ring[place + n - fast : place + n]) / usual) if usual > 0.0 else undefined
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


KERNELS = (rogers_satchell_volatility, volatility_ratio)
