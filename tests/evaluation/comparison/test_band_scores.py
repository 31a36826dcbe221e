"""Coverage, Winkler's score and the band that chance alone gives, against SciPy and truths that are known."""

import numpy as np
import pytest
from scipy import stats

from barmill.errors import ShapeError
from barmill.evaluation import band_coverage, coverage_band, pinball_loss, winkler_score


def test_coverage_counts_both_ends():
    assert band_coverage([0.0, 1.0, 2.0, 3.0], [0.0] * 4, [2.0] * 4) == 0.75


def test_winkler_by_hand():
    # inside: the width alone; one below and one above: 20 times the miss on top
    assert winkler_score([0.0], [-1.0], [1.0]) == 2.0
    assert winkler_score([-1.5, 1.25], [-1.0, -1.0], [1.0, 1.0]) == pytest.approx(2.0 + (20 * 0.5 + 20 * 0.25) / 2)


def test_winkler_is_the_sum_of_two_pinball_losses():
    rng = np.random.default_rng(1)
    y = rng.normal(size=500)
    low = rng.normal(-1.5, 0.1, 500)
    high = rng.normal(1.5, 0.1, 500)
    both = pinball_loss(y, low, 0.05) + pinball_loss(y, high, 0.95)
    assert winkler_score(y, low, high) == pytest.approx(2 / 0.1 * both)


def test_winkler_is_least_at_the_true_quantiles():
    y = np.random.default_rng(2).normal(size=40_000)
    true = stats.norm.ppf(0.95)
    scores = {factor: winkler_score(y, np.full(y.size, -factor * true), np.full(y.size, factor * true)) for factor in (0.7, 1.0, 1.4)}
    assert min(scores, key=scores.__getitem__) == 1.0


@pytest.mark.parametrize(
    ("n", "level", "confidence"), [(1, 0.9, 0.95), (10, 0.9, 0.95), (237, 0.9, 0.95), (5000, 0.9, 0.99), (64, 0.5, 0.9)]
)
def test_the_band_of_chance_is_scipys_binomial_interval(n, level, confidence):
    low, high = stats.binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], n, level)
    assert coverage_band(n, level, confidence) == pytest.approx((low / n, high / n))


def test_every_band_of_chance_holds_what_it_promises():
    for n in range(1, 400):
        low, high = coverage_band(n)
        inside = stats.binom.cdf(round(high * n), n, 0.9) - stats.binom.cdf(round(low * n) - 1, n, 0.9)
        assert inside >= 0.95


def test_rows_that_overlap_widen_the_band():
    assert coverage_band(1000 / 4.7) == coverage_band(212)
    assert np.isnan(coverage_band(0.4)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: band_coverage([], [], []),
        lambda: winkler_score([1.0], [2.0], [1.0]),
        lambda: winkler_score([1.0], [0.0], [1.0], alpha=1.0),
        lambda: winkler_score([1.0], [0.0, 0.0], [1.0]),
        lambda: coverage_band(10, level=1.0),
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ShapeError):
        wrong()
