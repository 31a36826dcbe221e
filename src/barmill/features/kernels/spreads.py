"""What bars tell of the bid-ask spread: from the bounce of closes, from ranges, and from closes that stand still."""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, Float64Array, kernel

CORWIN_SCHULTZ = 3.0 - 2.0 * math.sqrt(2.0)
HALF = math.sqrt(0.5)
DENSITY = 1.0 / math.sqrt(2.0 * math.pi)  # of the standard normal distribution at 0


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
def _neighbours(changes: Float64Array) -> float:
    """Sum of the products of each change and the one before it, each about its own mean."""
    m = changes.size - 1
    inner = _sum(changes[1:m])
    later, earlier = (inner + changes[m]) / m, (changes[0] + inner) / m
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = m - m % 4
    for i in range(0, whole, 4):
        a += (changes[i + 1] - later) * (changes[i] - earlier)
        b += (changes[i + 2] - later) * (changes[i + 1] - earlier)
        c += (changes[i + 3] - later) * (changes[i + 2] - earlier)
        d += (changes[i + 4] - later) * (changes[i + 3] - earlier)
    total = (a + b) + (c + d)
    for i in range(whole, m):
        total += (changes[i + 1] - later) * (changes[i] - earlier)
    return total


@numba.njit(error_model="numpy")
def _varies(window: Float64Array) -> bool:
    """Whether not all values are equal; a rounded sum of squares cannot tell."""
    for i in range(1, window.size):  # noqa: SIM110  compiled code
        if window[i] != window[0]:
            return True
    return False


@numba.njit(error_model="numpy")
def _normal_quantile(p: float) -> float:
    """Newton's steps for p in [0.5, 1): from 0 they come up to the quantile and never pass it."""
    x = 0.0
    for _ in range(60):
        step = (p - 0.5 * math.erfc(-x * HALF)) / (DENSITY * math.exp(-0.5 * x * x))
        x += step
        if step <= 1e-15 * x:
            break
    return x


def _one_ring(params: tuple[float, ...]) -> int:
    return 3 + 2 * int(params[0])


@kernel("roll_spread", ("price", "share"), _one_ring)
def roll_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, ring of changes. outputs: in units of the price, as a share of the close."""
    n = int(params[0])
    seen, place, last = state[0], int(state[1]), state[2]
    ring = state[3:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        spread = np.nan
        if seen > 0.0:
            place = _push(ring, n, place, close - last)
            if seen >= n and n > 2:
                changes = ring[place : place + n]
                spread = 0.0
                if _varies(changes[1:]) and _varies(changes[:-1]):
                    spread = 2.0 * math.sqrt(max(0.0, -_neighbours(changes) / (n - 2)))
        out[0, t], out[1, t] = spread, spread / close
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@kernel("corwin_schultz_spread", ("corwin_schultz_spread",), lambda params: 5 + 2 * int(params[0]))
def corwin_schultz_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last high, last low, last squared log range, ring of the sums of two neighbours' squares."""
    n = int(params[0])
    seen, place, last_high, last_low, last_square = state[0], int(state[1]), state[2], state[3], state[4]
    ring = state[5:]
    for t in range(bars.shape[1]):
        high, low = bars[HIGH, t], bars[LOW, t]
        square = math.log(high / low) ** 2
        value = np.nan
        if seen > 0.0:
            place = _push(ring, n, place, square + last_square)
            if seen >= n:
                beta = _sum(ring[place : place + n]) / n
                gamma = math.log(max(high, last_high) / min(low, last_low)) ** 2
                alpha = (math.sqrt(2.0 * beta) - math.sqrt(beta)) / CORWIN_SCHULTZ - math.sqrt(gamma / CORWIN_SCHULTZ)
                value = 2.0 * math.tanh(0.5 * max(0.0, alpha))  # 2(e^α - 1)/(1 + e^α)
        out[0, t] = value
        last_high, last_low, last_square = high, low, square
        seen += 1.0
    state[0], state[1], state[2], state[3], state[4] = seen, float(place), last_high, last_low, last_square


@kernel("effective_spread", ("effective_spread",), lambda params: 4 + 2 * int(params[0]))
def effective_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, its log distance from the middle of its bar, ring of products."""
    n = int(params[0])
    seen, place, last, own = state[0], int(state[1]), state[2], state[3]
    ring = state[4:]
    for t in range(bars.shape[1]):
        high, low, close = bars[HIGH, t], bars[LOW, t], bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            place = _push(ring, n, place, own * 0.5 * math.log((last / high) * (last / low)))
            if seen >= n:
                value = 2.0 * math.sqrt(max(0.0, _sum(ring[place : place + n]) / n))
        out[0, t] = value
        last, own = close, 0.5 * math.log((close / high) * (close / low))
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, float(place), last, own


@kernel("realised_spread", ("realised_spread",), lambda params: 4 + 2 * int(params[0]))
def realised_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, sign of the last change (0 before the first), ring of what was given back."""
    n = int(params[0])
    seen, place, last, sign = state[0], int(state[1]), state[2], state[3]
    ring = state[4:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 1.0:
            place = _push(ring, n, place, -2.0 * sign * math.log(close / last))
            if seen > n:
                value = _sum(ring[place : place + n]) / n
        if seen > 0.0 and close != last:
            sign = 1.0 if close > last else -1.0
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, float(place), last, sign


@kernel("zero_returns", ("share", "spread"), lambda params: 6 + 2 * int(params[0]))
def zero_returns(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, zeros in the window, the count of the last quantile, that quantile, ring of returns.

    outputs: share of closes that did not move, the spread that explains it.
    """
    n = int(params[0])
    seen, place, last, zeros, asked, quantile = state[0], int(state[1]), state[2], state[3], state[4], state[5]
    ring = state[6:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        share, spread = np.nan, np.nan
        if seen > 0.0:
            if seen > n and ring[place] == 0.0:
                zeros -= 1.0
            change = math.log(close / last)
            if change == 0.0:
                zeros += 1.0
            place = _push(ring, n, place, change)
            if seen >= n:
                share, spread = zeros / n, 0.0
                window = ring[place : place + n]
                if _varies(window):
                    if zeros != asked:
                        asked, quantile = zeros, _normal_quantile(0.5 * (1.0 + share))
                    spread = 2.0 * quantile * math.sqrt(_sum_of_squares(window, _sum(window) / n) / (n - 1))
        out[0, t], out[1, t] = share, spread
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3], state[4], state[5] = seen, float(place), last, zeros, asked, quantile


KERNELS = (roll_spread, corwin_schultz_spread, effective_spread, realised_spread, zero_returns)
