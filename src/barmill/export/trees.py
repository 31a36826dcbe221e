"""Boosted trees as nodes of a graph.

A TreeEnsembleRegressor compares float32 with float32, which the flat trees' thresholds are made for, and adds leaves in float32 in an order
of its own, which would lose what the library kept. So a leaf is written as whole numbers of steps: of a coarse step, and of a fine one
for what the coarse one leaves. Their sums stay below 2**24, where float32 counts without loss and in any order. What the steps add up to
is put together in float64, so that a row's score has the same bits on every engine, alone or in a batch.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.export.columns import add_chain
from barmill.export.graph import GraphBuilder, Value
from barmill.models.boosting.flat_trees import FlatTrees

_ENOUGH = 1e-7  # the most that steps may leave of a score, in its own unit
_COUNTED = 23  # float32 counts to 2**24; half of it is left to rounding


def add_trees(graph: GraphBuilder, trees: FlatTrees, x: Value) -> Value:
    """Raw scores of a booster.

    Parameters
    ----------
    x : (batch, n_features) float32, finite

    Returns
    -------
    float64 (batch,), or (batch, n_scores) of several. Within 1e-7 of the sum of the leaves, which is what LightGBM and CatBoost say;
    XGBoost rounds to float32 after each tree.
    """
    table = _Table.of(trees)
    steps = _steps(table)
    n_scores, n_steps = trees.n_scores, len(steps)
    counted = graph.op(
        "TreeEnsembleRegressor",
        x,
        domain="ai.onnx.ml",
        nodes_treeids=table.tree,
        nodes_nodeids=table.node,
        nodes_featureids=np.where(table.is_leaf, 0, table.feature),
        nodes_values=np.where(table.is_leaf, 0, table.threshold),
        nodes_modes=np.where(table.is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_truenodeids=np.where(table.is_leaf, 0, table.left),
        nodes_falsenodeids=np.where(table.is_leaf, 0, table.left + 1),
        target_treeids=np.repeat(table.tree[table.is_leaf], n_steps),
        target_nodeids=np.repeat(table.node[table.is_leaf], n_steps),
        target_ids=(table.score[table.is_leaf][:, None] + n_scores * np.arange(n_steps)).ravel(),
        target_weights=np.stack([count for _, count in steps], axis=1).ravel().astype(np.float32),
        n_targets=n_scores * n_steps,
    )
    sums = graph.cast(counted, np.float64)
    parts = [graph.constant(trees.base.astype(np.float64) if n_scores > 1 else float(trees.base[0]))]
    for level, (step, _) in reversed(list(enumerate(steps))):
        first = level * n_scores
        own = graph.op("Gather", sums, graph.constant(np.arange(first, first + n_scores) if n_scores > 1 else first, np.int64), axis=1)
        parts.append(graph.op("Mul", own, graph.constant(step)))
    return add_chain(graph, "Add", parts)


class _Table(NamedTuple):
    """Every node of every tree; `node` and `left` count from the tree's first node."""

    tree: npt.NDArray[np.int64]
    node: npt.NDArray[np.int64]
    score: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    is_leaf: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, trees: FlatTrees) -> "_Table":
        each = list(trees.trees())
        sizes = [tree.feature.size for tree in each]
        feature = np.concatenate([tree.feature for tree in each])
        return cls(
            tree=np.repeat(np.arange(len(each)), sizes),
            node=np.concatenate([np.arange(size) for size in sizes]),
            score=np.repeat([tree.score for tree in each], sizes),
            feature=feature,
            threshold=np.concatenate([tree.threshold for tree in each]),
            left=np.concatenate([tree.left for tree in each]),
            value=np.concatenate([tree.value for tree in each]).astype(np.float64),
            is_leaf=feature < 0,
        )


def _steps(table: _Table) -> list[tuple[float, npt.NDArray[np.float64]]]:
    """Steps, each a power of 2, the coarsest first, and how many of each a leaf is: as many steps as it takes to leave `_ENOUGH`."""
    tree, left = table.tree[table.is_leaf], table.value[table.is_leaf]
    score_of = table.score[table.node == 0]
    found: list[tuple[float, npt.NDArray[np.float64]]] = []
    while True:
        most = np.zeros(score_of.size)
        np.maximum.at(most, tree, np.abs(left))
        total = float(np.bincount(score_of, most).max())
        if found and total <= _ENOUGH:
            return found
        step = 2.0 ** (math.frexp(total)[1] - _COUNTED)
        count = np.rint(left / step)
        found.append((step, count))
        left = left - count * step


__all__ = ["add_trees"]
