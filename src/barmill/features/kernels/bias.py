"""Which way a market leans: a sign of its own, and the mean sign of several.

Source: Murphy (1999), Technical Analysis of the Financial Markets, chapters 4 and 9.
"""

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, Float64Array, kernel
from barmill.features.kernels.rings import highest, lowest, push

ROUNDING = 1e-12  # share of the price: a mean of equal prices may differ from them by this, and leans nowhere


@numba.njit(error_model="numpy")
def _above(a: float, b: float) -> float:
    """1 if a is above b by more than rounding, -1 if below, else 0."""
    if abs(a - b) <= ROUNDING * abs(b):
        return 0.0
    return 1.0 if a > b else -1.0


@kernel("ema_bias", ("ema_bias",), lambda _: 3)
def ema_bias(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: fast, slow. state: bars seen, both means (until their first values: the sums)."""
    fast, slow = params[0], params[1]
    alpha_fast, alpha_slow = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    seen, mean_fast, mean_slow = state[0], state[1], state[2]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        seen += 1.0
        if seen > fast:
            mean_fast = (close - mean_fast) * alpha_fast + mean_fast
        else:
            mean_fast = (mean_fast + close) / fast if seen == fast else mean_fast + close
        if seen > slow:
            mean_slow = (close - mean_slow) * alpha_slow + mean_slow
        else:
            mean_slow = (mean_slow + close) / slow if seen == slow else mean_slow + close
        value = np.nan
        if seen >= slow:
            leaning = _above(mean_fast, mean_slow)
            value = leaning if leaning == _above(close, mean_slow) else 0.0
        out[0, t] = value
    state[0], state[1], state[2] = seen, mean_fast, mean_slow


@kernel("swing_bias", ("swing_bias",), lambda params: 2 + 8 * int(params[0]))
def swing_bias(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, rings of 2n highs and 2n lows; the window's older half is the swing before."""
    n = int(params[0])
    seen, place = state[0], int(state[1])
    highs, lows = state[2 : 2 + 4 * n], state[2 + 4 * n :]
    for t in range(bars.shape[1]):
        push(highs, 2 * n, place, bars[HIGH, t])
        place = push(lows, 2 * n, place, bars[LOW, t])
        seen += 1.0
        value = np.nan
        if seen >= 2 * n:
            middle, end = place + n, place + 2 * n
            tops = _above(highest(highs[middle:end]), highest(highs[place:middle]))
            bottoms = _above(lowest(lows[middle:end]), lowest(lows[place:middle]))
            value = tops if tops == bottoms else 0.0
        out[0, t] = value
    state[0], state[1] = seen, float(place)


@kernel("alignment", ("alignment",), lambda _: 0)
def alignment(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: the rows of the features. No state."""
    for t in range(bars.shape[1]):
        total = 0.0
        for i in range(params.size):
            value = bars[int(params[i]), t]
            if np.isnan(value):
                total = np.nan
                break
            total += 1.0 if value > 0.0 else -1.0 if value < 0.0 else 0.0
        out[0, t] = total / params.size


KERNELS = (ema_bias, swing_bias, alignment)
