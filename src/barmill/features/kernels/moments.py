"""The four moments of the last n returns, of many bars at once.

Each sum runs from the oldest value of its window to the newest, and the sums of a tile of bars run beside each other, so that none
waits for its own last addition. Their order is fixed by the place in the window: the same window gives the same bits.
"""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, Float64Array, kernel
from barmill.features.kernels.lanes import keep, move_on, recall, tile_of


@kernel("return_moments", ("mean", "std", "skewness", "kurtosis"), lambda params: 4 + int(params[0]) - 1)
def return_moments(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, skewness and kurtosis where nothing varies.

    state: bars seen, last close, last return, how many returns on end were equal, the last n - 1 returns.
    """
    n = int(params[0])
    seen, last, before, equal = state[0], state[1], state[2], state[3]
    tile = tile_of(n, bars.shape[1])
    lanes = recall(state[4:], 1, n, tile)
    lane = lanes[0]
    mean, squares, cubes, fourths, alike = np.empty(tile), np.empty(tile), np.empty(tile), np.empty(tile), np.empty(tile)
    for start in range(0, bars.shape[1], tile):
        size = min(tile, bars.shape[1] - start)
        for i in range(size):
            close = bars[CLOSE, start + i]
            value = math.log(close / last) if seen > 0.0 else 0.0
            equal = equal + 1.0 if value == before and seen > 1.0 else 1.0
            lane[n - 1 + i], alike[i] = value, equal
            last, before = close, value
            seen += 1.0
        for i in range(size):
            mean[i], squares[i], cubes[i], fourths[i] = 0.0, 0.0, 0.0, 0.0
        for k in range(n):
            for i in range(size):
                mean[i] += lane[i + k]
        for i in range(size):
            mean[i] /= n
        for k in range(n):
            for i in range(size):
                d = lane[i + k] - mean[i]
                dd = d * d
                squares[i] += dd
                cubes[i] += dd * d
                fourths[i] += dd * dd
        for i in range(size):
            t = start + i
            if seen - size + i < n:  # the returns before this bar and its own are fewer than n
                out[0, t], out[1, t], out[2, t], out[3, t] = np.nan, np.nan, np.nan, np.nan
            elif alike[i] >= n:
                out[0, t], out[1, t], out[2, t], out[3, t] = lane[i], 0.0, params[1], params[2]
            else:
                variance = squares[i] / n
                out[0, t], out[1, t] = mean[i], math.sqrt(squares[i] / (n - 1))
                out[2, t] = cubes[i] / n / (variance * math.sqrt(variance))
                out[3, t] = fourths[i] / n / (variance * variance)
        move_on(lanes, n, size)
    keep(state[4:], lanes, n)
    state[0], state[1], state[2], state[3] = seen, last, before, equal


KERNELS = (return_moments,)
