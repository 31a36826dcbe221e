"""Intervals over markets hold what they say."""

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from barmill.pipeline.proving.intervals import Estimate, mean_estimate, ratio_estimate, share_estimate


def test_with_equal_weights_it_is_students_interval():
    values = np.random.default_rng(1).normal(0.5, 0.02, 25)
    found = mean_estimate(values.tolist(), [3.0] * 25, 0.99)
    wanted = ttest_1samp(values, 0.5).confidence_interval(0.99)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
    assert found.n == 25


def test_the_interval_misses_as_often_as_its_level_says():
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(3_000):
        weights = rng.choice([100.0, 200.0, 400.0], 50)
        values = 0.5 + rng.standard_normal(50) / np.sqrt(weights)
        missed += not mean_estimate(values.tolist(), weights.tolist(), 0.95).holds(0.5)
    assert 0.035 < missed / 3_000 < 0.075


def test_markets_without_a_figure_are_left_out():
    found = mean_estimate([0.4, float("nan"), 0.6], [1.0, 1.0, 1.0], 0.9)
    assert found.value == pytest.approx(0.5)
    assert found.n == 2


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_markets_have_no_interval(n):
    found = mean_estimate([0.5] * n, [1.0] * n, 0.9)
    assert np.isnan(found.low)
    assert not found.holds(0.5)


@pytest.mark.parametrize(("count", "n"), [(0, 40), (3, 60), (60, 60)])
def test_a_share_has_the_exact_interval(count, n):
    wanted = binomtest(count, n).proportion_ci(0.99, method="exact")
    found = share_estimate(count, n, 0.99)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))


def test_no_market_gives_no_share():
    assert np.isnan(share_estimate(0, 0, 0.99).value)


def test_a_ratio_of_means_holds_the_true_one():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(1_000):
        below = rng.normal(30, 6, 10)
        above = 0.8 * below + rng.normal(0, 4, 10)
        found = ratio_estimate(above.tolist(), below.tolist(), 0.95)
        held += found.holds(0.8)
    assert 0.92 < held / 1_000 < 0.98


def test_a_ratio_to_an_oracle_that_lost_is_not_told():
    assert np.isnan(ratio_estimate([1.0, 2.0], [-3.0, -1.0], 0.95).value)


def test_the_width_is_from_end_to_end():
    assert Estimate(0.5, 0.49, 0.52, 9).width == pytest.approx(0.03)
