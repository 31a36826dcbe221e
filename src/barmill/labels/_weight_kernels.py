"""The compiled loop of the sequential bootstrap; compiled once, when this module is first imported."""

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.types import Array, float64, int64

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_positions = Array(int64, 1, "C", readonly=True)
_numbers = Array(float64, 1, "C", readonly=True)


@njit(
    (_positions, _positions, _positions, _positions, int64, int64, _numbers, int64[::1]),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def draw_sequentially(
    t0: Int64Array,
    t1: Int64Array,
    first: Int64Array,
    stop: Int64Array,
    n_bars: int,
    longest: int,
    uniforms: Float64Array,
    drawn: Int64Array,
) -> None:
    """Draw a label for each of `uniforms`, after each of which the labels that overlap the drawn one are less likely.

    t0 ascends; the labels that can overlap label i are among first[i] .. stop[i] - 1. The weights are the leaves of a binary tree of
    sums: a draw walks down it, and since the leaves that change lie side by side, so do the sums above them.
    """
    n = len(t0)
    size = 1
    while size < n:
        size *= 2
    tree = np.zeros(2 * size)
    tree[size : size + n] = 1.0
    for node in range(size - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    alive = np.zeros(n_bars, dtype=np.int64)
    change = np.zeros(longest + 2)
    for k in range(len(uniforms)):
        left_over = uniforms[k] * tree[1]
        node = 1
        while node < size:
            node *= 2
            # the padding after the last leaf weighs nothing, and no rounding may walk into it
            if left_over >= tree[node] and tree[node + 1] > 0.0:
                left_over -= tree[node]
                node += 1
        i = node - size
        drawn[k] = i
        begin = t0[i]
        for t in range(begin, t1[i] + 1):
            number = alive[t]
            change[t - begin + 1] = change[t - begin] + (1.0 / (2.0 + number) - 1.0 / (1.0 + number))
            alive[t] = number + 1
        for j in range(first[i], stop[i]):
            since = max(t0[j], begin)
            until = min(t1[j], t1[i]) + 1
            if until > since:
                tree[size + j] += (change[until - begin] - change[since - begin]) / (t1[j] - t0[j] + 1)
        low = (size + first[i]) // 2
        high = (size + stop[i] - 1) // 2
        while low > 0:
            for node in range(low, high + 1):
                tree[node] = tree[2 * node] + tree[2 * node + 1]
            low //= 2
            high //= 2
