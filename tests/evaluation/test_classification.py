import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn import metrics

from barmill.errors import ShapeError
from barmill.evaluation import classification_metrics, classification_scores
from barmill.evaluation.classification import average_ranks

ROWS = st.lists(st.tuples(st.integers(0, 10).map(lambda k: k / 10), st.integers(0, 1)), min_size=2, max_size=60).filter(
    lambda rows: len({y for _, y in rows}) == 2
)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_scores_are_scikit_learns(rows):
    p, y = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    scores = classification_scores(p, y)
    assert scores.brier == pytest.approx(metrics.brier_score_loss(y, p), abs=1e-12)
    assert scores.roc_auc == pytest.approx(metrics.roc_auc_score(y, p), abs=1e-12)
    assert scores.average_precision == pytest.approx(metrics.average_precision_score(y, p), abs=1e-12)
    assert scores.log_loss == pytest.approx(metrics.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15)), rel=1e-9)


def test_four_rows_by_hand():
    scores = classification_scores([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    assert scores.roc_auc == 0.75
    assert scores.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert scores.brier == pytest.approx((0.01 + 0.16 + 0.65**2 + 0.04) / 4)
    assert classification_scores([0.5, 0.5], [0, 1]).roc_auc == 0.5


def test_certainty_that_is_wrong_costs_a_finite_loss():
    assert classification_scores([0.0], [1]).log_loss == pytest.approx(-math.log(1e-15))


def test_one_class_has_no_ranking():
    scores = classification_scores([0.1, 0.9], [1, 1])
    assert math.isnan(scores.roc_auc)
    assert math.isnan(scores.average_precision)
    assert scores.brier == pytest.approx((0.81 + 0.01) / 2)


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=40))
def test_ranks_are_scipys(x):
    np.testing.assert_array_equal(average_ranks(x), rankdata(x))


def test_two_class_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=500).round(2)
    y = (rng.uniform(size=500) < p).astype(np.int8)
    said = (p > 0.5).astype(int)
    found = classification_metrics(p, y)
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(y, said))
    assert found["f1"] == pytest.approx(metrics.f1_score(y, said))
    assert found["confusion"] == metrics.confusion_matrix(y, said).tolist()
    assert found["base_rate"] == y.mean()
    assert found["log_loss_base"] == pytest.approx(metrics.log_loss(y, np.full(500, y.mean())))
    assert found["n"] == 500
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_three_class_metrics_are_scikit_learns():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 2, 1.5], 600)
    y = np.array([rng.choice(3, p=row) for row in p])
    found = classification_metrics(p, y)
    said = p.argmax(axis=1)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(y == 2, p[:, 2]))
    assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(y == 2, p[:, 2]))
    assert found["brier"] == pytest.approx(np.mean((p[:, 2] - (y == 2)) ** 2))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(y, said))
    assert found["f1"] == pytest.approx(metrics.f1_score(y, said, average=None)[2])
    assert found["confusion"] == metrics.confusion_matrix(y, said).tolist()
    assert found["base_rate"] == np.mean(y == 2)


def test_decisions_that_never_vary_have_no_correlation():
    found = classification_metrics([0.1, 0.2, 0.3], [0, 0, 0])
    assert math.isnan(found["mcc"])
    assert math.isnan(found["f1"])
    assert found["log_loss_base"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("p", [[], np.empty((0, 3)), [0.5, 2.0], [[0.5, 0.2, 0.2]]])
def test_bad_arrays_are_refused(p):
    with pytest.raises(ShapeError):
        classification_metrics(p, np.zeros(len(p)))
