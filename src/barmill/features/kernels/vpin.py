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
from barmill.features.kernels.lanes import tile_of, window_sums
from barmill.features.kernels.rings import sum_of

BULK, TAKERS = 0, 1  # what tells bought from sold
HALF = math.sqrt(0.5)
FULL = 1e-10  # a bucket that lacks less than this share of its volume lacks it by rounding: ten bars of 0.1 fill one of 1


@numba.njit(error_model="numpy")
def _recall(kept: Float64Array, n: int, tile: int) -> Float64Array:
    """A lane: the n - 1 values that it had kept, and room for those of a tile."""
    lane = np.empty(n - 1 + tile)
    for i in range(n - 1):
        lane[i] = kept[i]
    return lane


@numba.njit(error_model="numpy")
def _move_on(lane: Float64Array, n: int, size: int, kept: Float64Array) -> None:
    """The last n - 1 values come before the next tile, and are kept."""
    for i in range(n - 1):
        kept[i] = lane[i] = lane[i + size]


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
    """Mean imbalance of the buckets that the window fills, as a share of their volume. scratch (2, n_buckets)."""
    n_buckets = scratch.shape[1]
    size = sum_of(volumes) / n_buckets
    if size <= 0.0:
        return undefined
    count = _fill(volumes, shares, size, scratch[0], scratch[1])
    return sum_of(scratch[1, :count]) / (n_buckets * size)


@numba.njit(error_model="numpy")
def _stretch_ends(bars: Float64Array, t: int, before: float, bucket_bars: float) -> bool:
    """Whether a stretch of bucket_bars bars, counted from the epoch, has ended since the close before."""
    stretch = bucket_bars * (bars[CLOSE_TIME, t] - bars[OPEN_TIME, t])
    return math.floor(bars[CLOSE_TIME, t] / stretch) > math.floor(before / stretch)


def _state(params: tuple[float, ...]) -> int:
    window, n_buckets = int(params[0]) * int(params[1]), int(params[1])
    return 4 + 2 * (window - 1) + n_buckets - 1


@kernel("vpin", ("vpin",), _state)
def vpin(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: bucket_bars, n_buckets, value where nothing was traded, BULK or TAKERS, row of what takers bought where they tell.

    state: bars seen, last close, last close time, value, lanes of volumes, of shares, of n_buckets squared changes. Bought less
    sold is in bulk classification, as a share of the volume, 2Φ(z) - 1 = erf(z/√2).
    """
    bucket_bars, n_buckets, undefined, bulk, n_bars = int(params[0]), int(params[1]), params[2], params[3] == BULK, bars.shape[1]
    bought = bars[VOLUME if bulk else int(params[4])]
    n = bucket_bars * n_buckets
    full = n - 1 + (n_buckets if bulk else 0)  # the first bar with a window; in bulk its oldest bar has n_buckets changes behind it
    seen, last, before, value = state[0], state[1], state[2], state[3]
    tile, begin = tile_of(n, n_bars), 0
    while seen == 0.0 and begin < n_bars and math.isnan(bought[begin]):
        begin += 1
    out[0, :begin] = np.nan
    kept = state[4 : 3 + n], state[3 + n : 2 + 2 * n], state[2 + 2 * n :]
    volumes, shares, squares = _recall(kept[0], n, tile), _recall(kept[1], n, tile), _recall(kept[2], n_buckets, tile)
    work, sums, scratch = np.empty(n_buckets - 1 + tile), np.empty(tile), np.empty((2, n_buckets))
    for start in range(begin, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            volume = bars[VOLUME, start + i]
            change = bars[CLOSE, start + i] - last if bulk and seen + i > 0 else 0.0
            volumes[n - 1 + i], squares[n_buckets - 1 + i] = volume, change * change
            shares[n - 1 + i] = change if bulk else 2.0 * (bought[start + i] / volume) - 1.0 if volume > 0.0 else 0.0
            last = bars[CLOSE, start + i]
        if bulk:
            window_sums(squares, n_buckets, size, work, sums)
            for i in range(size):
                sigma = math.sqrt(sums[i] / n_buckets)
                shares[n - 1 + i] = math.erf(shares[n - 1 + i] / sigma * HALF) if sigma > 0.0 else 0.0
        for i in range(size):
            if seen + i == full or (seen + i > full and _stretch_ends(bars, start + i, before, bucket_bars)):
                value = _vpin(volumes[i : i + n], shares[i : i + n], scratch, undefined)
            out[0, start + i] = value if seen + i >= full + bucket_bars - 1 else np.nan
            before = bars[CLOSE_TIME, start + i]
        _move_on(volumes, n, size, kept[0])
        _move_on(shares, n, size, kept[1])
        _move_on(squares, n_buckets, size, kept[2])
        seen += size
    state[0], state[1], state[2], state[3] = seen, last, before, value


KERNELS = (vpin,)
ROUTINES = (fill_buckets,)
