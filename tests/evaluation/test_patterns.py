"""Scores of patterns against scikit-learn, and where a class never came."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from barmill.errors import ShapeError
from barmill.evaluation.patterns import pattern_scores
from barmill.models.pattern.detectors import PATTERNS


def rows(n: int = 400, n_classes: int = 5):
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)
    logits = rng.normal(size=(n, 5)) + 1.5 * np.eye(5)[y]
    return logits, y, np.where(y == 1, rng.uniform(4, 9, n), np.nan), rng.uniform(4, 9, n)


def test_scores_are_those_of_scikit_learn():
    logits, y, pole, said_pole = rows()
    found = pattern_scores(logits, y, pole, said_pole)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found.top1 == pytest.approx(accuracy_score(y, p.argmax(axis=1)))
    assert found.macro_f1 == pytest.approx(f1_score(y, p.argmax(axis=1), average="macro"))
    for k, name in enumerate(PATTERNS):
        assert found.average_precision[name] == pytest.approx(average_precision_score(y == k, p[:, k]))
    assert found.pole_mae == pytest.approx(np.abs(pole - said_pole)[y == 1].mean())
    assert 0 < found.ece < 0.2


def test_a_pattern_that_never_came_has_no_precision_and_no_pole():
    logits, y, pole, said_pole = rows()
    others = y != 1
    found = pattern_scores(logits[others], y[others], pole[others], said_pole[others])
    assert np.isnan(found.average_precision["flag"])
    assert np.isnan(found.pole_mae)
    certain = 50.0 * np.eye(5)[[0, 0, 2]]
    assert pattern_scores(certain, [0, 0, 2], [np.nan] * 3, [1.0] * 3).macro_f1 == 1.0


def test_shapes_that_do_not_fit_are_refused():
    logits, y, pole, said_pole = rows()
    with pytest.raises(ShapeError, match=r"logits of shape \(400, 4\)"):
        pattern_scores(logits[:, :4], y, pole, said_pole)
    with pytest.raises(ShapeError, match="n at least 1"):
        pattern_scores(np.empty((0, 5)), [], [], [])
