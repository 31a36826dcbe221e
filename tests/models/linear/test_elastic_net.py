"""The elastic net against scikit-learn's solvers, which go other ways."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LogisticRegression

from barmill.models import FitContext, FittedModel, Samples, load_fit, load_forecaster, spec_of
from barmill.views import FeatureMatrix

SPEC = spec_of("elastic_net")
RNG = np.random.default_rng(0)
# Six features, of which two say something, two say nearly the same and one is far from 0.
BASE = RNG.standard_normal((600, 6))
BASE[:, 3] = BASE[:, 0] + 0.1 * BASE[:, 3]
BASE = (BASE + np.array([0, 5, 0, 0, 0, 0])).astype(np.float32)
Z = BASE[:, 0] - 0.5 * BASE[:, 1] + 2.5 + RNG.standard_normal(600)
WEIGHT = RNG.uniform(0.2, 1.8, 600)
X = BASE.astype(np.float64)


def _samples(n_classes: int, part: slice) -> Samples:
    at = np.arange(600)[part]
    y = (Z > 0).astype(np.int8) if n_classes == 2 else np.digitize(Z, [-0.4, 0.4]).astype(np.int8)
    return Samples(FeatureMatrix(BASE, at), y[at], Z[at], WEIGHT[at])


def _fit(n_classes: int = 2, **params: Any) -> FittedModel:
    context = FitContext(seed=1, n_classes=n_classes, outputs=SPEC.outputs, feature_names=tuple("abcdef"))
    return load_fit(SPEC)(SPEC.params(**params), _samples(n_classes, slice(0, 500)), _samples(n_classes, slice(500, 600)), context)


def _objective(content: Any, n_classes: int, alpha: float, l1_ratio: float) -> float:
    """What is to be minimised, written out."""
    train = _samples(n_classes, slice(0, 500))
    w, b = np.array(content["coefficients"]), np.array(content["intercepts"])
    scores = X[:500] @ w.T + b
    if n_classes == 2:
        scores = np.column_stack([np.zeros(500), scores])
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(500), train.y]
    return float(
        (train.weight * losses).sum() / train.weight.sum() + alpha * (l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * (w**2).sum())
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.01, 0.5), (0.05, 1.0), (0.001, 0.1)])
def test_the_logistic_fit_is_as_good_as_scikit_learns_and_the_same(n_classes: int, alpha: float, l1_ratio: float) -> None:
    train = _samples(n_classes, slice(0, 500))
    model = _fit(n_classes, alpha=alpha, l1_ratio=l1_ratio, tol=1e-9, max_iter=20_000)
    assert model.summary["converged"]
    content = json.loads(model.files["model.json"])
    peer = LogisticRegression(C=1 / (alpha * train.weight.sum()), l1_ratio=l1_ratio, solver="saga", max_iter=20_000, tol=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # versions differ in whether they want the penalty named
        peer.set_params(penalty="elasticnet").fit(X[:500], train.y, sample_weight=train.weight)
    theirs = {"coefficients": peer.coef_, "intercepts": peer.intercept_}
    ours = _objective(content, n_classes, alpha, l1_ratio)
    assert ours <= _objective(theirs, n_classes, alpha, l1_ratio) + 1e-9
    np.testing.assert_allclose(content["coefficients"], peer.coef_, rtol=0, atol=2e-3)


def test_the_expected_return_is_scikit_learns() -> None:
    train = _samples(2, slice(0, 500))
    peer = ElasticNet(alpha=0.1, l1_ratio=0.7, max_iter=2000, tol=1e-10).fit(X[:500], train.z, sample_weight=train.weight)
    raw = load_forecaster(SPEC, _fit(alpha=0.1, l1_ratio=0.7, tol=1e-10).files).raw(_samples(2, slice(500, 600)).view)
    np.testing.assert_allclose(raw.expected, peer.predict(X[500:]), rtol=0, atol=1e-8)


def test_useless_features_are_left_out_and_a_large_penalty_leaves_the_base_rate() -> None:
    content = json.loads(_fit(alpha=0.1, l1_ratio=1.0).files["model.json"])
    weights = np.array(content["coefficients"][0])
    assert weights[0] > 0 > weights[1]
    assert (weights[[2, 4, 5]] == 0).all()
    nothing = _fit(alpha=100.0)
    raw = load_forecaster(SPEC, nothing.files).raw(_samples(2, slice(500, 600)).view)
    train = _samples(2, slice(0, 500))
    assert nothing.summary["E_r"]["nonzero_weights"] == 0
    np.testing.assert_allclose(1 / (1 + np.exp(-raw.logits)), np.average(train.y, weights=train.weight), atol=1e-6)
    np.testing.assert_allclose(raw.expected, np.average(train.z, weights=train.weight), atol=1e-12)


def test_not_having_converged_is_told() -> None:
    summary = _fit(max_iter=2).summary
    assert not summary["converged"]
    assert summary["iterations"] == 2
