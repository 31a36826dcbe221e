"""Boosted trees as nodes of a graph, whose scores are the library's to the bit.

A TreeEnsembleRegressor compares float32 with float32, which the flat trees' thresholds are made for. Leaves it would round to float32 and
add in an order of its own; so it only says which leaf each tree leads to, by a number that float32 holds exactly. The leaves themselves
come out of a table in the type in which the library adds them, and a running sum adds them in the order of the trees.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import SchemaError
from barmill.export.graph import GraphBuilder, Value
from barmill.models.boosting.flat_trees import FlatTrees

_COUNTED = 2**24  # up to here float32 holds every whole number


def add_trees(graph: GraphBuilder, trees: FlatTrees, x: Value) -> Value:
    """Raw scores of a booster: those of `FlatTrees.scores` to the bit, where the engine's running sum goes from first to last.

    A row takes 24 bytes a tree while it is computed: 12 KB for 500 trees.

    Parameters
    ----------
    x : (batch, n_features) float32, finite

    Returns
    -------
    float64 (batch,), or (batch, n_scores) of several

    Raises: SchemaError for trees of more than 2**24 leaves.
    """
    table = _Table.of(trees)
    is_leaf, n_sums = table.feature < 0, int(table.tree[-1]) + 1
    if np.count_nonzero(is_leaf) > _COUNTED:
        raise SchemaError(
            "trees", f"{np.count_nonzero(is_leaf)} leaves", expected=f"at most {_COUNTED}", mend="Grow fewer or smaller ones."
        )
    reached = graph.op(
        "TreeEnsembleRegressor",
        x,
        domain="ai.onnx.ml",
        nodes_treeids=table.tree,
        nodes_nodeids=table.node,
        nodes_featureids=np.where(is_leaf, 0, table.feature),
        nodes_values=np.where(is_leaf, 0, table.threshold),
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_truenodeids=np.where(is_leaf, 0, table.left),
        nodes_falsenodeids=np.where(is_leaf, 0, table.left + 1),
        target_treeids=table.tree[is_leaf],
        target_nodeids=table.node[is_leaf],
        target_ids=table.tree[is_leaf],
        target_weights=np.arange(np.count_nonzero(is_leaf), dtype=np.float32),
        n_targets=n_sums,
    )
    leaves = graph.op("Gather", graph.constant(table.value[is_leaf]), graph.cast(reached, np.int32))
    if trees.n_scores > 1:
        leaves = graph.op("Reshape", leaves, graph.constant([-1, n_sums // trees.n_scores, trees.n_scores], np.int64))
    sums = graph.op("CumSum", leaves, graph.constant(1, np.int64))
    total = graph.op("Gather", sums, graph.constant(-1, np.int64), axis=1)
    return total if trees.values.dtype == np.float64 else graph.cast(total, np.float64)


class _Table(NamedTuple):
    """Every node of every tree, before them a leaf for each score: where its sum begins. `node` and `left` count within the tree."""

    tree: npt.NDArray[np.int64]
    node: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64] | npt.NDArray[np.float32]

    @classmethod
    def of(cls, trees: FlatTrees) -> "_Table":
        each, base = list(trees.trees()), np.zeros(trees.n_scores, dtype=np.int64)
        sizes = np.array([*(base + 1), *(tree.feature.size for tree in each)])
        return cls(
            tree=np.repeat(np.arange(sizes.size), sizes),
            node=np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes),
            feature=np.concatenate([base - 1, *(tree.feature for tree in each)]),
            threshold=np.concatenate([base.astype(np.float32), *(tree.threshold for tree in each)]),
            left=np.concatenate([base, *(tree.left for tree in each)]),
            value=np.concatenate([trees.base, *(tree.value for tree in each)]),
        )


__all__ = ["add_trees"]
