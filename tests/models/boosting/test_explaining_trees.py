"""SHAP values against Shapley's own sum over coalitions, and the figures of trees against trees that are known."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from barmill.models import MODELS, FitContext, Samples, load_fit
from barmill.models.boosting.explaining import Trees, lightgbm_trees, trees_health, xgboost_trees
from barmill.views import FeatureMatrix

NAMES = ("a", "b", "c", "d")
N = 1200


def rows(n_classes: int = 2, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((N, 4)).astype(np.float32)
    z = base[:, 1] - 0.5 * base[:, 2] * (base[:, 0] > 0) + rng.standard_normal(N)
    y = (z > 0).astype(np.int8) if n_classes == 2 else np.digitize(z, [-0.5, 0.5]).astype(np.int8)
    return Samples(FeatureMatrix(base, np.arange(N)), y, z.astype(np.float64), np.ones(N))


def fitted(name: str, n_classes: int = 2, **params: Any) -> Any:
    spec = MODELS[name]
    train, valid = rows(n_classes), rows(n_classes, seed=1)
    context = FitContext(seed=3, n_classes=n_classes, outputs=("p_up", "E_r"), feature_names=NAMES, explain=valid.view)
    return load_fit(spec)(spec.params(**{"n_estimators": 25, "max_depth": 3, **params}), train, valid, context)


def trees_of(name: str, model: Any, output: str = "p_up") -> Trees:
    return lightgbm_trees(model.files[f"{output}.txt"]) if name == "lightgbm" else xgboost_trees(model.files[f"{output}.ubj"])


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_base_and_contributions_add_up_to_the_raw_score(name: str, n_classes: int) -> None:
    model = fitted(name, n_classes)
    view = rows(n_classes, seed=2).view
    assert isinstance(view, FeatureMatrix)
    tolerance = {"lightgbm": 1e-12, "xgboost": 1e-5}[name]
    for output in ("p_up", "E_r"):
        trees = trees_of(name, model, output)
        found = trees.contributions(view.values)
        assert found.shape == (N, 3 if n_classes == 3 and output == "p_up" else 1, 5)
        np.testing.assert_allclose(found.sum(axis=2), trees.scores(view.values), rtol=0, atol=tolerance)
        assert model.explanation["outputs"][output]["completeness"]["largest_error"] < tolerance


def expectation(node: Mapping[str, Any], row: np.ndarray, known: frozenset[int]) -> float:
    """What a LightGBM tree says of `row` where only the features in `known` are: other splits go both ways, by their rows."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    children = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        return expectation(children[0 if row[node["split_feature"]] <= node["threshold"] else 1], row, known)
    counts = [child.get("internal_count", child.get("leaf_count")) for child in children]
    return sum(count * expectation(child, row, known) for count, child in zip(counts, children, strict=True)) / sum(counts)


def test_shap_values_are_shapleys_sum_over_all_coalitions() -> None:
    text = fitted("lightgbm", n_estimators=6).files["p_up.txt"]
    view = rows(seed=2).view
    assert isinstance(view, FeatureMatrix)
    some = view.values[:25]
    structures = [tree["tree_structure"] for tree in lgb.Booster(model_str=text.decode()).dump_model()["tree_info"]]
    wanted = np.zeros((len(some), len(NAMES)))
    for i, row in enumerate(some):
        value = {
            frozenset(known): sum(expectation(tree, row, frozenset(known)) for tree in structures)
            for size in range(5)
            for known in itertools.combinations(range(4), size)
        }
        for feature in range(4):
            for known in (known for known in value if feature not in known):
                weight = math.factorial(len(known)) * math.factorial(3 - len(known)) / math.factorial(4)
                wanted[i, feature] += weight * (value[known | {feature}] - value[known])
    np.testing.assert_allclose(lightgbm_trees(text).contributions(some)[:, 0, :-1], wanted, atol=1e-12)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_an_explanation_has_gains_that_add_up_to_one_and_names_the_planted_feature_first(name: str) -> None:
    for output in fitted(name).explanation["outputs"].values():
        assert {feature["feature"] for feature in output["features"]} == set(NAMES)
        assert sum(feature["gain"] for feature in output["features"]) == pytest.approx(1, abs=1e-5)
        assert output["features"][0]["feature"] == "b"
        assert output["features"][0]["direction"] > 0.9


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_an_explanation_changes_no_byte_of_the_model(name: str) -> None:
    spec, train, valid = MODELS[name], rows(), rows(seed=1)
    context = FitContext(seed=3, n_classes=2, outputs=("p_up", "E_r"), feature_names=NAMES)
    plain = load_fit(spec)(spec.params(n_estimators=25, max_depth=3), train, valid, context)
    assert plain.explanation == {}
    assert dict(plain.files) == dict(fitted(name).files)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_health_of_stumps_is_that_of_stumps(name: str) -> None:
    health = fitted(name, max_depth=1, n_estimators=5, **({"num_leaves": 2} if name == "lightgbm" else {})).summary["p_up"]["health"]
    assert health["trees"] == 5
    assert health["leaves_per_tree"] == 2.0
    assert health["leaf_depth_mean"] == health["leaf_depth_max"] == 1


def test_health_counts_each_leaf_at_its_own_depth() -> None:
    nothing = Trees(lambda rows: rows, lambda rows: rows, np.array([3.0, 0.0, 1.0, 0.0]), ((1, 2, 3, 3), (0,)))  # type: ignore[arg-type]
    assert trees_health(nothing) == {
        "trees": 2,
        "leaves_per_tree": 2.5,
        "leaf_depth_mean": 1.8,
        "leaf_depth_max": 3,
        "features_used_share": 0.5,
    }
