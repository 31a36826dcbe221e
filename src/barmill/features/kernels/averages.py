"""Simple means of the close. Their exponential cousins are in `exponential.py`.

Rings and sums as in `windows.py`.
"""

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, Float64Array, kernel


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
def _varies(window: Float64Array) -> bool:
    """Whether not all values are equal: the rounded mean of equal values need not be their value."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


@kernel("sma", ("sma", "distance"), lambda params: 2 + 2 * int(params[0]))
def sma(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, ring of closes. outputs: SMA, close/SMA - 1."""
    n = int(params[0])
    seen, place = state[0], int(state[1])
    ring = state[2:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        place = _push(ring, n, place, close)
        seen += 1.0
        mean = np.nan
        if seen >= n:
            window = ring[place : place + n]
            mean = _mean(window) if _varies(window) else close
        out[0, t] = mean
        out[1, t] = close / mean - 1.0
    state[0], state[1] = seen, float(place)


KERNELS = (sma,)
