"""Volume-synchronised probability of informed trading: bars poured into buckets of equal volume.

As a feature it must not remember where its history began. So the buckets are filled anew from the bars of the window alone,
n_buckets times bucket_bars of them, and hold one n-th of their volume each: the window ends where the last bucket is full. That
is dear, so it is done when a stretch of bucket_bars bars ends, counted from the Unix epoch, which is as often as a bucket
would fill; between, the value stands.
"""

import math

import numba
import numpy as np
from numba import types

from barmill.features.kernels.kernel import CLOSE, CLOSE_TIME, OPEN_TIME, VALUES, VOLUME, Float64Array, kernel, routine

HALF = math.sqrt(0.5)
FULL = 1e-10  # a bucket that lacks less than this share of its volume lacks it by rounding: ten bars of 0.1 fill one of 1
HEAD = 6  # what both kernels remember before their rings


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
def _fill(volumes: Float64Array, shares: Float64Array, size: float, bar: Float64Array, imbalance: Float64Array) -> int:
    """Pour bars into buckets of `size`, as many as `imbalance` has room for; returns how many are full.

    shares : bought less sold as a share of each bar's volume, the same for all its parts
    bar, imbalance : for each full bucket, the bar that completed it and |bought - sold|
    """
    count, room, balance = 0, size, 0.0
    for i in range(volumes.size):
        left = volumes[i]
        while left >= room - FULL * size:
            bar[count], imbalance[count] = i, abs(balance + shares[i] * room)
            count += 1
            if count == imbalance.size:
                return count
            left, room, balance = max(left - room, 0.0), size, 0.0
        balance += shares[i] * left
        room -= left
    return count


@routine(types.void(VALUES, VALUES, types.float64, VALUES, VALUES, VALUES))
def fill_buckets(
    volumes: Float64Array, shares: Float64Array, size: float, bar: Float64Array, imbalance: Float64Array, count: Float64Array
) -> None:
    """`_fill` over a whole history; `count` (1,) is how many buckets are full."""
    count[0] = _fill(volumes, shares, size, bar, imbalance)


@numba.njit(error_model="numpy")
def _vpin(volumes: Float64Array, shares: Float64Array, scratch: Float64Array, undefined: float) -> float:
    """Mean imbalance of the buckets that the window fills, as a share of their volume."""
    n_buckets = scratch.size // 2
    size = _sum(volumes) / n_buckets
    if size <= 0.0:
        return undefined
    imbalance = scratch[n_buckets:]
    count = _fill(volumes, shares, size, scratch[:n_buckets], imbalance)
    return _sum(imbalance[:count]) / (n_buckets * size)


@numba.njit(error_model="numpy")
def _stretch_ends(bars: Float64Array, t: int, before: float, bucket_bars: float) -> bool:
    """Whether a stretch of bucket_bars bars, counted from the epoch, has ended since the close before."""
    stretch = bucket_bars * (bars[CLOSE_TIME, t] - bars[OPEN_TIME, t])
    return math.floor(bars[CLOSE_TIME, t] / stretch) > math.floor(before / stretch)


def _bulk_state(params: tuple[float, ...]) -> int:
    window, n_buckets = int(params[0]) * int(params[1]), int(params[1])
    return HEAD + 4 * window + 4 * n_buckets


@kernel("vpin", ("vpin",), _bulk_state)
def vpin(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: bucket_bars, n_buckets, value where nothing was traded. state: bars seen, place, last close time, value, last close,
    place of the changes, rings of volumes and of shares, ring of n_buckets squared changes, scratch.
    """
    bucket_bars, n_buckets, undefined = params[0], int(params[1]), params[2]
    window = int(bucket_bars) * n_buckets
    seen, place, before, value, last, place_changes = state[0], int(state[1]), state[2], state[3], state[4], int(state[5])
    volumes, shares = state[HEAD : HEAD + 2 * window], state[HEAD + 2 * window : HEAD + 4 * window]
    squares = state[HEAD + 4 * window : HEAD + 4 * window + 2 * n_buckets]
    scratch = state[HEAD + 4 * window + 2 * n_buckets :]
    full = n_buckets + window - 1.0
    first = full + bucket_bars - 1.0
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        if seen > 0.0:
            change = close - last
            place_changes = _push(squares, n_buckets, place_changes, change * change)
            sigma = math.sqrt(_sum(squares[place_changes : place_changes + n_buckets]) / n_buckets)
            _push(shares, window, place, math.erf(change / sigma * HALF) if sigma > 0.0 else 0.0)
            place = _push(volumes, window, place, bars[VOLUME, t])
            if seen == full or (seen > full and _stretch_ends(bars, t, before, bucket_bars)):
                value = _vpin(volumes[place : place + window], shares[place : place + window], scratch, undefined)
        out[0, t] = value if seen >= first else np.nan
        last, before = close, bars[CLOSE_TIME, t]
        seen += 1.0
    state[0], state[1], state[2], state[3], state[4], state[5] = seen, float(place), before, value, last, float(place_changes)


def _taker_state(params: tuple[float, ...]) -> int:
    return HEAD + 4 * int(params[0]) * int(params[1]) + 2 * int(params[1])


@kernel("taker_vpin", ("taker_vpin",), _taker_state)
def taker_vpin(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: bucket_bars, n_buckets, value where nothing was traded, row of what takers bought. state: bars seen, place, last close
    time, value, -, -, rings of volumes and of shares, scratch.
    """
    bucket_bars, n_buckets, undefined, row = params[0], int(params[1]), params[2], int(params[3])
    window = int(bucket_bars) * n_buckets
    seen, place, before, value = state[0], int(state[1]), state[2], state[3]
    volumes, shares = state[HEAD : HEAD + 2 * window], state[HEAD + 2 * window : HEAD + 4 * window]
    scratch = state[HEAD + 4 * window :]
    full = window - 1.0
    first = full + bucket_bars - 1.0
    for t in range(bars.shape[1]):
        bought, volume = bars[row, t], bars[VOLUME, t]
        if not math.isfinite(bought):
            out[0, t] = np.nan
            continue
        _push(shares, window, place, 2.0 * (bought / volume) - 1.0 if volume > 0.0 else 0.0)
        place = _push(volumes, window, place, volume)
        if seen == full or (seen > full and _stretch_ends(bars, t, before, bucket_bars)):
            value = _vpin(volumes[place : place + window], shares[place : place + window], scratch, undefined)
        out[0, t] = value if seen >= first else np.nan
        before = bars[CLOSE_TIME, t]
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, float(place), before, value


KERNELS = (vpin, taker_vpin)
ROUTINES = (fill_buckets,)
