"""Windows over a ring: what most kernels of the last n values are made of. It is compiled into each of them.

A ring of n values is kept twice in a row (2n cells), so that the window from its oldest to its newest value is always
one stretch of memory: `ring[first : first + n]`. Sums run over it in four fixed lanes, which the processor can add at
once; the order of the additions depends on the place in the window alone, so the same window gives the same bits.
"""

import numba

from barmill.features.kernels.kernel import Float64Array


@numba.njit(error_model="numpy", inline="always")
def push(ring: Float64Array, n: int, place: int, value: float) -> int:
    """Put `value` over the oldest; returns the place of the next one, which is where the window now starts."""
    ring[place] = value
    ring[place + n] = value
    return place + 1 if place + 1 < n else 0


@numba.njit(error_model="numpy", inline="always")
def sum_of(window: Float64Array) -> float:
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


@numba.njit(error_model="numpy", inline="always")
def mean_of(window: Float64Array) -> float:
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
def sum_of_squares(window: Float64Array, centre: float) -> float:
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
def lowest(window: Float64Array) -> float:
    low = window[0]
    for i in range(1, window.size):
        low = min(low, window[i])
    return low


@numba.njit(error_model="numpy", inline="always")
def highest(window: Float64Array) -> float:
    high = window[0]
    for i in range(1, window.size):
        high = max(high, window[i])
    return high


@numba.njit(error_model="numpy", inline="always")
def varies(window: Float64Array) -> bool:
    """Whether not all values are equal; a rounded standard deviation cannot tell."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


__all__ = ["highest", "lowest", "mean_of", "push", "sum_of", "sum_of_squares", "varies"]
