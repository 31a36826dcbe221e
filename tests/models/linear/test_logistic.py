"""Logistic regression against scikit-learn's own forecasts."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from barmill.models import FitContext, Samples, load_fit, load_forecaster, spec_of
from barmill.views import FeatureMatrix

SPEC = spec_of("logistic")
BASE = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)


def _samples(n_classes: int, part: slice) -> Samples:
    z = BASE[:, 0] + np.random.default_rng(1).standard_normal(500)
    y = (z > 0).astype(np.int8) if n_classes == 2 else np.digitize(z, [-0.4, 0.4]).astype(np.int8)
    at = np.arange(500)[part]
    return Samples(FeatureMatrix(BASE, at), y[at], z[at], np.linspace(0.5, 1.5, at.size))


def _fit(n_classes: int, **params: Any) -> Any:
    context = FitContext(seed=1, n_classes=n_classes, outputs=("p_up",), feature_names=tuple("abcd"))
    return load_fit(SPEC)(SPEC.params(**params), _samples(n_classes, slice(0, 400)), _samples(n_classes, slice(400, 500)), context)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_forecasts_are_scikit_learns(n_classes: int) -> None:
    train = _samples(n_classes, slice(0, 400))
    peer = LogisticRegression(C=0.3, max_iter=500, tol=1e-6).fit(BASE[:400].astype(float), train.y, sample_weight=train.weight)
    raw = load_forecaster(SPEC, _fit(n_classes, C=0.3).files).raw(_samples(n_classes, slice(400, 500)).view)
    np.testing.assert_allclose(raw.logits, peer.decision_function(BASE[400:].astype(float)), rtol=1e-9, atol=1e-9)


def test_not_having_converged_is_told() -> None:
    assert _fit(2).summary["converged"]
    summary = _fit(2, max_iter=1).summary
    assert (summary["iterations"], summary["converged"]) == (1, False)


def test_the_file_is_plain_json() -> None:
    content = json.loads(_fit(3).files["model.json"])
    assert sorted(content) == ["coefficients", "format", "intercepts", "model", "n_classes"]
    assert np.shape(content["coefficients"]) == (3, 4)
