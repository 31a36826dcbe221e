"""Volume beside that of the last n bars. Rings and sums as in `windows.py`."""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import VOLUME, Float64Array, kernel


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


@numba.njit(error_model="numpy", inline="always")
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


@numba.njit(error_model="numpy", inline="always")
def _varies(window: Float64Array) -> bool:
    """Whether not all values are equal; a rounded standard deviation cannot tell."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


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
        place = _push(ring, n, place, volume)
        seen += 1.0
        std, zscore = np.nan, np.nan
        if seen >= n:
            window = ring[place : place + n]
            std, zscore = 0.0, undefined
            if _varies(window):
                mean = _mean(window)
                squares = _sum_of_squares(window, mean)
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
        place = _push(ring, n, place, volume)
        seen += 1.0
        value = np.nan
        if seen >= n:
            mean = _mean(ring[place : place + n])
            value = math.log(0.5 * (1.0 + volume / mean)) if mean > 0.0 else undefined
        out[0, t] = value
    state[0], state[1] = seen, float(place)


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


KERNELS = (volume_deviation, log_volume_ratio, volume_change)
