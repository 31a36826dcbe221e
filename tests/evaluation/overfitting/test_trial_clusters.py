"""How many trials a number of trials amounts to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from barmill.evaluation import effective_number_of_trials, expected_max_sharpe
from barmill.evaluation.overfitting.trial_clusters import _silhouette


def _independent(seed, n, n_rows=2000):
    return np.random.default_rng(seed).normal(size=(n_rows, n))


def _families(seed, n_families, size, correlation, n_rows=2000):
    draw = np.random.default_rng(seed)
    shared = np.repeat(draw.normal(size=(n_rows, n_families)), size, axis=1)
    own = draw.normal(size=(n_rows, n_families * size))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_identical_trials_are_one(n):
    found = effective_number_of_trials(np.repeat(_independent(0, 1), n, axis=1))
    assert found.n_effective == pytest.approx(1.0)
    assert found.n_clusters == 1


@pytest.mark.parametrize("n", [1, 2, 3, 10, 60])
def test_independent_trials_are_as_many_as_they_are(n):
    assert effective_number_of_trials(_independent(1, n)).n_effective == pytest.approx(n, rel=0.03)


def test_copies_of_ten_ideas_are_ten_trials():
    found = effective_number_of_trials(np.repeat(_independent(2, 10), 5, axis=1))
    assert found.n_effective == pytest.approx(10.0)
    assert found.n_clusters == 10
    np.testing.assert_array_equal(found.labels, np.repeat(np.arange(10), 5))


def test_families_are_found_and_count_for_more_than_one_each():
    found = effective_number_of_trials(_families(3, 5, 10, 0.6))
    assert found.n_clusters == 5
    assert found.n_effective == pytest.approx(5 * (0.6 + 0.4 * 10), rel=0.02)


def test_the_luck_of_families_is_that_of_the_effective_number():
    """The best of 50 trials in 5 families, over 4000 markets, against what the effective number expects; 5 would expect far less."""
    draw = np.random.default_rng(4)
    best = (np.sqrt(0.6) * np.repeat(draw.normal(size=(4000, 5)), 10, axis=1) + np.sqrt(0.4) * draw.normal(size=(4000, 50))).max(axis=1)
    n_effective = effective_number_of_trials(_families(5, 5, 10, 0.6)).n_effective
    assert expected_max_sharpe(n_effective, 1.0) == pytest.approx(best.mean(), rel=0.05)
    assert expected_max_sharpe(5, 1.0) < best.mean() * 0.7


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.randoms(use_true_random=False))
def test_it_lies_between_one_and_the_count_whatever_their_order_and_scale(seed, n, order):
    trials = np.random.default_rng(seed).normal(size=(60, n)) + np.random.default_rng(seed + 1).normal(size=(60, 1))
    found = effective_number_of_trials(trials)
    assert 1 <= found.n_effective <= n
    assert found.n_trials == n == found.labels.size
    assert set(found.labels) == set(range(found.n_clusters))
    columns = list(range(n))
    order.shuffle(columns)
    again = effective_number_of_trials(trials[:, columns] * 3.0)
    assert again.n_effective == pytest.approx(found.n_effective, rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(4, 30), st.integers(2, 6))
def test_the_silhouette_is_that_of_scikit_learn(seed, n, k):
    draw = np.random.default_rng(seed)
    labels = np.r_[np.arange(k := min(k, n - 1)), draw.integers(0, k, n - k)]
    points = draw.normal(size=(n, 2))
    distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=-1))
    assert _silhouette(distance, labels) == pytest.approx(silhouette_score(distance, labels, metric="precomputed"))


def test_trials_that_never_trade_are_one_together_and_gaps_are_left_out():
    trials = np.column_stack([_independent(6, 4), np.zeros((2000, 3))])
    trials[5, 0] = np.nan
    found = effective_number_of_trials(trials)
    assert found.n_effective == pytest.approx(5, rel=0.02)
    assert len(set(found.labels[4:])) == 1
    assert effective_number_of_trials(np.zeros((10, 3))).n_effective == 1
    short = effective_number_of_trials(np.ones((1, 3)))
    assert (short.n_effective, short.to_json()["silhouette"]) == (3.0, None)
