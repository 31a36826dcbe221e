"""Moments, PSR, minimum track record, expected maximum, DSR: hand-worked, published and simulated figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from barmill.errors import ShapeError
from barmill.evaluation import (
    deflated_sharpe_ratio,
    expected_max_sharpe,
    min_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_moments,
)

RETURNS = st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=60).filter(lambda r: np.std(r) > 1e-6)


@given(RETURNS)
def test_moments_are_those_of_scipy(returns):
    found = sharpe_moments(returns)
    r = np.array(returns)
    assert found.sr == pytest.approx(r.mean() / r.std(ddof=1), rel=1e-12, abs=1e-15)
    assert found.skew == pytest.approx(stats.skew(r), rel=1e-7, abs=1e-7)
    assert found.kurt == pytest.approx(stats.kurtosis(r, fisher=False), rel=1e-7)


def test_missing_rows_are_dropped_and_what_does_not_vary_is_undefined():
    assert sharpe_moments([0.01, np.nan, 0.02]) == sharpe_moments([0.01, 0.02])
    for silent in ([], [0.01], [0.01, 0.01, 0.01], [np.nan, np.nan]):
        found = sharpe_moments(silent)
        assert np.isnan(found[:3]).all()
        assert found.to_json()["sr"] is None
        assert math.isnan(probabilistic_sharpe_ratio(silent, 0.0).psr)
    with pytest.raises(ShapeError, match="returns row 1"):
        sharpe_moments([0.0, np.inf])


def test_a_track_of_two_years_is_as_likely_as_published():
    """Bailey & López de Prado (2012), section 5: 24 months, Sharpe ratio 0.458 a month."""
    assert probabilistic_sharpe_ratio(0.458, 0.0, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe_ratio(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(("periods", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_shortest_track_record_is_as_long_as_published(periods, years):
    """Same, section 6: a Sharpe ratio of 2 against one of 1, normal returns, 95 %."""
    year = math.sqrt(periods)
    assert min_track_record_length(2 / year, 1 / year, 0.0, 3.0, 0.05) / periods == pytest.approx(years, abs=0.005)


@given(st.floats(0.01, 1), st.floats(-3, 0.5), st.floats(3, 20), st.floats(0.001, 0.4), st.floats(0.01, 0.2))
def test_the_shortest_track_record_is_where_the_probability_reaches_its_level(sr, skew, kurt, alpha, gap):
    n = min_track_record_length(sr, sr - gap, skew, kurt, alpha)
    assert probabilistic_sharpe_ratio(sr, sr - gap, n, skew, kurt) == pytest.approx(1 - alpha) or n < 2
    assert min_track_record_length(sr, sr, skew, kurt, alpha) == math.inf


def test_a_series_gives_what_its_figures_give():
    r = np.random.default_rng(1).standard_t(4, 500) * 0.01 + 0.001
    whole = probabilistic_sharpe_ratio(r, 0.02)
    assert whole == probabilistic_sharpe_ratio(returns=r, sr_benchmark=0.02)
    assert list(whole.to_json()) == ["sr", "skew", "kurt", "psr"]
    assert whole.psr == probabilistic_sharpe_ratio(whole.sr, 0.02, 500, whole.skew, whole.kurt)


def test_where_the_variance_is_not_positive_there_is_no_probability():
    assert math.isnan(probabilistic_sharpe_ratio(1.0, 0.0, 100, 2.0, 3.0))
    assert math.isnan(min_track_record_length(1.0, 0.0, 2.0, 3.0, 0.05))
    assert math.isnan(probabilistic_sharpe_ratio(0.1, 0.0, 1, 0.0, 3.0))


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="alpha"):
        min_track_record_length(0.1, 0.0, 0.0, 3.0, 1.0)
    with pytest.raises(ShapeError, match="expected_max_sharpe"):
        expected_max_sharpe(0, 0.1)
    with pytest.raises(ShapeError, match="expected_max_sharpe"):
        expected_max_sharpe(5, -0.1)
    with pytest.raises(ShapeError, match="neither numbers nor a series"):
        probabilistic_sharpe_ratio(0.1)
    with pytest.raises(ShapeError, match="neither numbers nor trials"):
        deflated_sharpe_ratio(0.1, 100)
    with pytest.raises(ShapeError, match="n_obs"):
        probabilistic_sharpe_ratio(0.1, 0.0, -1, 0.0, 3.0)


def _expected_max_of_normals(n):
    def tail(x):
        return x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)

    return integrate.quad(tail, -10, 10, limit=200)[0]


@pytest.mark.parametrize("n", [5, 10, 50, 100, 1000])
def test_the_expected_maximum_is_near_that_of_normal_draws(n):
    assert expected_max_sharpe(n, 1.0) == pytest.approx(_expected_max_of_normals(n), rel=0.03)


def test_one_trial_has_no_luck_to_pay_for():
    assert expected_max_sharpe(1, 0.5) == expected_max_sharpe(1, math.nan) == 0.0
    assert deflated_sharpe_ratio(0.1, 500, 0.0, 3.0, 1, 0.1).dsr == probabilistic_sharpe_ratio(0.1, 0.0, 500, 0.0, 3.0)


@pytest.mark.parametrize(("n_trials", "skew", "kurt", "dsr"), [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)])
def test_the_worked_example_of_the_deflated_sharpe_ratio(n_trials, skew, kurt, dsr):
    """Bailey & López de Prado (2014): five years of daily returns, Sharpe ratio 2.5 a year, variance of trials 1/2 a year."""
    found = deflated_sharpe_ratio(2.5 / math.sqrt(250), 1250, skew, kurt, n_trials, 0.5 / 250)
    assert found.dsr == pytest.approx(dsr, abs=6e-4)
    if n_trials == 100:
        assert found.sr0 == pytest.approx(0.1132, abs=5e-5)


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(-0.2, 0.3))
def test_more_trials_never_raise_the_deflated_sharpe_ratio(one, other, sr):
    few, many = sorted((one, other))
    dsr = [deflated_sharpe_ratio(sr, 1000, -0.5, 5.0, n, 0.001).dsr for n in (few, many)]
    assert dsr[1] <= dsr[0]
    assert 0 <= dsr[1] <= 1


def test_from_trials_it_takes_the_best_one_and_the_spread_of_all():
    trials = np.random.default_rng(2).normal(0.0, 0.01, size=(300, 7))
    trials[:, 4] += 0.002
    found = deflated_sharpe_ratio(trials)
    each = [sharpe_moments(column) for column in trials.T]
    assert found.selected == 4
    assert found.var_sr == pytest.approx(np.var([one.sr for one in each], ddof=1))
    assert (found.sr, found.skew, found.kurt) == each[4][:3]
    assert found[:2] == deflated_sharpe_ratio(*each[4][:1], 300, *each[4][1:3], 7, found.var_sr)
    assert deflated_sharpe_ratio(trials, n_trials=500).dsr < found.dsr
    assert found == deflated_sharpe_ratio(trial_returns=trials)


def test_failed_trials_count_and_the_first_of_equals_is_selected():
    good = np.random.default_rng(3).normal(0.001, 0.01, size=200)
    trials = np.column_stack([np.zeros(200), good, np.full(200, np.nan), good, -good])
    found = deflated_sharpe_ratio(trials)
    assert found.selected == 1
    sr = sharpe_moments(good).sr
    assert found.var_sr == pytest.approx(np.var([sr, sr, -sr], ddof=1))
    assert found.sr0 == expected_max_sharpe(5, found.var_sr)
    nothing = deflated_sharpe_ratio(np.zeros((50, 3)))
    assert nothing.selected is None
    assert math.isnan(nothing.dsr)
    assert nothing.to_json()["dsr"] is None


def test_without_skill_the_bar_is_passed_by_fewer_than_one_in_twenty():
    """Definitions, 17.6: the best of 20 trials, 300 markets."""
    draw = np.random.default_rng(4)
    passed = sum(deflated_sharpe_ratio(draw.standard_t(5, size=(250, 20))).dsr > 0.95 for _ in range(300))
    assert passed / 300 < 0.05


def test_with_the_count_of_trials_forgotten_it_would_be_passed_far_too_often():
    """The reason for the ledger: the same markets, judged as if the best had been the only trial."""
    draw = np.random.default_rng(4)
    passed = 0
    for _ in range(100):
        best = deflated_sharpe_ratio(draw.standard_t(5, size=(250, 20)))
        passed += probabilistic_sharpe_ratio(best.sr, 0.0, 250, best.skew, best.kurt) > 0.95
    assert passed > 50
