"""How two series moved together over the last n bars: the covariance behind Roll's spread, the slope that is Kyle's lambda.

The moments of many windows are made at once, from blocks of 1, 2, 4, ... bars as in `lanes.py`. A block has its means, and
sums of products about them; two blocks of a and b bars whose means differ by d and e have together the sums of both and
d·e·ab/(a + b) (Chan, Golub & LeVeque 1983). Nothing cancels, and where all values are equal the sum of squares is exactly 0.
"""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, VOLUME, Float64Array, kernel
from barmill.features.kernels.lanes import keep, move_on, recall, tile_of, window_sums

HALF = math.sqrt(0.5)
ROUNDING = 1e-14  # a covariance below this share of the variance is 0 but for rounding, whose root would not be small
DENSITY = 1.0 / math.sqrt(2.0 * math.pi)  # of the standard normal distribution at 0

BULK, TAKERS = 0, 1  # what tells bought from sold
MEAN_X, MEAN_Y, SQUARES, PRODUCTS = 0, 1, 2, 3  # rows of moments: means, sum of (x - mean)², sum of (x - mean)(y - mean)


@numba.njit(error_model="numpy")
def _merge(into: Float64Array, i: int, later: Float64Array, j: int, a: int, b: int) -> None:
    """Put the block of b bars in column j of `later` to that of a bars in column i of `into`."""
    share = b / (a + b)
    weight = a * share
    d, e = later[MEAN_X, j] - into[MEAN_X, i], later[MEAN_Y, j] - into[MEAN_Y, i]
    into[SQUARES, i] += later[SQUARES, j] + d * d * weight
    into[PRODUCTS, i] += later[PRODUCTS, j] + d * e * weight
    into[MEAN_X, i] += d * share
    into[MEAN_Y, i] += e * share


@numba.njit(error_model="numpy")
def _moments(x: Float64Array, y: Float64Array, n: int, size: int, work: Float64Array, moments: Float64Array) -> None:
    """Column i of `moments` (4, size or more) is of x[i : i + n] and y[i : i + n], for i below `size`."""
    blocks = n - 1 + size
    for i in range(blocks):
        work[MEAN_X, i], work[MEAN_Y, i], work[SQUARES, i], work[PRODUCTS, i] = x[i], y[i], 0.0, 0.0
    covered, length = 0, 1
    while length <= n:
        if n & length:
            for i in range(size):
                if covered:
                    _merge(moments, i, work, i + covered, covered, length)
                else:
                    for row in range(4):
                        moments[row, i] = work[row, i]
            covered += length
        blocks -= length
        for i in range(blocks):
            _merge(work, i, work, i + length, length, length)
        length *= 2


@numba.njit(error_model="numpy")
def _slope(moments: Float64Array, i: int, n: int, constant: float, undefined: float) -> float:
    """Of the least-squares line of y on x, through the origin unless `constant`."""
    squares, products = moments[SQUARES, i], moments[PRODUCTS, i]
    if squares <= 0.0:
        return undefined
    if constant:
        return products / squares
    mean_x, mean_y = moments[MEAN_X, i], moments[MEAN_Y, i]
    return (products + n * mean_x * mean_y) / (squares + n * mean_x * mean_x)


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


@kernel("roll_spread", ("price", "share"), lambda params: 3 + 2 * max(int(params[0]) - 2, 0))
def roll_spread(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n changes. state: bars seen, last close, last change, lanes of changes, of those before them.

    outputs: in units of the price, as a share of the close. n changes are n - 1 pairs; fewer than two have no covariance.
    """
    n_bars, pairs = bars.shape[1], max(int(params[0]) - 1, 1)
    seen, last, before = state[0], state[1], state[2]
    tile = tile_of(pairs, n_bars)
    lanes, work, moments = recall(state[3:], 2, pairs, tile), np.empty((4, pairs - 1 + tile)), np.empty((4, tile))
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            change = bars[CLOSE, start + i] - last if seen + i > 0 else 0.0
            lanes[0, pairs - 1 + i], lanes[1, pairs - 1 + i] = change, before
            last, before = bars[CLOSE, start + i], change
        _moments(lanes[0], lanes[1], pairs, size, work, moments)
        for i in range(size):
            spread = np.nan
            if seen + i > pairs > 1:
                spread = 0.0
                if moments[PRODUCTS, i] < -ROUNDING * moments[SQUARES, i]:
                    spread = 2.0 * math.sqrt(-moments[PRODUCTS, i] / (pairs - 1))
            out[0, start + i], out[1, start + i] = spread, spread / bars[CLOSE, start + i]
        move_on(lanes, pairs, size)
        seen += size
    keep(state[3:], lanes, pairs)
    state[0], state[1], state[2] = seen, last, before


@kernel("zero_returns", ("share", "spread"), lambda params: 2 + int(params[0]))
def zero_returns(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, last close, zeros in the window, lane of returns.

    outputs: the share of closes that did not move, the spread that explains it.
    """
    n, n_bars = int(params[0]), bars.shape[1]
    seen, last, zeros = state[0], state[1], state[2]
    tile = tile_of(n, n_bars)
    lanes, work, moments = recall(state[3:], 1, n, tile), np.empty((4, n - 1 + tile)), np.empty((4, tile))
    asked, quantile = 0.0, 0.0
    for start in range(0, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            lanes[0, n - 1 + i] = math.log(bars[CLOSE, start + i] / last) if seen + i > 0 else 0.0
            last = bars[CLOSE, start + i]
        _moments(lanes[0], lanes[0], n, size, work, moments)
        for i in range(size):
            zeros += 1.0 if seen + i > 0 and lanes[0, n - 1 + i] == 0.0 else 0.0
            share, spread = zeros / n, 0.0
            if zeros != asked and zeros < n:
                asked, quantile = zeros, _normal_quantile(0.5 * (1.0 + share))
            if moments[SQUARES, i] > 0.0 and zeros > 0.0:
                spread = 2.0 * quantile * math.sqrt(moments[SQUARES, i] / (n - 1))
            out[0, start + i], out[1, start + i] = (share, spread) if seen + i >= n else (np.nan, np.nan)
            zeros -= 1.0 if seen + i >= n and lanes[0, i] == 0.0 else 0.0  # the oldest leaves
        move_on(lanes, n, size)
        seen += size
    keep(state[3:], lanes, n)
    state[0], state[1], state[2] = seen, last, zeros


@kernel("kyle_lambda", ("price", "relative"), lambda params: 3 * int(params[0]) - 1)
def kyle_lambda(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, 1 with a constant or 0, value where nothing varies, BULK or TAKERS, row of what takers bought where they tell.

    state: bars seen, last close, lanes of changes, of bought less sold, of volumes. outputs: change of the price per unit of volume,
    share of the close per mean volume of a bar. Bought less sold is in bulk classification, as a share of the volume,
    2Φ(z) - 1 = erf(z/√2).
    """
    n, constant, undefined, bulk, n_bars = int(params[0]), params[1], params[2], params[3] == BULK, bars.shape[1]
    bought = bars[VOLUME if bulk else int(params[4])]
    warm = 2 * n - 1 if bulk else n  # in bulk the oldest bar of the window has n changes behind it
    seen, last = state[0], state[1]
    tile, begin = tile_of(n, n_bars), 0
    while seen == 0.0 and begin < n_bars and math.isnan(bought[begin]):
        begin += 1
    out[:, :begin] = np.nan
    lanes, work, moments = recall(state[2:], 3, n, tile), np.empty((4, n - 1 + tile)), np.empty((4, tile))
    squares, sums = np.empty(n - 1 + tile), np.empty(tile)
    for start in range(begin, n_bars, tile):
        size = min(tile, n_bars - start)
        for i in range(size):
            lanes[0, n - 1 + i] = bars[CLOSE, start + i] - last if seen + i > 0 else 0.0
            lanes[1, n - 1 + i] = 2.0 * bought[start + i] - bars[VOLUME, start + i]
            lanes[2, n - 1 + i] = bars[VOLUME, start + i]
            last = bars[CLOSE, start + i]
        if bulk:
            for i in range(n - 1 + size):
                squares[i] = lanes[0, i] * lanes[0, i]
            window_sums(squares, n, size, work[0], sums)
            for i in range(size):
                sigma = math.sqrt(sums[i] / n)
                lanes[1, n - 1 + i] = lanes[2, n - 1 + i] * math.erf(lanes[0, n - 1 + i] / sigma * HALF) if sigma > 0.0 else 0.0
        _moments(lanes[1], lanes[0], n, size, work, moments)
        window_sums(lanes[2], n, size, work[0], sums)
        for i in range(size):
            price = _slope(moments, i, n, constant, undefined) if seen + i >= warm else np.nan
            out[0, start + i], out[1, start + i] = price, price * (sums[i] / n) / bars[CLOSE, start + i]
        move_on(lanes, n, size)
        seen += size
    keep(state[2:], lanes, n)
    state[0], state[1] = seen, last


KERNELS = (roll_spread, zero_returns, kyle_lambda)
