"""Regimes of the last bars: where volatility stands among its own past, which way prices drift, how straight they go.

Ranks are counted over a ring of the last values at every bar: a few hundred comparisons, which the processor makes several at
a time, cost less than keeping the values sorted. Sums run over their window anew, in four lanes (`rings.py`).
"""

import math
from typing import Final

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, Float64Array, kernel
from barmill.features.kernels.rings import push, sum_of, varies

QUIET: Final = 0.25  # the calmest quarter of the history and the wildest: half of all bars are usual, and each of the two
WILD: Final = 0.75  # others is rare enough to say something and frequent enough to be learned from
DRIFTS: Final = 1.0  # standard deviations of a random walk without drift, which is so far off a third of the time
DEPARTS: Final = 1.0  # standard deviations of the variance ratio of a random walk


@numba.njit(error_model="numpy", inline="always")
def _sum_and_squares(window: Float64Array) -> tuple[float, float]:
    """Both in one pass: two take twice as long, since each waits for the value that was stored last."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    aa, bb, cc, dd = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += window[i]
        b += window[i + 1]
        c += window[i + 2]
        d += window[i + 3]
        aa += window[i] * window[i]
        bb += window[i + 1] * window[i + 1]
        cc += window[i + 2] * window[i + 2]
        dd += window[i + 3] * window[i + 3]
    total, squares = (a + b) + (c + d), (aa + bb) + (cc + dd)
    for i in range(whole, window.size):
        total += window[i]
        squares += window[i] * window[i]
    return total, squares


@numba.njit(error_model="numpy", inline="always")
def _dot(left: Float64Array, right: Float64Array) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    fours = left.size // 4
    for i in range(fours):
        a += left[4 * i] * right[4 * i]
        b += left[4 * i + 1] * right[4 * i + 1]
        c += left[4 * i + 2] * right[4 * i + 2]
        d += left[4 * i + 3] * right[4 * i + 3]
    total = (a + b) + (c + d)
    for i in range(4 * fours, left.size):
        total += left[i] * right[i]
    return total


@numba.njit(error_model="numpy", inline="always")
def _mid_rank(values: Float64Array, value: float) -> float:
    """Share of `values` below `value`, those equal to it counted half."""
    twice = 0
    for i in range(values.size):
        twice += int(values[i] < value) + int(values[i] <= value)
    return 0.5 * twice / values.size


@numba.njit(error_model="numpy", inline="always")
def _side(value: float, lower: float, upper: float) -> float:
    if value > upper:
        return 1.0
    return -1.0 if value < lower else 0.0


@kernel("volatility_regime", ("percentile", "regime"), lambda params: 4 + 2 * int(params[0]) + int(params[1]))
def volatility_regime(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, bars of history. state: bars seen, two places, last close, ring of squared log returns, the last volatilities.

    Volatilities are ranked by their sums of squares: the mean's divisor and the root would change no rank.
    """
    n, history = int(params[0]), int(params[1])
    seen, place, oldest, last = state[0], int(state[1]), int(state[2]), state[3]
    squares, volatilities = state[4 : 4 + 2 * n], state[4 + 2 * n : 4 + 2 * n + history]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        percentile, regime = np.nan, np.nan
        if seen > 0.0:
            place = push(squares, n, place, math.log(close / last) ** 2)
            if seen >= n:
                now = sum_of(squares[place : place + n])
                volatilities[oldest] = now
                oldest = oldest + 1 if oldest + 1 < history else 0
                if seen >= n + history - 1:
                    percentile = _mid_rank(volatilities, now)
                    regime = _side(percentile, QUIET, WILD)
        out[0, t], out[1, t] = percentile, regime
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, float(place), float(oldest), last


@kernel("trend", ("strength", "regime"), lambda params: 3 + 2 * int(params[0]))
def trend(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing moved. state: bars seen, place, last close, ring of log returns."""
    n, undefined = int(params[0]), params[1]
    seen, place, last = state[0], int(state[1]), state[2]
    returns = state[3:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        strength, regime = np.nan, np.nan
        if seen > 0.0:
            place = push(returns, n, place, math.log(close / last))
            if seen >= n:
                window = returns[place : place + n]
                total, squares = _sum_and_squares(window)
                strength = total / math.sqrt(squares) if squares > 0.0 else undefined
                regime = _side(strength, -DRIFTS, DRIFTS)
        out[0, t], out[1, t] = strength, regime
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@kernel("efficiency_ratio", ("efficiency_ratio",), lambda params: 3 + 3 * int(params[0]))
def efficiency_ratio(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing moved. state: bars seen, place, last close, ring of absolute changes, the last n closes."""
    n, undefined = int(params[0]), params[1]
    seen, place, last = state[0], int(state[1]), state[2]
    steps, closes = state[3 : 3 + 2 * n], state[3 + 2 * n :]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            closes[place] = last
            place = push(steps, n, place, abs(close - last))
            if seen >= n:
                way = sum_of(steps[place : place + n])
                value = min(1.0, abs(close - closes[place]) / way) if way > 0.0 else undefined
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@numba.njit(error_model="numpy", inline="always")
def _variance_ratio(
    window: Float64Array, q: int, deviations: Float64Array, squares: Float64Array, longer: Float64Array
) -> tuple[float, float]:
    """Variance ratio and its standard error on a random walk; the last three (n,) are room to work in.

    Lo & MacKinlay (1988), equations 12 to 14 (overlapping, unbiased) and theorem 3 (variances that change).
    """
    n = window.size
    mean = sum_of(window) / n
    for k in range(n):
        deviations[k] = window[k] - mean
        squares[k] = deviations[k] * deviations[k]
    starts = n - q + 1  # of returns over q bars
    longer[:starts] = 0.0
    for j in range(q):
        later = deviations[j:]
        for k in range(starts):
            longer[k] += later[k]
    total = sum_of(squares)
    ratio = _dot(longer[:starts], longer[:starts]) / (q * starts * (1.0 - q / n)) / (total / (n - 1))
    error = 0.0
    for j in range(1, q):
        error += (2.0 * (q - j) / q) ** 2 * (_dot(squares[j:], squares[: n - j]) / (total * total))
    return ratio, math.sqrt(error)


@kernel("variance_ratio", ("variance_ratio", "regime"), lambda params: 3 + 5 * int(params[0]))
def variance_ratio(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, q, ratio where nothing varies. state: bars seen, place, last close, ring of log returns, room to work in."""
    n, q, undefined = int(params[0]), int(params[1]), params[2]
    seen, place, last = state[0], int(state[1]), state[2]
    returns, deviations = state[3 : 3 + 2 * n], state[3 + 2 * n : 3 + 3 * n]
    squares, longer = state[3 + 3 * n : 3 + 4 * n], state[3 + 4 * n :]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        ratio, regime = np.nan, np.nan
        if seen > 0.0:
            place = push(returns, n, place, math.log(close / last))
            if seen >= n:
                ratio, regime = undefined, 0.0
                window = returns[place : place + n]
                if varies(window):
                    ratio, error = _variance_ratio(window, q, deviations, squares, longer)
                    regime = _side(ratio - 1.0, -DEPARTS * error, DEPARTS * error)
        out[0, t], out[1, t] = ratio, regime
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@kernel("composite_regime", ("composite_regime",), lambda _: 1)
def composite_regime(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: rows of the two regimes. It remembers nothing."""
    volatility, direction = int(params[0]), int(params[1])
    for t in range(bars.shape[1]):
        first, second = bars[volatility, t], bars[direction, t]
        known = np.isfinite(first) and np.isfinite(second)
        out[0, t] = 3.0 * _side(first, 0.0, 0.0) + _side(second, 0.0, 0.0) if known else np.nan


KERNELS = (volatility_regime, trend, efficiency_ratio, variance_ratio, composite_regime)
