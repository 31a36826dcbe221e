"""CatBoost's symmetric trees as tables, read from its JSON.

All splits of one level ask the same question, so that a row's leaf is the number whose bits are the answers. Features and
borders are compared as float32, as CatBoost does. Leaves are added up in float64 in the order of the trees; CatBoost adds
groups of trees, which differs in the last bit or two.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.models.boosting.flat_trees import FlatTrees, Grown
from barmill.models.contract import Float64Array

_DEEPEST: Final = 16  # CatBoost's own limit


@dataclass(frozen=True, slots=True, eq=False)
class SymmetricTrees:
    """A booster as tables.

    features, borders : (n_trees, n_levels), what is asked on each level and the border it must exceed; levels that a tree does not
        have ask for more than infinity, which nothing is
    first_leaf : (n_trees,), where each tree's leaves begin
    leaves : (n_leaves, n_scores)
    scale, bias : what the sum of the leaves is multiplied by, and what is then added to it, of shape (n_scores,)
    """

    n_features: int
    features: npt.NDArray[np.int32]
    borders: npt.NDArray[np.float32]
    first_leaf: npt.NDArray[np.int64]
    leaves: Float64Array
    scale: float
    bias: Float64Array

    @classmethod
    def read(cls, text: bytes) -> Self:
        """From CatBoost's JSON. Raises ValueError for a text that is none, or asks more than whether a number is above another."""
        try:
            return cls._of(json.loads(text))
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:  # what a value of another kind answers
            raise ValueError(f"no trees of CatBoost: {error!r}") from error

    @classmethod
    def _of(cls, content: Any) -> Self:
        scale, bias = content["scale_and_bias"]
        trees: list[Any] = content["oblivious_trees"]
        splits: list[list[Any]] = [tree["splits"] or [] for tree in trees]
        n_features = len(content["features_info"]["float_features"])
        shape = (len(trees), max((len(levels) for levels in splits), default=0))
        if not trees:
            raise ValueError("there are no trees")
        if content["features_info"].get("categorical_features") or shape[1] > _DEEPEST:
            raise ValueError(f"trees of {shape[1]} levels, or of categories")
        features, borders = np.zeros(shape, dtype=np.int32), np.full(shape, np.inf, dtype=np.float32)
        for row, levels in enumerate(splits):
            features[row, : len(levels)] = [level["float_feature_index"] for level in levels]
            borders[row, : len(levels)] = [level["border"] for level in levels]
        sizes = np.array([2 ** len(levels) for levels in splits], dtype=np.int64)
        told: list[list[float]] = [tree["leaf_values"] for tree in trees]
        leaves = np.array([value for values in told for value in values], dtype=np.float64).reshape(-1, len(bias))
        if [len(values) for values in told] != [size * len(bias) for size in sizes.tolist()]:
            raise ValueError("trees with more or fewer leaves than their levels lead to")
        if n_features < 1 or ((features < 0) | (features >= n_features)).any():
            raise ValueError(f"a tree asks for another feature than the {n_features}")
        if np.isnan(borders).any() or not (np.isfinite(leaves).all() and np.isfinite([scale, *bias]).all()):
            raise ValueError("a border, a leaf or the bias is not a number")
        return cls(n_features, features, borders, np.cumsum(sizes) - sizes, leaves, float(scale), np.array(bias, dtype=np.float64))

    @property
    def n_scores(self) -> int:
        """Raw scores of a row."""
        return self.bias.size

    def scores(self, x: npt.NDArray[np.float32]) -> Float64Array:
        """Raw scores of finite rows (n, n_features), shape (n,), or (n, n_scores) of several. A row's bits depend on that row alone."""
        from barmill.models.boosting._walking import walk_symmetric

        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise ShapeError("trees", f"rows of shape {x.shape}", expected=f"(n, {self.n_features})")
        out = np.empty((len(x), self.n_scores))
        walk_symmetric.compiled(*self._tables, np.ascontiguousarray(x, dtype=np.float32), out)
        return out[:, 0] if self.n_scores == 1 else out

    def bound(self, x: npt.NDArray[np.float32], out: Float64Array) -> Callable[[], None]:
        """As `FlatTrees.bound`."""
        from barmill.models.boosting._walking import walk_symmetric_row

        if x.shape != (self.n_features,) or out.shape != (self.n_scores,):
            raise ShapeError("trees", f"a row of {x.shape} for {out.shape} scores", expected=f"({self.n_features},) for ({self.n_scores},)")
        return partial(walk_symmetric_row.compiled, *self._tables, x, out)

    @property
    def _tables(self) -> tuple[Any, ...]:
        return self.features, self.borders, self.first_leaf, self.leaves, self.scale, self.bias

    def reached(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The leaf that each row reaches in each tree, counted within the tree, shape (n, n_trees)."""
        answers = rows[:, self.features] > self.borders
        return (answers * (np.int64(1) << np.arange(self.features.shape[1]))).sum(axis=2)

    def flat(self) -> FlatTrees:
        """The same trees with a node for each question, a tree for each score: what a graph needs. Sums may differ in the last bit."""
        sizes = np.diff(np.append(self.first_leaf, len(self.leaves)))
        whole = [self._nodes(tree, int(size).bit_length() - 1, score) for tree, size in enumerate(sizes) for score in range(self.n_scores)]
        n_nodes = np.array([feature.size for feature, *_ in whole])
        roots = np.cumsum(n_nodes) - n_nodes
        first = np.repeat(roots, n_nodes)
        feature, threshold, left, right, value = (np.concatenate(parts) for parts in zip(*whole, strict=True))
        return FlatTrees.pack(Grown(feature, threshold, left + first, right + first, value * self.scale, roots, self.bias, self.n_features))

    def _nodes(self, tree: int, n_levels: int, score: int) -> tuple[npt.NDArray[Any], ...]:
        """Feature, threshold, left, right and value of a tree's nodes, level by level; in each, by the answers before as a number."""
        level = np.repeat(np.arange(n_levels), 2 ** np.arange(n_levels))
        answers = np.arange(level.size) - (2**level - 1)
        n_leaves = 2**n_levels
        asks_nothing, no_child = np.full(n_leaves, -1), np.zeros(n_leaves, dtype=np.int64)
        left = 2 ** (level + 1) - 1 + answers
        first = int(self.first_leaf[tree])
        return (
            np.append(self.features[tree, level], asks_nothing).astype(np.int64),
            np.append(self.borders[tree, level], np.zeros(n_leaves, dtype=np.float32)),
            np.append(left, no_child),
            np.append(left + 2**level, no_child),
            np.append(np.zeros(level.size), self.leaves[first : first + n_leaves, score]),
        )


__all__ = ["SymmetricTrees"]
