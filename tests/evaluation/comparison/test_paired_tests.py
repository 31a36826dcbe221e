"""Both paired tests: oracles, size without a difference, power with one."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from arch.bootstrap import StationaryBootstrap
from scipy import stats
from statsmodels.stats.sandwich_covariance import cov_hac, weights_bartlett, weights_uniform

from barmill.errors import ShapeError
from barmill.evaluation import diebold_mariano, paired_return_test, paired_return_tests


def hac_error(d, lags, kernel):
    """The standard error of a mean, by statsmodels' regression on a constant."""
    fitted = sm.OLS(d, np.ones(d.size)).fit()
    return math.sqrt(cov_hac(fitted, nlags=lags, weights_func=kernel, use_correction=False).item())


def overlapping_losses(rng, n, overlap, persistence, edge=0.0):
    """Squared errors of two forecasts of outcomes that overlap; the first sees `edge` of the outcome."""
    shocks = rng.normal(size=n + overlap - 1)
    y = np.convolve(shocks, np.ones(overlap) / np.sqrt(overlap), "valid")
    noise = rng.normal(size=(2, n))
    for t in range(1, n if persistence else 0):
        noise[:, t] = persistence * noise[:, t - 1] + math.sqrt(1 - persistence**2) * noise[:, t]
    a, b = 0.3 * noise
    return (y - a - edge * y) ** 2, (y - b) ** 2


@pytest.mark.parametrize(("n", "overlap"), [(300, 1), (300, 4), (2000, 20)])
def test_the_statistic_is_that_of_a_regression_on_a_constant(n, overlap):
    a, b = overlapping_losses(np.random.default_rng(n), n, overlap, 0.0)
    found = diebold_mariano(a, b, overlap)
    error = hac_error(a - b, overlap - 1, weights_uniform)
    correction = math.sqrt((n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n)
    assert found.lags == overlap - 1
    assert found.statistic == pytest.approx(correction * (a - b).mean() / error, rel=1e-9)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.statistic), n - 1), rel=1e-9)


def test_a_sum_below_zero_gives_way_to_falling_weights():
    d = np.tile([1.0, -1.0], 50) + np.random.default_rng(0).normal(0, 0.05, 100)
    found = diebold_mariano(d, np.zeros(100), overlap=2)  # an autocorrelation of -1 leaves nothing of the variance
    assert found.lags == 4
    n, h = 100, 2
    correction = math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert found.statistic == pytest.approx(correction * d.mean() / hac_error(d, 4, weights_bartlett), rel=1e-9)


def test_the_two_models_are_mirrored():
    a, b = overlapping_losses(np.random.default_rng(5), 200, 3, 0.0)
    one, other = diebold_mariano(a, b, 3), diebold_mariano(b, a, 3)
    assert one.statistic == pytest.approx(-other.statistic)
    assert one.p_value == pytest.approx(other.p_value)


@pytest.mark.parametrize(("n", "overlap", "persistence"), [(400, 1, 0.0), (600, 10, 0.0), (600, 10, 0.9)])
def test_equal_models_are_told_apart_about_as_often_as_the_level_says(n, overlap, persistence):
    rng = np.random.default_rng(7)
    p = np.array([diebold_mariano(*overlapping_losses(rng, n, overlap, persistence), overlap).p_value for _ in range(400)])
    assert 0.02 <= (p < 0.05).mean() <= 0.10  # without the lags, more than a third would be (the next test)


def test_without_the_overlap_equal_models_would_be_told_apart_far_too_often():
    rng = np.random.default_rng(8)
    p = np.array([diebold_mariano(*overlapping_losses(rng, 600, 10, 0.9), 1).p_value for _ in range(200)])
    assert (p < 0.05).mean() > 0.3


def test_a_better_model_is_found():
    rng = np.random.default_rng(9)
    found = [diebold_mariano(*overlapping_losses(rng, 1500, 5, 0.0, edge=0.1), 5) for _ in range(60)]
    assert np.mean([test.p_value < 0.05 and test.difference < 0 for test in found]) > 0.9


def test_what_is_undefined_is_nan():
    same = np.ones(10)
    for test in (diebold_mariano(same, same), diebold_mariano([1.0], [2.0]), diebold_mariano(np.arange(4.0), same[:4], overlap=4)):
        assert math.isnan(test.p_value)
        assert math.isnan(test.statistic)
    assert math.isnan(paired_return_test(same, same).p_value)
    assert math.isnan(paired_return_test(np.arange(4.0), np.ones(4)).p_value)
    assert diebold_mariano(same, same).to_json()["p_value"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: diebold_mariano(np.ones(5), np.ones(4)),
        lambda: diebold_mariano(np.arange(5.0), np.ones(5), overlap=0),
        lambda: paired_return_test(np.ones(5), np.ones(4)),
        lambda: paired_return_tests(np.ones((9, 1))),
        lambda: paired_return_tests(np.full((9, 2), np.nan)),
        lambda: paired_return_test(np.arange(9.0), np.ones(9), n_boot=10),
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ShapeError):
        wrong()


def test_the_bootstrap_agrees_with_arch():
    rng = np.random.default_rng(3)
    d = np.convolve(rng.normal(size=620), np.ones(21) / 5, "valid")
    d += 0.25 - d.mean()
    drawn = StationaryBootstrap(25, d, seed=1).apply(np.mean, 2000)[:, 0]
    oracle = (np.abs(drawn - d.mean()) >= abs(d.mean())).mean()
    found = paired_return_test(d, np.zeros(d.size), block=25, n_boot=2000, seed=2)
    assert 0.02 < oracle < 0.98
    assert found.p_value == pytest.approx(oracle, abs=4 * math.sqrt(2 * oracle * (1 - oracle) / 2000))


def held_returns(rng, n, hold):
    """What two positions that are held for `hold` bars earn of the same market."""
    market = rng.normal(0, 1e-3, n)
    return [np.repeat(rng.choice([-1.0, 1.0], -(-n // hold)), hold)[:n] * market for _ in range(2)]


def test_strategies_that_earn_alike_are_told_apart_about_as_often_as_the_level_says():
    rng = np.random.default_rng(11)
    p = np.array([paired_return_test(*held_returns(rng, 1000, 20), block=20, n_boot=199, seed=k).p_value for k in range(200)])
    assert 0.015 <= (p <= 0.05).mean() <= 0.10


def test_pairing_finds_what_the_market_would_hide():
    rng = np.random.default_rng(12)
    common = rng.normal(0, 1e-2, 2000)
    a, b = common + rng.normal(2e-4, 1e-3, 2000), common + rng.normal(0, 1e-3, 2000)
    test = paired_return_test(a, b, block=20, seed=1)
    assert test.p_value < 0.01
    assert test.difference > 0
    assert paired_return_test(a, rng.permutation(b), block=20, seed=1).p_value > 0.1  # the same two series, not paired
