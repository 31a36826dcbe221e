"""Transforms of one series, which may be a feature or a column of the bars: `params` end with its row.

The series may begin with NaN; a kernel waits for its first value and counts from there.

Sums over the last n values are put together from blocks of 1, 2, 4, ... values: the block of 2h values is that of the last h
and that of the h before, which was kept. The window is those blocks that make up n, the shortest the newest. So a bar costs
log n additions, whose order is fixed by n alone: as exact as summing anew, to the bit the same for the same window, and
nothing to drift. Blocks that reach before the first value hold zeros; none of them is part of a full window.
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import Float64Array, kernel
from barmill.features.kernels.ordered import replace

TILE = 128  # bars


@numba.njit(error_model="numpy")
def _first_value(x: Float64Array, out: Float64Array) -> int:
    """How many values are missing before the first; as many of `out` are set to NaN."""
    first = 0
    while first < x.size and math.isnan(x[first]):
        out[first] = np.nan
        first += 1
    return first


@numba.njit(error_model="numpy")
def _weigh(weights: Float64Array, d: float) -> None:
    """The weights of a fractional difference, that of the oldest value first."""
    weight = 1.0
    for k in range(weights.size):
        if k > 0:
            weight = -weight * (d - k + 1.0) / k
        weights[weights.size - 1 - k] = weight


@numba.njit(error_model="numpy")
def _add(sums: Float64Array, weight: float, values: Float64Array) -> None:
    for i in range(sums.size):
        sums[i] += weight * values[i]


@numba.njit(error_model="numpy")
def _count(counts: Float64Array, others: Float64Array, values: Float64Array) -> None:
    """1 for each other that is below its value, a half for each that is equal."""
    for i in range(counts.size):
        counts[i] += (0.5 if others[i] < values[i] else 0.0) + (0.5 if others[i] <= values[i] else 0.0)


@numba.njit(error_model="numpy")
def _keep(values: Float64Array, n_before: int, size: int) -> None:
    """Move the last values to the front and clear the tile: what is remembered depends on the series, not on how it was cut."""
    for i in range(n_before):
        values[i] = values[size + i]
    for i in range(n_before, n_before + size):
        values[i] = 0.0


def _blocks(n: float) -> int:
    """How many blocks are kept: 1 + 2 + 4 + ... up to the longest that n has room for."""
    return 2 ** int(n).bit_length() - 1


@kernel("lag", ("lag", "change"), lambda params: 2 + int(params[0]))
def lag(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, row. state: values seen, place, the last n values. outputs: the value n bars ago, what was added since."""
    n, row = int(params[0]), int(params[1])
    seen, place = state[0], int(state[1])
    last = state[2:]
    for t in range(bars.shape[1]):
        x = bars[row, t]
        out[0, t], out[1, t] = np.nan, np.nan
        if math.isnan(x):
            continue
        if seen >= n:
            out[0, t], out[1, t] = last[place], x - last[place]
        last[place] = x
        place = place + 1 if place + 1 < n else 0
        seen += 1.0
    state[0], state[1] = seen, float(place)


@kernel("moving_sum", ("sum",), lambda params: 1 + _blocks(params[0]))
def moving_sum(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, row. state: values seen, the last 1, 2, 4, ... sums of so many values."""
    n, row = int(params[0]), int(params[1])
    seen = int(state[0])
    kept = state[1:]
    for t in range(bars.shape[1]):
        x = bars[row, t]
        out[0, t] = np.nan
        if math.isnan(x):
            continue
        block, total, covered, length = x, 0.0, 0, 1
        while length <= n:
            before = kept[length - 1 + (seen & (length - 1))]  # rings of 1, 2, 4, ... blocks stand one after another
            kept[length - 1 + (seen & (length - 1))] = block
            if n & length:
                total += kept[length - 1 + ((seen - covered) & (length - 1))]
                covered += length
            block += before
            length *= 2
        seen += 1
        if seen >= n:
            out[0, t] = total
    state[0] = float(seen)


@kernel("zscore", ("zscore",), lambda params: 1 + 2 * _blocks(params[0]))
def zscore(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing varies, row. state: values seen, the last 1, 2, 4, ... blocks' means and sums of squares.

    The squares are about the mean of their block. Two blocks of a and b values whose means differ by d have together the
    squares of both and d²·ab/(a + b), which is 0 only where all values are equal (Chan, Golub & LeVeque 1983).
    """
    n, undefined, row = int(params[0]), params[1], int(params[2])
    seen = int(state[0])
    kept = state[1:]
    for t in range(bars.shape[1]):
        x = bars[row, t]
        out[0, t] = np.nan
        if math.isnan(x):
            continue
        block_mean, block_squares, mean, squares, covered, length = x, 0.0, x, 0.0, 0, 1
        while length <= n:
            place = 2 * (length - 1 + (seen & (length - 1)))
            before_mean, before_squares = kept[place], kept[place + 1]
            kept[place], kept[place + 1] = block_mean, block_squares
            if n & length:
                if covered == 0:
                    mean, squares = block_mean, block_squares
                else:
                    older = 2 * (length - 1 + ((seen - covered) & (length - 1)))
                    share = length / (covered + length)
                    d = kept[older] - mean
                    squares += kept[older + 1] + d * d * (share * covered)
                    mean += d * share
                covered += length
            d = before_mean - block_mean
            block_squares += before_squares + d * d * (0.5 * length)
            block_mean += 0.5 * d
            length *= 2
        seen += 1
        if seen >= n:
            out[0, t] = (x - mean) / math.sqrt(squares / n) if squares > 0.0 else undefined
    state[0] = float(seen)


@kernel("smoothed", ("ewma",), lambda _: 2)
def smoothed(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, row. state: values seen, mean (until the n-th value: the sum)."""
    n, row = params[0], int(params[1])
    alpha = 2.0 / (n + 1.0)
    seen, mean = state[0], state[1]
    for t in range(bars.shape[1]):
        x = bars[row, t]
        out[0, t] = np.nan
        if math.isnan(x):
            continue
        if seen < n:
            mean += x
            if seen == n - 1.0:
                mean /= n
                out[0, t] = mean
        else:
            mean = (x - mean) * alpha + mean
            out[0, t] = mean
        seen += 1.0
    state[0], state[1] = seen, mean


@kernel("clipped", ("clipped",), lambda params: 2 + 2 * int(params[0]))
def clipped(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, share, row. state: values seen, place, the last n values in time order, the same in ascending order.

    The value is clipped to the quantiles `share` and 1 - `share` of the window, linear between order statistics; the upper one
    is counted from the top, so that both are mirror images.
    """
    n, share, row = int(params[0]), params[1], int(params[2])
    cut = share * (n - 1)
    below = int(cut)
    part = cut - below
    seen, place = state[0], int(state[1])
    recent, ascending = state[2 : 2 + n], state[2 + n :]
    for t in range(bars.shape[1]):
        x = bars[row, t]
        out[0, t] = np.nan
        if math.isnan(x):
            continue
        if seen < n:
            count = int(seen)
            ascending[count] = math.inf
            replace(ascending, count + 1, math.inf, x)
        else:
            replace(ascending, n, recent[place], x)
        recent[place] = x
        place = place + 1 if place + 1 < n else 0
        seen += 1.0
        if seen >= n:
            lower = ascending[below] + part * (ascending[below + 1] - ascending[below])
            upper = ascending[n - 1 - below] - part * (ascending[n - 1 - below] - ascending[n - 2 - below])
            out[0, t] = min(max(x, lower), upper)
    state[0], state[1] = seen, float(place)


@kernel("percentile", ("percentile",), lambda params: int(params[0]) + 2 * TILE)
def percentile(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, row. state: values seen, the values before a tile and the tile, its counts; a tile of bars is counted together."""
    n, row = int(params[0]), int(params[1])
    seen = state[0]
    values, counts = state[1 : n + TILE], state[n + TILE :]
    first = _first_value(bars[row], out[0]) if seen == 0.0 else 0
    for start in range(first, bars.shape[1], TILE):
        size = min(TILE, bars.shape[1] - start)
        for i in range(size):
            values[n - 1 + i] = bars[row, start + i]
        tile, counted = values[n - 1 : n - 1 + size], counts[:size]
        for k in range(n):
            _count(counted, values[k : k + size], tile)
        for i in range(size):
            out[0, start + i] = counts[i] / n if seen + i + 1.0 >= n else np.nan
        _keep(values, n - 1, size)
        counts[:] = 0.0
        seen += size
    state[0] = seen


@kernel("fractional_difference", ("fractional_difference",), lambda params: 2 * int(params[1]) + 2 * TILE)
def fractional_difference(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: d, number of weights, row. state: values seen, the weights, the values before a tile and the tile, its sums.

    A tile of bars is summed together, the oldest value first in each window whatever the tile: the processor adds several bars
    at once. A value that is not finite spoils the windows that hold it and no other.
    """
    d, n, row = params[0], int(params[1]), int(params[2])
    seen = state[0]
    weights, values, sums = state[1 : 1 + n], state[1 + n : 2 * n + TILE], state[2 * n + TILE :]
    first = _first_value(bars[row], out[0]) if seen == 0.0 else 0
    if seen == 0.0 and first < bars.shape[1]:
        _weigh(weights, d)
    for start in range(first, bars.shape[1], TILE):
        size = min(TILE, bars.shape[1] - start)
        for i in range(size):
            values[n - 1 + i] = bars[row, start + i]
        summed = sums[:size]
        for k in range(n):
            _add(summed, weights[k], values[k : k + size])
        for i in range(size):
            out[0, start + i] = sums[i] if seen + i + 1.0 >= n else np.nan
        _keep(values, n - 1, size)
        sums[:] = 0.0
        seen += size
    state[0] = seen


@kernel("absolute", ("abs",), lambda _: 0)
def absolute(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: row. No state."""
    row = int(params[0])
    for t in range(bars.shape[1]):
        out[0, t] = abs(bars[row, t])


KERNELS = (lag, moving_sum, zscore, smoothed, clipped, percentile, fractional_difference, absolute)
