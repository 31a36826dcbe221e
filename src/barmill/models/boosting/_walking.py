"""Compiled walks through flat trees. Whoever calls imports this module inside its function: reading trees needs no Numba.

A node is 8 bytes, so that 500 trees of 64 leaves stay in a processor's second cache. Eight walks go side by side: each waits for its own
next node, and while one waits the others move. A leaf leads to itself, and every other node on: once in a few steps it is seen whether
one of the eight still moved. Trees that grow leaf by leaf are two or three times as deep as most rows fall in them.
Sums are made one after the other in the order of the trees, without `fastmath`, as the libraries do.
"""

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.kernel import routine
from barmill.models.boosting.flat_trees import NODE

ROWS_IN_CACHE: Final = 32  # of a few hundred features
STEPS: Final = 3  # from one look at who moved to the next

_NODES = types.Array(numba.from_dtype(NODE), 1, "C", readonly=True)
_TREES = types.Array(types.int64, 2, "C", readonly=True)
_ROW = types.Array(types.float32, 1, "C", readonly=True)
_ROWS = types.Array(types.float32, 2, "C", readonly=True)
_TABLES = (
    types.Array(types.int32, 2, "C", readonly=True),
    types.Array(types.float32, 2, "C", readonly=True),
    types.Array(types.int64, 1, "C", readonly=True),
    types.Array(types.float64, 2, "C", readonly=True),
    types.float64,
    types.Array(types.float64, 1, "C", readonly=True),
)
_LEAVES = (types.Array(types.float64, 1, "C", readonly=True), types.Array(types.float32, 1, "C", readonly=True))


@numba.njit(error_model="numpy")
def _next(nodes: Any, bits: Any, mask: Any, x: Any, at: Any) -> Any:
    """From a node to its left child where x of its feature is at most its threshold, else to the one beside it."""
    node = nodes[at]
    return at + np.int64(node.link >> bits) + (x[np.int64(node.link & mask)] > node.threshold)


@routine([types.void(_NODES, leaves, types.uint32, _TREES, _TREES, leaves, _ROW, types.float64[::1]) for leaves in _LEAVES])
def walk_row(
    nodes: npt.NDArray[Any],
    leaves: npt.NDArray[Any],
    bits: Any,
    roots: npt.NDArray[np.int64],
    depths: npt.NDArray[np.int64],
    base: npt.NDArray[Any],
    x: npt.NDArray[np.float32],
    out: npt.NDArray[np.float64],
) -> None:
    """out[k] = base[k] + the leaves that `x` reaches in the trees of score k, eight trees side by side."""
    mask = (np.uint32(1) << bits) - np.uint32(1)
    for k in range(roots.shape[0]):
        total = base[k]
        for first in range(0, roots.shape[1], 8):
            a, b, c, d = roots[k, first], roots[k, first + 1], roots[k, first + 2], roots[k, first + 3]
            e, f, g, h = roots[k, first + 4], roots[k, first + 5], roots[k, first + 6], roots[k, first + 7]
            deepest = depths[k, first]
            for tree in range(first + 1, first + 8):
                deepest = max(deepest, depths[k, tree])
            for _ in range(0, deepest, STEPS):
                for _ in range(STEPS - 1):
                    a, b = _next(nodes, bits, mask, x, a), _next(nodes, bits, mask, x, b)
                    c, d = _next(nodes, bits, mask, x, c), _next(nodes, bits, mask, x, d)
                    e, f = _next(nodes, bits, mask, x, e), _next(nodes, bits, mask, x, f)
                    g, h = _next(nodes, bits, mask, x, g), _next(nodes, bits, mask, x, h)
                before = a + b + c + d + e + f + g + h
                a, b = _next(nodes, bits, mask, x, a), _next(nodes, bits, mask, x, b)
                c, d = _next(nodes, bits, mask, x, c), _next(nodes, bits, mask, x, d)
                e, f = _next(nodes, bits, mask, x, e), _next(nodes, bits, mask, x, f)
                g, h = _next(nodes, bits, mask, x, g), _next(nodes, bits, mask, x, h)
                if a + b + c + d + e + f + g + h == before:  # who moves goes to a higher number
                    break
            total += leaves[a]
            total += leaves[b]
            total += leaves[c]
            total += leaves[d]
            total += leaves[e]
            total += leaves[f]
            total += leaves[g]
            total += leaves[h]
        out[k] = total


@routine([types.void(_NODES, leaves, types.uint32, _TREES, _TREES, _ROWS, types.Array(leaves.dtype, 2, "C")) for leaves in _LEAVES])
def walk_rows(
    nodes: npt.NDArray[Any],
    leaves: npt.NDArray[Any],
    bits: Any,
    roots: npt.NDArray[np.int64],
    depths: npt.NDArray[np.int64],
    x: npt.NDArray[np.float32],
    totals: npt.NDArray[Any],
) -> None:
    """Add to totals[k, i] the leaves that row i of `x` reaches in the trees of score k, eight rows side by side.

    The number of rows is a multiple of eight. Trees stay in the first cache while a block of rows passes.
    """
    mask = (np.uint32(1) << bits) - np.uint32(1)
    for start in range(0, x.shape[0], ROWS_IN_CACHE):
        stop = min(start + ROWS_IN_CACHE, x.shape[0])
        for k in range(roots.shape[0]):
            for tree in range(roots.shape[1]):
                root, depth = roots[k, tree], depths[k, tree]
                for i in range(start, stop, 8):
                    a = b = c = d = e = f = g = h = root
                    for _ in range(0, depth, STEPS):
                        for _ in range(STEPS - 1):
                            a, b = _next(nodes, bits, mask, x[i], a), _next(nodes, bits, mask, x[i + 1], b)
                            c, d = _next(nodes, bits, mask, x[i + 2], c), _next(nodes, bits, mask, x[i + 3], d)
                            e, f = _next(nodes, bits, mask, x[i + 4], e), _next(nodes, bits, mask, x[i + 5], f)
                            g, h = _next(nodes, bits, mask, x[i + 6], g), _next(nodes, bits, mask, x[i + 7], h)
                        before = a + b + c + d + e + f + g + h
                        a, b = _next(nodes, bits, mask, x[i], a), _next(nodes, bits, mask, x[i + 1], b)
                        c, d = _next(nodes, bits, mask, x[i + 2], c), _next(nodes, bits, mask, x[i + 3], d)
                        e, f = _next(nodes, bits, mask, x[i + 4], e), _next(nodes, bits, mask, x[i + 5], f)
                        g, h = _next(nodes, bits, mask, x[i + 6], g), _next(nodes, bits, mask, x[i + 7], h)
                        if a + b + c + d + e + f + g + h == before:
                            break
                    totals[k, i] += leaves[a]
                    totals[k, i + 1] += leaves[b]
                    totals[k, i + 2] += leaves[c]
                    totals[k, i + 3] += leaves[d]
                    totals[k, i + 4] += leaves[e]
                    totals[k, i + 5] += leaves[f]
                    totals[k, i + 6] += leaves[g]
                    totals[k, i + 7] += leaves[h]


@numba.njit(error_model="numpy")
def _symmetric(features: Any, borders: Any, first_leaf: Any, leaves: Any, scale: Any, bias: Any, x: Any, out: Any) -> None:
    """out = scale (the leaves that `x` reaches) + bias, of trees whose leaf is the number made of a level's answers."""
    out[:] = 0.0
    for tree in range(features.shape[0]):
        leaf = first_leaf[tree]
        for level in range(features.shape[1]):
            leaf += np.int64(x[features[tree, level]] > borders[tree, level]) << level
        for k in range(bias.size):
            out[k] += leaves[leaf, k]
    for k in range(bias.size):
        out[k] = scale * out[k] + bias[k]


@routine(types.void(*_TABLES, _ROW, types.float64[::1]))
def walk_symmetric_row(
    features: npt.NDArray[np.int32],
    borders: npt.NDArray[np.float32],
    first_leaf: npt.NDArray[np.int64],
    leaves: npt.NDArray[np.float64],
    scale: float,
    bias: npt.NDArray[np.float64],
    x: npt.NDArray[np.float32],
    out: npt.NDArray[np.float64],
) -> None:
    """The scores of one row by `SymmetricTrees`."""
    _symmetric(features, borders, first_leaf, leaves, scale, bias, x, out)


@routine(types.void(*_TABLES, _ROWS, types.float64[:, ::1]))
def walk_symmetric(
    features: npt.NDArray[np.int32],
    borders: npt.NDArray[np.float32],
    first_leaf: npt.NDArray[np.int64],
    leaves: npt.NDArray[np.float64],
    scale: float,
    bias: npt.NDArray[np.float64],
    x: npt.NDArray[np.float32],
    out: npt.NDArray[np.float64],
) -> None:
    """The scores of each row by `SymmetricTrees`."""
    for i in range(x.shape[0]):
        _symmetric(features, borders, first_leaf, leaves, scale, bias, x[i], out[i])


@routine(types.void(types.Array(types.float32, 1, "C", readonly=True), types.float32[::1]))
def log_odds(p: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    """out = ln(p / (1 - p)) in float32, as XGBoost writes it."""
    for i in range(p.size):
        out[i] = -math.log(np.float32(1) / p[i] - np.float32(1))


ROUTINES = (walk_row, walk_rows, walk_symmetric_row, walk_symmetric, log_odds)
