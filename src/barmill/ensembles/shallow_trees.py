"""Boosted trees of numbers, walked with NumPy alone: all trees at once, a level at a time.

LightGBM's own call takes 20 us to begin, which is most of what a few shallow trees cost at one row, and its package brings SciPy along.
Scores are LightGBM's to the bit: leaves are added up in the order of the trees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Float64Array

IntArray = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 256  # whose nodes fit a processor's own memory
_DEFAULT_LEFT = 2  # the only bit of a decision that may be set: it tells where a missing number goes, and none is missing here


@dataclass(frozen=True, slots=True, eq=False)
class ShallowTrees:
    """The trees of one or more boosters, whose nodes lie side by side. A leaf is a node whose children are itself.

    feature : int64 of shape (n_nodes,), the column that a node asks; threshold : float64, above which it goes right
    children : int64 of shape (2 n_nodes,), of each node the left one and the right one; value : float64 of shape (n_nodes,), of leaves
    roots : int64 of shape (n_trees,), booster after booster; where a booster has several scores its trees take turns
    n_trees, n_scores : of each booster
    depth : int, questions to the farthest leaf; n_features : int
    """

    feature: IntArray
    threshold: Float64Array
    children: IntArray
    value: Float64Array
    roots: IntArray
    n_trees: tuple[int, ...]
    n_scores: tuple[int, ...]
    depth: int
    n_features: int

    def apply(self, x: Float64Array) -> list[Float64Array]:
        """Scores of rows (n, n_features) by each booster, float64 (n,), or (n, n_scores) of several.

        A row's result depends on that row alone.
        """
        if len(x) <= _ROWS_AT_ONCE:
            return self._scores(x)
        parts = [self._scores(x[start : start + _ROWS_AT_ONCE]) for start in range(0, len(x), _ROWS_AT_ONCE)]
        return [np.concatenate(scores) for scores in zip(*parts, strict=True)]

    def _scores(self, x: Float64Array) -> list[Float64Array]:
        values, first = x.ravel(), np.arange(0, x.size, self.n_features)[:, None]
        node = self.roots[None]
        for _ in range(self.depth):
            right = values.take(self.feature.take(node) + first) > self.threshold.take(node)
            node = self.children.take(node + node + right)
        leaves = self.value.take(node) if self.depth else np.tile(self.value.take(node), (len(x), 1))
        found: list[Float64Array] = []
        first = 0
        for n_trees, n_scores in zip(self.n_trees, self.n_scores, strict=True):
            own = leaves[:, first : first + n_trees]
            if n_scores == 1:
                found.append(np.add.accumulate(own, axis=1)[:, -1])
            else:
                found.append(np.add.accumulate(own.reshape(len(x), -1, n_scores), axis=1)[:, -1])
            first += n_trees
        return found


def read_lightgbm(texts: Sequence[str]) -> ShallowTrees:
    """The trees of LightGBM boosters that see the same columns, from the boosters' own text.

    Raises: ValueError or KeyError for a text that is none, or trees that ask more than whether a number is above another.
    """
    boosters = [_Booster.read(text) for text in texts]
    trees = [tree for booster in boosters for tree in booster.trees]
    n_features = boosters[0].n_features
    if any(booster.n_features != n_features for booster in boosters):
        raise ValueError(f"boosters of {[booster.n_features for booster in boosters]} columns")
    roots = np.cumsum([0, *(tree.value.size for tree in trees)])[:-1]
    return ShallowTrees(
        feature=np.concatenate([tree.feature for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        children=np.concatenate([(tree.children + root).T.ravel() for tree, root in zip(trees, roots, strict=True)]),
        value=np.concatenate([tree.value for tree in trees]),
        roots=roots,
        n_trees=tuple(len(booster.trees) for booster in boosters),
        n_scores=tuple(booster.n_scores for booster in boosters),
        depth=max(tree.depth for tree in trees),
        n_features=n_features,
    )


class _Booster(NamedTuple):
    trees: "list[_Tree]"
    n_features: int
    n_scores: int

    @classmethod
    def read(cls, text: str) -> "_Booster":
        head, *blocks = text.split("\n\nend of trees")[0].split("\n\nTree=")
        header = _fields(head.splitlines())
        if not head.startswith("tree\n") or header["version"] != "v4" or not blocks:
            raise ValueError("no trees of LightGBM's format v4")
        n_features, n_scores = int(header["max_feature_idx"]) + 1, int(header["num_tree_per_iteration"])
        if n_scores < 1 or len(blocks) % n_scores:
            raise ValueError(f"{len(blocks)} trees of {n_scores} scores")
        return cls([_Tree.read(_fields(block.splitlines()[1:]), n_features) for block in blocks], n_features, n_scores)


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """One tree: its questions, then its leaves, as nodes. children : int64 of shape (2, n_nodes)."""

    feature: IntArray
    threshold: Float64Array
    children: IntArray
    value: Float64Array
    depth: int

    @classmethod
    def read(cls, fields: Mapping[str, str], n_features: int) -> "_Tree":
        n_leaves = int(fields["num_leaves"])
        n_splits = n_leaves - 1
        feature, threshold = _numbers(fields, "split_feature", n_splits, np.int64), _numbers(fields, "threshold", n_splits, np.float64)
        decision = _numbers(fields, "decision_type", n_splits, np.int64)
        if fields["num_cat"] != "0" or fields.get("is_linear", "0") != "0" or (decision & ~_DEFAULT_LEFT).any():
            raise ValueError("a tree asks for categories or missing numbers, or has lines for leaves")
        if ((feature < 0) | (feature >= n_features)).any():
            raise ValueError(f"a tree asks a column beyond {n_features}")
        given = np.array([_numbers(fields, side, n_splits, np.int64) for side in ("left_child", "right_child")]).reshape(2, n_splits)
        sides = np.where(given < 0, n_splits + ~given, given)  # -1 is the first leaf
        leaves = np.arange(n_splits, n_splits + n_leaves)
        if sorted(sides.ravel().tolist()) != list(range(1, n_splits + n_leaves)) or (sides <= np.arange(n_splits)).any():
            raise ValueError("a tree whose branches do not lead to its leaves")
        value = _numbers(fields, "leaf_value", n_leaves, np.float64)
        return cls(
            feature=np.concatenate([feature, np.zeros(n_leaves, np.int64)]),
            threshold=np.concatenate([threshold, np.full(n_leaves, np.inf)]),
            children=np.concatenate([sides, [leaves, leaves]], axis=1),
            value=np.concatenate([np.zeros(n_splits), value]),
            depth=_depth(sides),
        )


def _depth(sides: IntArray) -> int:
    """Questions from the root to the farthest leaf; a child stands after its parent."""
    depth = [0] * (sides.size + 1)
    for node, children in enumerate(sides.T.tolist()):
        for child in children:
            depth[child] = depth[node] + 1
    return max(depth)


def _fields(lines: list[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _numbers(fields: Mapping[str, str], name: str, count: int, dtype: Any) -> npt.NDArray[Any]:
    found = np.array(fields[name].split() if count else [], dtype=dtype)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ValueError(f"{name} holds {found.size} numbers, not {count} finite ones")
    return found


__all__ = ["ShallowTrees", "read_lightgbm"]
