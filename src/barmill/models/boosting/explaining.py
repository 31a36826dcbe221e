"""What boosted trees look at: gains, exact SHAP values, and how the trees are built.

Gains say what a feature was worth to the fit on the rows that it learned from; SHAP values say what it adds to a forecast, on rows
that it did not learn from. Where the two disagree about a feature, the trees have memorised by it.
Source: Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees, Nature Machine
Intelligence 2, algorithm 2 (path-dependent): the libraries' own exact implementations.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import xgboost as xgb

from barmill.models.contract import FitContext, Float64Array
from barmill.models.explaining import RETURNS, ROWS, evenly, explained_of, explanation_of, output_explained, rounded, shares_of
from barmill.views import FeatureMatrix

Float32Array = npt.NDArray[np.float32]
METHOD = "tree_shap"
BASELINE = "the mean of what the trees say on the rows that they learned from"


@dataclass(frozen=True, slots=True)
class Trees:
    """A booster as explanations see it.

    contributions : from rows (n, n_features) to SHAP values (n, n_scores, n_features + 1), the last of each row being its base
    scores : from rows to raw scores (n, n_scores)
    gains : (n_features,), summed over all splits by a feature
    leaves : for each tree, the depth of each of its leaves; a tree without a split has one of depth 0
    """

    contributions: Callable[[Float32Array], Float64Array]
    scores: Callable[[Float32Array], Float64Array]
    gains: Float64Array
    leaves: tuple[tuple[int, ...], ...]


def explain_trees(boosters: Mapping[str, Trees], context: FitContext, explains: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The explanation of a model of one booster for each output; {} where the context asks for none.

    explains : what the contributions to an output add up to, in words, for outputs that are no direction
    """
    if context.explain is None:
        return {}
    view = evenly(context.explain, ROWS)
    assert isinstance(view, FeatureMatrix)
    rows = view.values
    words = {"p_up": explained_of(context.n_classes), "E_r": RETURNS} | dict(explains or {})
    outputs = {output: _explained(trees, rows, context.feature_names, words[output]) for output, trees in boosters.items()}
    return explanation_of(len(rows), outputs)


def trees_health(trees: Trees) -> dict[str, float]:
    """Figures of a booster's build: trees after early stopping, leaves and their depth, share of features used."""
    depths = np.array([depth for tree in trees.leaves for depth in tree], dtype=np.float64)
    return {
        "trees": len(trees.leaves),
        "leaves_per_tree": rounded(depths.size / max(1, len(trees.leaves))),
        "leaf_depth_mean": rounded(depths.mean()),
        "leaf_depth_max": int(depths.max()),
        "features_used_share": rounded((trees.gains > 0).mean()),
    }


def lightgbm_trees(text: bytes) -> Trees:
    """A LightGBM booster from its text format."""
    booster = lgb.Booster(model_str=text.decode())
    n_scores = booster.num_model_per_iteration()

    def contributions(rows: Float32Array) -> Float64Array:
        found = np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1), dtype=np.float64)
        return found.reshape(len(rows), n_scores, rows.shape[1] + 1)

    def scores(rows: Float32Array) -> Float64Array:
        return np.asarray(booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64).reshape(len(rows), n_scores)

    dump: Any = booster.dump_model()
    leaves = tuple(tuple(_depths(tree["tree_structure"], ("left_child", "right_child"))) for tree in dump["tree_info"])
    return Trees(contributions, scores, np.asarray(booster.feature_importance("gain"), dtype=np.float64), leaves)


def xgboost_trees(content: bytes) -> Trees:
    """An XGBoost booster from its UBJSON."""
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    booster.set_param({"nthread": 1})  # loading resets it
    n_features = booster.num_features()

    def contributions(rows: Float32Array) -> Float64Array:
        found = np.asarray(booster.predict(xgb.DMatrix(rows, nthread=1), pred_contribs=True), dtype=np.float64)
        return found.reshape(len(rows), -1, n_features + 1)

    def scores(rows: Float32Array) -> Float64Array:
        return np.asarray(booster.predict(xgb.DMatrix(rows, nthread=1), output_margin=True), dtype=np.float64).reshape(len(rows), -1)

    gained: Any = booster.get_score(importance_type="total_gain")
    gains = np.array([float(gained.get(f"f{i}", 0.0)) for i in range(n_features)])
    leaves = tuple(tuple(_depths(json.loads(tree), ("children",))) for tree in booster.get_dump(dump_format="json"))
    return Trees(contributions, scores, gains, leaves)


def _explained(trees: Trees, rows: Float32Array, names: Sequence[str], explains: str) -> dict[str, Any]:
    found_NKF = trees.contributions(rows)
    error = np.abs(found_NKF.sum(axis=2) - trees.scores(rows)).max()
    up_NF = found_NKF[:, 0] if found_NKF.shape[1] == 1 else found_NKF[:, 2] - found_NKF[:, 0]
    completeness = {"largest_error": rounded(error), "size": rounded(np.abs(up_NF[:, :-1].sum(axis=1)).mean())}
    further = {"gain": shares_of(trees.gains)}
    return output_explained(
        METHOD,
        explains,
        names,
        rows,
        up_NF[:, :-1],
        further=further,
        baseline=BASELINE,
        base=rounded(up_NF[:, -1].mean()),
        completeness=completeness,
    )


def _depths(node: Mapping[str, Any], children: tuple[str, ...]) -> Iterator[int]:
    """The depth of each leaf below `node`, whose children stand under the names `children`, one each or all in a list."""
    waiting: list[tuple[Any, int]] = [(node, 0)]
    while waiting:
        one, depth = waiting.pop()
        below = [child for name in children if name in one for child in (one[name] if isinstance(one[name], list) else [one[name]])]
        if below:
            waiting += [(child, depth + 1) for child in below]
        else:
            yield depth


__all__ = ["Trees", "explain_trees", "lightgbm_trees", "trees_health", "xgboost_trees"]
