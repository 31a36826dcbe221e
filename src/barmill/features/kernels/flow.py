"""Taker flow: the cumulative volume delta, and what the price made of it.

The delta of a bar is the volume that lifted offers less the volume that hit bids: 2·bought - volume. It is summed from the
window's start, so nothing depends on where the history began.

Source: Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5); Kaufman (1995), Smarter Trading (efficiency).
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel


@numba.njit(error_model="numpy")
def _push(ring: Float64Array, n: int, place: int, value: float) -> int:
    """Put `value` over the oldest; returns the place of the next one, which is where the window now starts."""
    ring[place] = value
    ring[place + n] = value
    return place + 1 if place + 1 < n else 0


@numba.njit(error_model="numpy")
def _sum(window: Float64Array) -> float:
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
    return total


@numba.njit(error_model="numpy")
def _sum_of_squares(window: Float64Array, centre: float) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += (window[i] - centre) ** 2
        b += (window[i + 1] - centre) ** 2
        c += (window[i + 2] - centre) ** 2
        d += (window[i + 3] - centre) ** 2
    total = (a + b) + (c + d)
    for i in range(whole, window.size):
        total += (window[i] - centre) ** 2
    return total


@numba.njit(error_model="numpy")
def _varies(window: Float64Array) -> bool:
    """Whether not all values are equal; a rounded standard deviation cannot tell."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


@kernel("taker_delta", ("taker_delta",), lambda _: 0)
def taker_delta(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row of the volume bought by takers. No state. output: the bar's delta as a share of its volume."""
    row = int(params[0])
    for t in range(bars.shape[1]):
        bought, volume = bars[row, t], bars[VOLUME, t]
        value = np.nan
        if math.isfinite(bought):
            value = (2.0 * bought - volume) / volume if volume > 0.0 else 0.0
        out[0, t] = value


@kernel("cvd", ("slope", "zscore"), lambda params: 2 + 5 * int(params[0]))
def cvd(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n; row of the volume bought by takers. state: bars seen, place, rings of deltas and volumes, room for n sums."""
    n, row = int(params[0]), int(params[1])
    seen, place = state[0], int(state[1])
    deltas, volumes, sums = state[2 : 2 + 2 * n], state[2 + 2 * n : 2 + 4 * n], state[2 + 4 * n :]
    middle, spread = 0.5 * (n - 1.0), n * (n * n - 1.0) / 12.0
    for t in range(bars.shape[1]):
        bought, volume = bars[row, t], bars[VOLUME, t]
        slope, zscore = np.nan, np.nan
        if math.isfinite(bought):
            _push(deltas, n, place, 2.0 * bought - volume)
            place = _push(volumes, n, place, volume)
            seen += 1.0
            if seen >= n:
                slope, zscore = 0.0, 0.0
                sums[0] = 0.0
                product = 0.0
                for i in range(1, n):
                    sums[i] = sums[i - 1] + deltas[place + i]
                    product += (i - middle) * sums[i]
                traded = _sum(volumes[place : place + n])
                if traded > 0.0:
                    slope = product / spread / (traded / n)
                if _varies(sums):
                    mean = _sum(sums) / n
                    zscore = (sums[n - 1] - mean) / math.sqrt(_sum_of_squares(sums, mean) / n)
        out[0, t], out[1, t] = slope, zscore
    state[0], state[1] = seen, float(place)


@kernel("flow_divergence", ("divergence",), lambda params: 3 + 7 * int(params[0]))
def flow_divergence(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n; row of the volume bought by takers.

    state: bars seen, place, last close, rings of deltas, volumes and absolute changes, the last n closes.
    output: (sum of deltas)/(sum of volumes) - (close - close n bars ago)/(sum of absolute changes).
    """
    n, row = int(params[0]), int(params[1])
    seen, place, last = state[0], int(state[1]), state[2]
    deltas, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n : 3 + 4 * n]
    moves, closes = state[3 + 4 * n : 3 + 6 * n], state[3 + 6 * n :]
    for t in range(bars.shape[1]):
        bought, volume, close = bars[row, t], bars[VOLUME, t], bars[CLOSE, t]
        value = np.nan
        if math.isfinite(bought):
            before = closes[place]
            closes[place] = close
            _push(deltas, n, place, 2.0 * bought - volume)
            _push(moves, n, place, abs(close - last))
            place = _push(volumes, n, place, volume)
            if seen >= n:
                traded, moved = _sum(volumes[place : place + n]), _sum(moves[place : place + n])
                value = _sum(deltas[place : place + n]) / traded if traded > 0.0 else 0.0
                if moved > 0.0:
                    value -= (close - before) / moved
            last = close
            seen += 1.0
        out[0, t] = value
    state[0], state[1], state[2] = seen, float(place), last


KERNELS = (taker_delta, cvd, flow_divergence)
