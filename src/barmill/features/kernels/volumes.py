"""Volume beside that of the last n bars. Rings and sums are in `rings.py`."""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel
from barmill.features.kernels.ordered import replace
from barmill.features.kernels.rings import mean_of, push, sum_of_squares, varies


def _one_ring(params: tuple[float, ...]) -> int:
    return 2 + 2 * int(params[0])


@kernel("volume_deviation", ("std", "zscore"), _one_ring)
def volume_deviation(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, z-score where nothing varies. state: bars seen, place, ring of volumes.

    outputs: sample standard deviation, and how many population standard deviations the volume is above the mean.
    """
    n, undefined = int(params[0]), params[1]
    seen, place = state[0], int(state[1])
    ring = state[2:]
    for t in range(bars.shape[1]):
        volume = bars[VOLUME, t]
        place = push(ring, n, place, volume)
        seen += 1.0
        std, zscore = np.nan, np.nan
        if seen >= n:
            window = ring[place : place + n]
            std, zscore = 0.0, undefined
            if varies(window):
                mean = mean_of(window)
                squares = sum_of_squares(window, mean)
                std, zscore = math.sqrt(squares / (n - 1)), (volume - mean) / math.sqrt(squares / n)
        out[0, t], out[1, t] = std, zscore
    state[0], state[1] = seen, float(place)


@kernel("log_volume_ratio", ("log_volume_ratio",), _one_ring)
def log_volume_ratio(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded. state: bars seen, place, ring of volumes."""
    n, undefined = int(params[0]), params[1]
    seen, place = state[0], int(state[1])
    ring = state[2:]
    for t in range(bars.shape[1]):
        volume = bars[VOLUME, t]
        place = push(ring, n, place, volume)
        seen += 1.0
        value = np.nan
        if seen >= n:
            mean = mean_of(ring[place : place + n])
            value = math.log(0.5 * (1.0 + volume / mean)) if mean > 0.0 else undefined
        out[0, t] = value
    state[0], state[1] = seen, float(place)


@kernel("traded_value", ("traded_value",), _one_ring)
def traded_value(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded. state: bars seen, place, the last n turnovers, the same in ascending order.

    output: logarithm of the median turnover; of an even number of bars that of the mean of the two in the middle.
    """
    n, undefined = int(params[0]), params[1]
    seen, place = int(state[0]), int(state[1])
    recent, ascending = state[2 : 2 + n], state[2 + n :]
    for t in range(bars.shape[1]):
        turnover = bars[CLOSE, t] * bars[VOLUME, t]
        if seen < n:
            ascending[seen] = math.inf
            replace(ascending, seen + 1, math.inf, turnover)
        else:
            replace(ascending, n, recent[place], turnover)
        recent[place] = turnover
        place = place + 1 if place + 1 < n else 0
        seen += 1
        value = np.nan
        if seen >= n:
            median = 0.5 * (ascending[(n - 1) // 2] + ascending[n // 2])
            value = math.log(median) if median > 0.0 else undefined
        out[0, t] = value
    state[0], state[1] = float(seen), float(place)


@kernel("volume_change", ("volume_change",), lambda params: 2 + int(params[0]))
def volume_change(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where neither bar was traded. state: bars seen, place, the last n volumes."""
    n, undefined = int(params[0]), params[1]
    seen, place = state[0], int(state[1])
    last = state[2:]
    for t in range(bars.shape[1]):
        volume = bars[VOLUME, t]
        value = np.nan
        if seen >= n:
            both = volume + last[place]
            value = (volume - last[place]) / both if both > 0.0 else undefined
        out[0, t] = value
        last[place] = volume
        place = place + 1 if place + 1 < n else 0
        seen += 1.0
    state[0], state[1] = seen, float(place)


KERNELS = (volume_deviation, log_volume_ratio, traded_value, volume_change)
