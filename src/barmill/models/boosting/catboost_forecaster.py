"""Forecast with CatBoost's symmetric trees: NumPy and nothing else.

All splits of one level ask the same question, so that a row's leaf is the number whose bits are the answers. Features and
borders are compared as float32, as CatBoost does. Leaves are added up in float64 in the order of the trees; CatBoost adds
groups of trees, which differs in the last bit or two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from barmill.models.admission import ROWS_AT_ONCE, check_finite, check_view
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.views import FeatureMatrix

ANSWERS_AT_ONCE = 2**20  # rows times trees times levels: what a core's cache holds
PLACE = "model 'catboost'"


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
    features: npt.NDArray[np.int64]
    borders: npt.NDArray[np.float32]
    first_leaf: npt.NDArray[np.int64]
    leaves: Float64Array
    scale: float
    bias: Float64Array

    @classmethod
    def read(cls, text: bytes) -> Self:
        """From CatBoost's JSON."""
        content: Any = json.loads(text)
        scale, bias = content["scale_and_bias"]
        trees: list[Any] = content["oblivious_trees"]
        splits: list[list[Any]] = [tree["splits"] or [] for tree in trees]
        shape = (len(trees), max((len(levels) for levels in splits), default=0))
        features, borders = np.zeros(shape, dtype=np.int64), np.full(shape, np.inf, dtype=np.float32)
        for row, levels in enumerate(splits):
            features[row, : len(levels)] = [level["float_feature_index"] for level in levels]
            borders[row, : len(levels)] = [level["border"] for level in levels]
        sizes = np.array([2 ** len(levels) for levels in splits], dtype=np.int64)
        leaves = np.array([value for tree in trees for value in tree["leaf_values"]], dtype=np.float64).reshape(-1, len(bias))
        n_features = len(content["features_info"]["float_features"])
        return cls(n_features, features, borders, np.cumsum(sizes) - sizes, leaves, float(scale), np.array(bias, dtype=np.float64))

    def scores(self, rows: npt.NDArray[np.float32]) -> Float64Array:
        """Raw scores, shape (n, n_scores)."""
        scores = np.empty((len(rows), self.bias.size))
        part = max(1, ANSWERS_AT_ONCE // max(1, self.features.size))
        for start in range(0, len(rows), part):
            leaf = self.reached(rows[start : start + part]) + self.first_leaf
            # A running sum adds in the order of the trees, which a sum over the same numbers need not.
            running = np.add.accumulate(self.leaves[leaf], axis=1)
            scores[start : start + part] = self.scale * (running[:, -1] if running.shape[1] else 0.0) + self.bias
        return scores

    def reached(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The leaf that each row reaches in each tree, counted within the tree, shape (n, n_trees)."""
        answers = rows[:, self.features] > self.borders
        return (answers * (np.int64(1) << np.arange(self.features.shape[1]))).sum(axis=2)


class CatBoostForecaster:
    """Raw scores of CatBoost boosters. A row's bits do not depend on its neighbours."""

    def __init__(self, up: SymmetricTrees, returns: SymmetricTrees | None) -> None:
        self._up, self._returns = up, returns

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from the bytes of `p_up.json` and, where there is one, `E_r.json`."""
        returns = files.get("E_r.json")
        return cls(SymmetricTrees.read(files["p_up.json"]), None if returns is None else SymmetricTrees.read(returns))

    def raw(self, view: View) -> RawForecast:
        """Log-odds of up (n,), or three scores a row (n, 3); and the expected z, where it was learned."""
        check_view(PLACE, view, "feature_matrix", self._up.n_features)
        assert isinstance(view, FeatureMatrix)
        logits = np.empty((len(view), self._up.bias.size))
        expected = None if self._returns is None else np.empty(len(view))
        for start in range(0, len(view), ROWS_AT_ONCE):
            rows = view.base[view.rows[start : start + ROWS_AT_ONCE]]
            check_finite(PLACE, rows, start)
            logits[start : start + ROWS_AT_ONCE] = self._up.scores(rows)
            if expected is not None and self._returns is not None:
                expected[start : start + ROWS_AT_ONCE] = self._returns.scores(rows)[:, 0]
        return RawForecast(logits[:, 0] if logits.shape[1] == 1 else logits, expected)


__all__ = ["CatBoostForecaster", "SymmetricTrees"]
