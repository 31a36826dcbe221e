"""Read the trees out of XGBoost's own binary JSON.

XGBoost goes left where x < t in float32, and adds leaves in float32 to a margin that it makes of `base_score`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.boosting.flat_trees import FlatTrees, Grown, below
from barmill.models.boosting.ubjson import read_ubjson

_PROBABILITY = ("binary:logistic",)  # whose base score is a probability of the last class
_MARGIN = ("multi:softprob", "reg:squarederror", "reg:pseudohubererror")


def read_xgboost(content: bytes) -> FlatTrees:
    """The trees of a booster.

    Raises: ValueError for bytes that are none, or trees that ask more than whether a number is below another.
    """
    try:
        return FlatTrees.pack(_grown(read_ubjson(content)["learner"]))
    except (KeyError, IndexError, TypeError, AttributeError) as error:  # whatever a value of another kind than was expected answers
        raise ValueError(f"no trees of XGBoost: {error!r}") from error


def _grown(learner: Mapping[str, Any]) -> Grown:
    about, booster = learner["learner_model_param"], learner["gradient_booster"]
    if booster["name"] != "gbtree" or int(about["num_target"]) != 1:
        raise ValueError(f"a booster of '{booster['name']}' for {about['num_target']} targets")
    model = booster["model"]
    trees: Sequence[Mapping[str, Any]] = model["trees"]
    n_scores = max(1, int(about["num_class"]))
    if int(model["gbtree_model_param"]["num_parallel_tree"]) != 1 or list(model["tree_info"]) != [i % n_scores for i in range(len(trees))]:
        raise ValueError("trees that do not take turns")
    if not trees or n_scores > len(trees):
        raise ValueError(f"{len(trees)} trees of {n_scores} scores")
    sizes = np.array([_size(tree) for tree in trees])
    roots = np.cumsum(sizes) - sizes
    first = np.repeat(roots, sizes)
    left, right, feature = (_joined(trees, name, np.int64) for name in ("left_children", "right_children", "split_indices"))
    conditions = _joined(trees, "split_conditions", np.float32)
    if (feature < 0).any() or (left >= np.repeat(sizes, sizes)).any() or (right >= np.repeat(sizes, sizes)).any():
        raise ValueError("a tree whose branches lead nowhere")
    is_leaf = left < 0
    return Grown(
        feature=np.where(is_leaf, -1, feature),
        threshold=below(conditions),
        left=left + first,
        right=right + first,
        value=conditions,
        roots=roots,
        base=_margins(learner["objective"]["name"], about["base_score"], n_scores),
        n_features=int(about["num_feature"]),
    )


def _joined(trees: Sequence[Mapping[str, Any]], name: str, dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate([np.asarray(tree[name], dtype=dtype) for tree in trees])


def _size(tree: Mapping[str, Any]) -> int:
    """Nodes of a tree. Raises ValueError for one that asks for categories, gives vectors, or has lost nodes."""
    size = len(tree["left_children"])
    told = tree["tree_param"]
    if int(told["size_leaf_vector"]) > 1 or int(told["num_deleted"]) != 0 or np.any(tree["split_type"]) or len(tree["categories"]):
        raise ValueError("a tree asks for categories, gives several scores, or has lost nodes")
    if size < 1 or any(len(tree[name]) != size for name in ("right_children", "split_conditions", "split_indices")):
        raise ValueError("a tree whose nodes are not all told")
    return size


def _margins(objective: str, told: str, n_scores: int) -> npt.NDArray[np.float32]:
    """Where sums begin, from the text of the base score: one number, or one a score."""
    base = np.array([float(number) for number in told.strip("[]").split(",")], dtype=np.float32)
    if base.size not in (1, n_scores):
        raise ValueError(f"{base.size} base scores of {n_scores} scores")
    if objective in _PROBABILITY:
        base = _margin_of(base)
    elif objective not in _MARGIN:
        raise ValueError(f"a booster of '{objective}'")
    if not np.isfinite(base).all():
        raise ValueError(f"a base score of {told}")
    return np.resize(base, n_scores)


def _margin_of(p: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Log-odds in float32 by the C library's own logarithm, as XGBoost has them: NumPy's and a rounded float64 differ in the last bit."""
    from barmill.models.boosting._walking import log_odds

    if not ((p > 0) & (p < 1)).all():
        raise ValueError(f"a base score of {p.tolist()} is no probability")
    margin = np.empty_like(p)
    log_odds.compiled(p, margin)
    return margin


__all__ = ["read_xgboost"]
