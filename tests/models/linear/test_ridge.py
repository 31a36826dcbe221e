"""Ridge regression against scikit-learn's own."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from barmill.models import FitContext, FittedModel, Samples, load_fit, load_forecaster, spec_of
from barmill.models.linear.ridge import solve_ridge
from barmill.views import FeatureMatrix

SPEC = spec_of("ridge")
RNG = np.random.default_rng(0)
BASE = (RNG.standard_normal((500, 4)) + np.array([0, 3, 0, 0])).astype(np.float32)
Z = BASE[:, 0] + 0.3 * BASE[:, 1] + RNG.standard_normal(500)
WEIGHT = RNG.uniform(0.2, 1.8, 500)
X = BASE.astype(np.float64)


def _samples(n_classes: int, part: slice) -> Samples:
    at = np.arange(500)[part]
    y = (Z > 0).astype(np.int8) if n_classes == 2 else np.digitize(Z, [-0.4, 0.4]).astype(np.int8)
    return Samples(FeatureMatrix(BASE, at), y[at], Z[at], WEIGHT[at])


def _fit(n_classes: int = 2, outputs: tuple[str, ...] = ("p_up", "E_r"), **params: Any) -> FittedModel:
    context = FitContext(seed=1, n_classes=n_classes, outputs=outputs, feature_names=tuple("abcd"))
    return load_fit(SPEC)(SPEC.params(**params), _samples(n_classes, slice(0, 400)), _samples(n_classes, slice(400, 500)), context)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.1, 50.0])
def test_forecasts_are_scikit_learns(n_classes: int, alpha: float) -> None:
    train = _samples(n_classes, slice(0, 400))
    raw = load_forecaster(SPEC, _fit(n_classes, alpha=alpha).files).raw(_samples(n_classes, slice(400, 500)).view)
    squares = Ridge(alpha=alpha).fit(X[:400], train.z, sample_weight=train.weight)
    np.testing.assert_allclose(raw.expected, squares.predict(X[400:]), rtol=0, atol=1e-10)
    classes = LogisticRegression(C=1 / alpha, max_iter=500, tol=1e-6).fit(X[:400], train.y, sample_weight=train.weight)
    np.testing.assert_allclose(raw.logits, classes.decision_function(X[400:]), rtol=0, atol=1e-9)


def test_features_that_say_the_same_share_the_weight() -> None:
    twice = np.column_stack([X[:, 0], X[:, 0]])
    found = solve_ridge(twice, Z, WEIGHT, 0.1)
    assert found.coefficients[0, 0] == pytest.approx(found.coefficients[0, 1], rel=1e-6)


def test_balanced_classes_change_the_probability_and_not_the_expected_return() -> None:
    plain, balanced = (load_forecaster(SPEC, _fit(class_weight=w).files).raw(_samples(2, slice(400, 500)).view) for w in (None, "balanced"))
    assert plain.expected is not None
    assert balanced.expected is not None
    np.testing.assert_array_equal(plain.expected, balanced.expected)
    assert not np.array_equal(plain.logits, balanced.logits)


def test_without_e_r_the_file_holds_the_classes_alone() -> None:
    assert b"expected" not in _fit(outputs=("p_up",)).files["model.json"]
    assert _fit().summary["E_r"] == {"iterations": 1, "converged": True, "nonzero_weights": 4}
