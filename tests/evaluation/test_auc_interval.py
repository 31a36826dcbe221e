import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from barmill.errors import ShapeError
from barmill.evaluation import auc_interval
from barmill.evaluation.auc_interval import _auc_of_counts, _times_drawn


def overlapping(n, span, seed):
    """Forecasts and outcomes that have nothing to do with each other, both as persistent as labels of `span` bars."""
    rng = np.random.default_rng(seed)
    ones = np.ones(span) / np.sqrt(span)
    p = 1 / (1 + np.exp(-np.convolve(rng.normal(size=n + span - 1), ones, "valid")))
    return p, (np.convolve(rng.normal(size=n + span - 1), ones, "valid") > 0).astype(int)


def test_a_replicate_is_the_auc_of_its_repeated_rows():
    rng = np.random.default_rng(0)
    p, y = rng.integers(0, 12, 300) / 12, rng.integers(0, 2, 300)
    times = _times_drawn(rng, 300, 7)
    assert times.sum() == 300
    order = np.argsort(p, kind="stable")
    found = _auc_of_counts(times, order, y[order] == 1, np.diff(p[order], prepend=-1.0) != 0)
    assert found == pytest.approx(roc_auc_score(np.repeat(y, times), np.repeat(p, times)), rel=1e-12)


@pytest.mark.parametrize(("n", "block"), [(10, 3), (9, 3), (7, 1), (6, 3)])
def test_blocks_are_consecutive_rows_and_fill_the_sample(n, block):
    rng = np.random.default_rng(1)
    for _ in range(50):
        times = _times_drawn(rng, n, block)
        assert times.sum() == n
        assert times.min() >= 0


def test_the_interval_holds_chance_about_as_often_as_it_says_though_labels_overlap():
    naive, blocked = 0, 0
    for seed in range(60):
        p, y = overlapping(1500, 20, seed)
        low, high = auc_interval(p, y, block=40, seed=seed)
        blocked += low <= 0.5 <= high
        low, high = auc_interval(p, y, block=1, seed=seed)
        naive += low <= 0.5 <= high
    assert blocked >= 49  # 0.95 nominal; a block bootstrap of 37 blocks is a little short of it
    assert naive <= 40  # rows taken for independent: far too narrow


def test_independent_rows_give_about_delongs_width():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    low, high = auc_interval(1 / (1 + np.exp(-(rng.normal(size=2000) + y))), y, block=1, seed=0, n_replicates=400)
    assert low < 0.76 < high
    assert high - low == pytest.approx(0.0417, abs=0.006)  # Hanley & McNeil (1982) for this size


def test_a_seed_gives_the_same_interval():
    p, y = overlapping(500, 5, 0)
    assert auc_interval(p, y, 10, seed=1) == auc_interval(p, y, 10, seed=1)
    assert auc_interval(p, y, 10, seed=1) != auc_interval(p, y, 10, seed=2)


def test_one_class_or_fewer_than_two_blocks_give_no_interval():
    assert all(math.isnan(bound) for bound in auc_interval([0.1, 0.9], [1, 1], 1, seed=0))
    assert all(math.isnan(bound) for bound in auc_interval([0.1, 0.9, 0.5], [1, 0, 1], 2, seed=0))


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="block 0"):
        auc_interval([0.1, 0.9], [1, 0], 0, seed=0)
