import numpy as np
import pytest

from barmill.models.contract import FitContext
from barmill.models.linear.explaining import explain_linear, linear_health
from barmill.views import FeatureMatrix

NAMES = ("a", "b", "c")


def view(scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> FeatureMatrix:
    base = (np.random.default_rng(0).standard_normal((300, 3)) * scale + 5).astype(np.float32)
    return FeatureMatrix(base, np.arange(300))


def context(n_classes: int = 2) -> FitContext:
    return FitContext(seed=1, n_classes=n_classes, outputs=("p_up",), feature_names=NAMES, explain=view((1.0, 4.0, 1.0)))


def test_a_feature_is_as_large_as_a_deviation_of_it_moves_the_log_odds() -> None:
    told = explain_linear(np.array([[2.0, -1.0, 0.0]]), context())["outputs"]["p_up"]
    deviation = view((1.0, 4.0, 1.0)).values.astype(np.float64).std(axis=0)
    assert [feature["feature"] for feature in told["features"]] == ["b", "a", "c"]
    assert told["features"][0]["moves"] == pytest.approx(-deviation[1], rel=1e-5)
    assert told["features"][1]["moves"] == pytest.approx(2 * deviation[0], rel=1e-5)
    assert [feature["direction"] for feature in told["features"]] == [-1.0, 1.0, 0.0]


def test_of_three_classes_up_against_down_is_explained() -> None:
    told = explain_linear(np.array([[0.0, 1.0, 0.0], [9.0, 9.0, 9.0], [0.0, 0.0, 1.0]]), context(3))["outputs"]["p_up"]
    assert told["explains"] == "score of up less score of down"
    directions = {feature["feature"]: feature["direction"] for feature in told["features"]}
    assert directions == {"a": 0.0, "b": -1.0, "c": 1.0}


def test_nothing_is_explained_unless_asked() -> None:
    assert explain_linear(np.ones((1, 3)), FitContext(1, 2, ("p_up",), NAMES)) == {}


def test_condition_is_one_for_features_that_share_nothing_and_large_for_two_that_say_the_same() -> None:
    apart = np.random.default_rng(1).standard_normal((20_000, 3)).astype(np.float32)
    assert linear_health(np.array([[1.0, 0.0, 2.0]]), apart)["condition"] == pytest.approx(1, abs=0.05)
    assert linear_health(np.array([[1.0, 0.0, 2.0]]), apart)["nonzero_weights"] == 2
    near = apart.copy()
    near[:, 2] = near[:, 0] + 0.01 * near[:, 2]
    rho = np.corrcoef(near, rowvar=False)
    assert linear_health(np.ones((1, 3)), near)["condition"] == pytest.approx(np.sqrt(np.linalg.cond(rho)), rel=1e-3)
    assert linear_health(np.ones((1, 3)), near)["condition"] > 100


def test_an_exact_sum_of_others_is_counted_and_left_out_of_the_condition() -> None:
    base = np.random.default_rng(2).standard_normal((5_000, 3))
    base[:, 2] = base[:, 0] - 2 * base[:, 1]
    health = linear_health(np.ones((1, 3)), base.astype(np.float32))
    assert health["redundant_features"] == 1
    assert health["condition"] < 3
    still = np.ones((100, 2), dtype=np.float32)
    assert "condition" not in linear_health(np.ones((1, 2)), still)
