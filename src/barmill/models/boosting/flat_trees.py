"""Boosted trees as flat arrays, walked by a compiled kernel: the scores of the library that grew them, to the bit.

Every library asks the same question in words of its own. LightGBM goes left where x <= t for a t in float64, XGBoost where x < t,
CatBoost right where x > t. Inputs are float32, so each of them is x <= f for one f in float32: t rounded *down*, or the number before t.
Rounded to the nearest, f could lie above t, and a row between them would go the other way.

Missing values are not let in (`check_finite` of every forecaster), so which way they would go is not kept.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.models.contract import Float64Array

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

NODE = np.dtype([("threshold", np.float32), ("link", np.uint32)])
_LINK_BITS = 32
_LANES = 8  # trees or rows that are walked side by side


class Columns(Protocol):
    """What sees rows of so many columns."""

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        ...


class Grown(NamedTuple):
    """Trees as a library's file has them, node by node, tree after tree.

    feature : (n_nodes,), what a node asks for; -1 for a leaf
    threshold : (n_nodes,), float32, of a leaf anything; a row goes left where x <= threshold
    left, right : (n_nodes,), the children of a node that asks, counted from the first node of all
    value : (n_nodes,), of leaves; its type, float64 or float32, is that in which the library adds them up
    roots : (n_trees,), the first node of each tree; where there are several scores their trees take turns
    base : (n_scores,), where the sums begin, of the type of `value`
    n_features : int
    """

    feature: IntArray
    threshold: Float32Array
    left: IntArray
    right: IntArray
    value: npt.NDArray[Any]
    roots: IntArray
    base: npt.NDArray[Any]
    n_features: int


class Tree(NamedTuple):
    """One tree of `FlatTrees`, breadth first: `feature` is -1 for a leaf, whose `value` counts; children stand side by side."""

    feature: IntArray
    threshold: Float32Array
    left: IntArray
    value: npt.NDArray[Any]
    score: int


@dataclass(frozen=True, slots=True, eq=False)
class FlatTrees:
    """A booster as tables, written by `pack`.

    nodes : (n_nodes,), records of `threshold` float32 and `link` uint32, each tree breadth first. The low `bits` of a link are the
        feature, the others how far behind the node its left child stands; the right one is the next. A leaf's is 0, above +inf
    values : (n_nodes,), of leaves, float64 or float32, in which they are added up
    roots, depths : (n_scores, n_rounds), where each tree begins and how many questions lead to its farthest leaf; n_rounds is a multiple
        of eight, filled up with leaves of -0, which changes no sum's bits
    base : (n_scores,), where the sums begin
    n_features, n_rounds : int; n_rounds without the filling
    """

    nodes: npt.NDArray[Any]
    values: npt.NDArray[Any]
    bits: int
    roots: IntArray
    depths: IntArray
    base: npt.NDArray[Any]
    n_features: int
    n_rounds: int

    @classmethod
    def pack(cls, grown: Grown) -> Self:
        """Lay out the trees of a file. Raises ValueError where its arrays are no trees, or ask for features that there are not."""
        n_scores = grown.base.size
        if grown.roots.size == 0 or grown.roots.size % n_scores:
            raise ValueError(f"{grown.roots.size} trees of {n_scores} scores")
        bits = max(1, int(grown.n_features - 1).bit_length())
        laid = _breadth_first(grown)
        feature = grown.feature[laid.node]
        asks = feature >= 0
        if (feature >= grown.n_features).any():
            raise ValueError(f"a tree asks for feature {int(feature.max())} of {grown.n_features}")
        if laid.behind.max() >= 1 << (_LINK_BITS - bits):
            raise ValueError(f"a tree of {int(laid.behind.max())} leaves on {grown.n_features} features")
        if np.isnan(grown.threshold[laid.node][asks]).any() or not np.isfinite(grown.value[laid.node][~asks]).all():
            raise ValueError("a threshold or a leaf is not a number")
        nodes = np.zeros(feature.size + 1, dtype=NODE)
        nodes["threshold"] = np.inf
        nodes["threshold"][:-1][asks] = grown.threshold[laid.node][asks]
        nodes["link"][:-1] = np.where(asks, laid.behind << bits | feature, 0)
        values = np.append(np.where(asks, 0, grown.value[laid.node]), -0.0).astype(grown.value.dtype)
        n_rounds = grown.roots.size // n_scores
        padded = n_rounds + -n_rounds % _LANES
        roots, depths = np.full((n_scores, padded), feature.size, dtype=np.int64), np.zeros((n_scores, padded), dtype=np.int64)
        roots[:, :n_rounds], depths[:, :n_rounds] = laid.roots.reshape(-1, n_scores).T, laid.depths.reshape(-1, n_scores).T
        return cls(nodes, values, bits, roots, depths, grown.base, grown.n_features, n_rounds)

    @property
    def n_scores(self) -> int:
        """Raw scores of a row."""
        return self.base.size

    def scores(self, x: Float32Array) -> Float64Array:
        """Raw scores of finite rows (n, n_features), shape (n,), or (n, n_scores) of several. A row's bits depend on that row alone."""
        from barmill.models.boosting._walking import walk_rows

        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise ShapeError("trees", f"rows of shape {x.shape}", expected=f"(n, {self.n_features})")
        out = np.empty((len(x), self.n_scores))
        x = np.ascontiguousarray(x, dtype=np.float32)
        whole = len(x) - len(x) % _LANES
        if whole:
            totals = np.repeat(self.base[:, None], whole, axis=1)
            walk_rows.compiled(self.nodes, self.values, self.bits, self.roots, self.depths, x[:whole], totals)
            out[:whole] = totals.T
        for i in range(whole, len(x)):
            self.bound(x[i], out[i])()
        return out[:, 0] if self.n_scores == 1 else out

    def bound(self, x: Float32Array, out: Float64Array) -> Callable[[], None]:
        """A call that writes to `out` (n_scores,) the raw scores of the finite row then in `x` (n_features,), and makes no array."""
        from barmill.models.boosting._walking import walk_row

        if x.shape != (self.n_features,) or out.shape != (self.n_scores,):
            raise ShapeError("trees", f"a row of {x.shape} for {out.shape} scores", expected=f"({self.n_features},) for ({self.n_scores},)")
        return partial(walk_row.compiled, self.nodes, self.values, self.bits, self.roots, self.depths, self.base, x, out)

    def trees(self) -> Iterator[Tree]:
        """Each tree by itself, in the order in which they are added up."""
        ends = np.append(np.sort(self.roots[:, : self.n_rounds], axis=None), len(self.nodes) - 1)
        for number in range(self.n_rounds):
            for score in range(self.n_scores):
                root = int(self.roots[score, number])
                part = slice(root, int(ends[np.searchsorted(ends, root) + 1]))
                link = self.nodes["link"][part].astype(np.int64)
                behind = link >> self.bits
                feature = np.where(behind > 0, link & ((1 << self.bits) - 1), -1)
                yield Tree(feature, self.nodes["threshold"][part], np.arange(link.size) + behind, self.values[part], score)


def check_alike(trees: Iterable[Columns]) -> None:
    """Raise ValueError where boosters that are asked about the same rows see another number of features, which no call could tell."""
    numbers = sorted({one.n_features for one in trees})
    if len(numbers) > 1:
        raise ValueError(f"boosters of {' and '.join(map(str, numbers))} features")


def at_most(threshold: Float64Array) -> Float32Array:
    """The float32 f of each t in float64 for which x <= f is x <= t, whatever float32 x is: t rounded down."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, below(nearest), nearest)


def below(threshold: Float32Array) -> Float32Array:
    """The float32 f of each float32 t for which x <= f is x < t: the number before it, which for both zeros is the one below 0."""
    with np.errstate(over="ignore"):
        return np.nextafter(threshold, np.float32(-np.inf))


class _Laid(NamedTuple):
    node: IntArray
    behind: IntArray
    roots: IntArray
    depths: IntArray


def _breadth_first(grown: Grown) -> _Laid:
    """The order in which nodes are laid out, and how far behind each its left child comes to stand (0 for leaves).

    All trees are followed at once, level by level. Each node is reached once, which is what makes them trees: it also ends the walk.
    """
    n_nodes = grown.feature.size
    tree, node = np.arange(grown.roots.size), grown.roots
    trees, nodes, depths = [tree], [node], np.zeros(tree.size, dtype=np.int64)
    first_child = [np.full(0, -1, dtype=np.int64)]
    seen, depth = 0, 0
    while node.size:
        if ((node < 0) | (node >= n_nodes)).any():
            raise ValueError("a tree whose branches lead nowhere")
        seen += node.size
        if seen > n_nodes:
            raise ValueError("a tree whose branches meet again")
        depths[tree] = depth
        asks = grown.feature[node] >= 0
        place = np.full(node.size, -1, dtype=np.int64)
        place[asks] = seen + 2 * np.arange(np.count_nonzero(asks))
        first_child.append(place)
        parents = node[asks]
        tree = np.repeat(tree[asks], 2)
        node = np.stack([grown.left[parents], grown.right[parents]], axis=1).ravel()
        depth += 1
        trees.append(tree)
        nodes.append(node)
    order = np.argsort(np.concatenate(trees), kind="stable")
    found = np.concatenate(nodes)
    if seen != n_nodes or (np.bincount(found, minlength=n_nodes) != 1).any():
        raise ValueError("a tree whose branches do not lead to each of its leaves once")
    stands = np.empty(n_nodes, dtype=np.int64)
    stands[order] = np.arange(n_nodes)
    child = np.concatenate(first_child)
    behind = np.where(child >= 0, stands[child] - stands, 0)
    return _Laid(found[order], behind[order], stands[: grown.roots.size], depths)


__all__ = ["NODE", "FlatTrees", "Grown", "Tree", "at_most", "below", "check_alike"]
