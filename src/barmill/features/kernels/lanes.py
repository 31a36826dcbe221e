"""Sums over the windows of many bars at once, from blocks of 1, 2, 4, ... values. It is compiled into the kernels that use it.

The block of 2h values that starts at i is that of h which starts at i and that of h which starts at i + h, and a window is the
blocks that make up n. So a bar costs log n additions, many of which the processor does together. Their order is fixed by n
alone: the same window gives the same bits, however the bars are cut, and nothing drifts.

A kernel goes through the bars in tiles. A lane holds the n - 1 values before the tile and those of the tile.
"""

import numba
import numpy as np

from barmill.features.kernels.kernel import Float64Array

TILE = 256  # bars; a lane and its work stay in the first-level cache


@numba.njit(error_model="numpy")
def tile_of(n: int, n_bars: int) -> int:
    return min(max(TILE, n), max(n_bars, 1))


@numba.njit(error_model="numpy")
def recall(kept: Float64Array, n_lanes: int, n: int, tile: int) -> Float64Array:
    """The lanes, beginning with the n - 1 values that each had kept."""
    lanes = np.empty((n_lanes, n - 1 + tile))
    for k in range(n_lanes):
        for i in range(n - 1):
            lanes[k, i] = kept[k * (n - 1) + i]
    return lanes


@numba.njit(error_model="numpy")
def keep(kept: Float64Array, lanes: Float64Array, n: int) -> None:
    for k in range(lanes.shape[0]):
        for i in range(n - 1):
            kept[k * (n - 1) + i] = lanes[k, i]


@numba.njit(error_model="numpy")
def move_on(lanes: Float64Array, n: int, size: int) -> None:
    """The last n - 1 values come before the next tile."""
    for k in range(lanes.shape[0]):
        for i in range(n - 1):
            lanes[k, i] = lanes[k, i + size]


@numba.njit(error_model="numpy")
def window_sums(lane: Float64Array, n: int, size: int, work: Float64Array, sums: Float64Array) -> None:
    """sums[i] = lane[i] + ... + lane[i + n - 1] for i below `size`; `work` is as long as the lane."""
    blocks = n - 1 + size
    for i in range(blocks):
        work[i] = lane[i]
    for i in range(size):
        sums[i] = 0.0
    covered, length = 0, 1
    while length <= n:
        if n & length:
            for i in range(size):
                sums[i] += work[i + covered]
            covered += length
        blocks -= length
        for i in range(blocks):
            work[i] += work[i + length]
        length *= 2


__all__ = ["TILE", "keep", "move_on", "recall", "tile_of", "window_sums"]
