"""Where the price stands: among the extremes of n bars, about their mean, and on which side money flowed.

Extremes are put together from those of 1, 2, 4, ... bars, with no branch to mispredict, where a monotonic queue takes four times
as long; sums run over rings (`rings.py`).

Source: Bender & Farach-Colton (2000), LATIN, LNCS 1776 (extremes of ranges); Lambert (1980), Commodities 10 (CCI); Quong & Soudack
(1989), Technical Analysis of Stocks & Commodities 7 (MFI).
"""

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, VOLUME, Float64Array, kernel
from barmill.features.kernels.rings import push, sum_of

CCI_UNIT = 0.015  # Lambert's constant, which puts most values between -100 and 100
NOISE = 1e-12  # of the price; typical prices nearer than that are one, rounded differently: no market has such ticks


@numba.njit(error_model="numpy", inline="always")
def _highest(kept: Float64Array, n: int, seen: int, value: float) -> float:
    """Greatest of `value` and the n - 1 before it, once there are so many; `seen` values came before.

    kept : the greatest of the last 1, 2, 4, ... values at each of the last 1, 2, 4, ... bars, stretch after stretch; two that
        overlap make any window
    """
    greatest, length = value, 1
    while 2 * length <= n:
        place = length - 1 + (seen & (length - 1))
        before = kept[place]
        kept[place] = greatest
        greatest = before if before > greatest else greatest
        length *= 2
    kept[length - 1 + (seen & (length - 1))] = greatest
    older = kept[length - 1 + ((seen - (n - length)) & (length - 1))]
    return older if older > greatest else greatest


def _kept(n: float) -> int:
    """How many values `_highest` keeps: 1 + 2 + 4 + ... up to the longest stretch that n has room for."""
    return 2 ** int(n).bit_length() - 1


@numba.njit(error_model="numpy", inline="always")
def _deviation(window: Float64Array, centre: float) -> float:
    """Mean absolute deviation."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += abs(window[i] - centre)
        b += abs(window[i + 1] - centre)
        c += abs(window[i + 2] - centre)
        d += abs(window[i + 3] - centre)
    total = (a + b) + (c + d)
    for i in range(whole, window.size):
        total += abs(window[i] - centre)
    return total / window.size


@kernel("extremes", ("highest", "lowest", "position", "williams"), lambda params: 1 + 2 * _kept(params[0]))
def extremes(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, position where highest and lowest are one. state: bars seen, what is kept of highs and of negated lows.

    outputs: highest high, lowest low, (close - lowest)/(highest - lowest), and 100·(that - 1).
    """
    n, undefined = int(params[0]), params[1]
    seen = int(state[0])
    half = (state.size - 1) // 2
    highs, lows = state[1 : 1 + half], state[1 + half :]
    for t in range(bars.shape[1]):
        high, low = _highest(highs, n, seen, bars[HIGH, t]), -_highest(lows, n, seen, -bars[LOW, t])
        seen += 1
        position = np.nan
        if seen < n:
            high, low = np.nan, np.nan
        else:
            position = (bars[CLOSE, t] - low) / (high - low) if high > low else undefined
        out[0, t], out[1, t], out[2, t], out[3, t] = high, low, position, 100.0 * (position - 1.0)
    state[0] = float(seen)


@kernel("cci", ("cci",), lambda params: 2 + 2 * int(params[0]))
def cci(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing varies. state: bars seen, place, ring of typical prices."""
    n, undefined = int(params[0]), params[1]
    seen, place = state[0], int(state[1])
    ring = state[2:]
    for t in range(bars.shape[1]):
        typical = (bars[HIGH, t] + bars[LOW, t] + bars[CLOSE, t]) / 3.0
        place = push(ring, n, place, typical)
        seen += 1.0
        value = np.nan
        if seen >= n:
            window = ring[place : place + n]
            mean = sum_of(window) / n
            deviation = _deviation(window, mean)
            value = (typical - mean) / (CCI_UNIT * deviation) if deviation > NOISE * mean else undefined
        out[0, t] = value
    state[0], state[1] = seen, float(place)


@kernel("mfi", ("mfi",), lambda params: 3 + 4 * int(params[0]))
def mfi(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where no money flowed. state: bars seen, place, last typical price, rings of flow up and flow down."""
    n, undefined = int(params[0]), params[1]
    seen, place, last = state[0], int(state[1]), state[2]
    ups, downs = state[3 : 3 + 2 * n], state[3 + 2 * n :]
    for t in range(bars.shape[1]):
        typical = (bars[HIGH, t] + bars[LOW, t] + bars[CLOSE, t]) / 3.0
        value = np.nan
        if seen > 0.0:
            money, change, least = typical * bars[VOLUME, t], typical - last, NOISE * typical
            push(ups, n, place, money if change > least else 0.0)
            place = push(downs, n, place, money if change < -least else 0.0)
            if seen >= n:
                up = sum_of(ups[place : place + n])
                flowed = up + sum_of(downs[place : place + n])
                value = 100.0 * (up / flowed) if flowed > 0.0 else undefined
        out[0, t] = value
        last = typical
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


KERNELS = (extremes, cci, mfi)
