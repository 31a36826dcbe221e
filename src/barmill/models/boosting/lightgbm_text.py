"""Read the trees out of LightGBM's own text.

LightGBM takes an input of at most `_ZERO` in size for 0 before it compares (`LightGBM::kZeroThreshold`), and adds leaves in float64.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.models.boosting.flat_trees import FlatTrees, Float32Array, Grown, IntArray, at_most
from barmill.models.contract import Float64Array

_ZERO = np.float32(1e-35)
_DEFAULT_LEFT = 2  # the only bit of a decision that may be set: it tells where a missing number goes, and none is missing here


def read_lightgbm(text: bytes) -> FlatTrees:
    """The trees of a booster.

    Raises: ValueError for a text that is none, or trees that ask more than whether a number is above another.
    """
    try:
        head, *blocks = text.decode().split("\n\nend of trees")[0].split("\n\nTree=")
        header = _fields(head)
        if not head.startswith("tree\n") or header["version"] != "v4" or not blocks or "average_output" in head:
            raise ValueError("no trees of LightGBM's format v4 whose leaves are added up")
        n_features, n_scores = int(header["max_feature_idx"]) + 1, int(header["num_tree_per_iteration"])
        trees = [_Tree.read(_fields(block)) for block in blocks]
    except KeyError as error:
        raise ValueError(f"there is no {error.args[0]}") from error
    if n_features < 1 or not 1 <= n_scores <= len(trees):
        raise ValueError(f"{len(trees)} trees of {n_scores} scores on {n_features} features")
    sizes = np.array([tree.feature.size for tree in trees])
    roots = np.cumsum(sizes) - sizes
    first = np.repeat(roots, sizes)
    grown = Grown(
        feature=np.concatenate([tree.feature for tree in trees]),
        threshold=_asked(np.concatenate([tree.threshold for tree in trees])),
        left=np.concatenate([tree.left for tree in trees]) + first,
        right=np.concatenate([tree.right for tree in trees]) + first,
        value=np.concatenate([tree.value for tree in trees]),
        roots=roots,
        base=np.zeros(n_scores),
        n_features=n_features,
    )
    return FlatTrees.pack(grown)


class _Tree(NamedTuple):
    """One tree: its questions, then its leaves."""

    feature: IntArray
    threshold: Float64Array
    left: IntArray
    right: IntArray
    value: Float64Array

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "_Tree":
        n_leaves = int(fields["num_leaves"])
        n_splits = n_leaves - 1
        feature, decision = _numbers(fields, "split_feature", n_splits, np.int64), _numbers(fields, "decision_type", n_splits, np.int64)
        threshold, value = _numbers(fields, "threshold", n_splits, np.float64), _numbers(fields, "leaf_value", n_leaves, np.float64)
        if fields["num_cat"] != "0" or fields.get("is_linear", "0") != "0" or (decision & ~_DEFAULT_LEFT).any():
            raise ValueError("a tree asks for categories or missing numbers, or has lines for leaves")
        if (feature < 0).any():
            raise ValueError(f"a tree asks for feature {int(feature.min())}")
        sides = [_numbers(fields, side, n_splits, np.int64) for side in ("left_child", "right_child")]
        if any(((side < -n_leaves) | (side >= n_splits)).any() for side in sides):
            raise ValueError("a tree whose branches lead nowhere")
        left, right = (np.append(np.where(side < 0, n_splits + ~side, side), np.zeros(n_leaves, np.int64)) for side in sides)
        return cls(
            feature=np.append(feature, np.full(n_leaves, -1)),
            threshold=np.append(threshold, np.full(n_leaves, np.inf)),
            left=left,
            right=right,
            value=np.append(np.zeros(n_splits), value),
        )


def _asked(threshold: Float64Array) -> Float32Array:
    """What x itself is compared with, where LightGBM compares it after small numbers have become 0."""
    asked = at_most(threshold)
    asked[(threshold >= 0) & (threshold < _ZERO)] = _ZERO
    asked[(threshold < 0) & (threshold >= -_ZERO)] = np.nextafter(-_ZERO, np.float32(-np.inf))
    return asked


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _numbers(fields: Mapping[str, str], name: str, count: int, dtype: Any) -> npt.NDArray[Any]:
    try:
        found = np.array(fields[name].split() if count else [], dtype=dtype)
    except OverflowError as error:
        raise ValueError(f"{name} holds a number that is too large") from error
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ValueError(f"{name} holds {found.size} numbers, not {count} finite ones")
    return found


__all__ = ["read_lightgbm"]
