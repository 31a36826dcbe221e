"""Who crossed the spread, told from the sign of the change or from the place of the close in the bar."""

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, Float64Array, kernel


@numba.njit(error_model="numpy")
def _tick(change: float, sign: float) -> float:
    """The sign of the change; of no change, the sign before."""
    if change > 0.0:
        return 1.0
    return -1.0 if change < 0.0 else sign


@kernel("tick_rule", ("sign", "direction"), lambda _: 3)
def tick_rule(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: sign before the first change. state: bars seen, last close, sign. outputs: from the first bar on, from the second on."""
    seen, last, sign = state[0], state[1], state[2] if state[0] > 0.0 else params[0]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        if seen > 0.0:
            sign = _tick(close - last, sign)
        out[0, t], out[1, t] = sign, sign if seen > 0.0 else np.nan
        last = close
        seen += 1.0
    if seen > 0.0:
        state[0], state[1], state[2] = seen, last, sign


@kernel("tick_imbalance", ("tick_imbalance",), lambda params: 5 + int(params[0]))
def tick_imbalance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, sign (0 before the first change), sum of the signs, ring of signs.

    The sum is of whole numbers, hence exact.
    """
    n = int(params[0])
    seen, place, last, sign, balance = state[0], int(state[1]), state[2], state[3], state[4]
    ring = state[5:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        if seen > 0.0:
            sign = _tick(close - last, sign)
            balance += sign - ring[place]
            ring[place] = sign
            place = place + 1 if place + 1 < n else 0
        out[0, t] = balance / n if seen >= n else np.nan
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3], state[4] = seen, float(place), last, sign, balance


@kernel("close_location", ("close_location",), lambda _: 0)
def close_location(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: value where the bar has no range."""
    for t in range(bars.shape[1]):
        high, low, close = bars[HIGH, t], bars[LOW, t], bars[CLOSE, t]
        out[0, t] = ((close - low) - (high - close)) / (high - low) if high > low else params[0]


KERNELS = (tick_rule, tick_imbalance, close_location)
