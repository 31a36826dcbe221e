import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio import measures

from barmill.errors import ShapeError
from barmill.evaluation import calmar_ratio, drop_missing, equity_curve, max_drawdown, sharpe_ratio, sortino_ratio, trade_stats

RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60)
SIX = [0.10, -0.05, 0.0, 0.02, -0.10, 0.03]


def test_six_returns_by_hand():
    # mean 0; squares 0.0001 + ... : deviations are the returns themselves
    assert sharpe_ratio(SIX, 252) == pytest.approx(0.0, abs=1e-12)
    shifted = [r + 0.01 for r in SIX]
    assert sharpe_ratio(shifted, 252) == pytest.approx(math.sqrt(252) * 0.01 / math.sqrt(0.0238 / 5), rel=1e-12)
    assert sortino_ratio(shifted, 252) == pytest.approx(math.sqrt(252) * 0.01 / math.sqrt((0.04**2 + 0.09**2) / 6), rel=1e-12)
    # equity 1.1, 1.045, 1.045, 1.0659, 0.95931, 0.9880893: the peak is 1.1
    assert max_drawdown(SIX) == pytest.approx(0.95931 / 1.1 - 1, rel=1e-12)
    growth = 0.9880893 ** (252 / 6) - 1
    assert calmar_ratio(SIX, 252) == pytest.approx(growth / (1 - 0.95931 / 1.1), rel=1e-9)


@given(RETURNS)
def test_drawdown_and_semideviation_are_skfolios(returns):
    r = np.array(returns)
    equity = np.concatenate([[1.0], np.cumprod(1 + r)])
    slow = min(equity[t] / max(equity[: t + 1]) - 1 for t in range(len(equity)))
    assert max_drawdown(r) == pytest.approx(slow, abs=1e-12)
    downside = measures.semi_deviation(r, min_acceptable_return=0.0)
    if downside > 1e-9:
        # skfolio divides the sum of squares by n - 1, the definition by n
        expected = r.mean() / (downside * math.sqrt((len(r) - 1) / len(r))) * math.sqrt(12)
        assert sortino_ratio(r, 12) == pytest.approx(expected, rel=1e-9)


@given(RETURNS)
def test_sharpe_is_mean_over_skfolios_standard_deviation(returns):
    r = np.array(returns)
    spread = measures.standard_deviation(r)
    if spread > 1e-9:
        assert sharpe_ratio(r, 100) == pytest.approx(10 * measures.mean(r) / spread, rel=1e-9)


def test_rates_are_spread_over_the_periods():
    r = np.array([0.02, 0.01, -0.03, 0.05])
    assert sharpe_ratio(r, 4, rf_annual=0.04) == pytest.approx(sharpe_ratio(r - 0.01, 4))
    assert sortino_ratio(r, 4, mar_annual=0.04) == pytest.approx(sortino_ratio(r - 0.01, 4))


def test_what_is_undefined_is_nan_and_a_loss_that_never_came_is_infinite():
    assert math.isnan(sharpe_ratio([0.01], 252))
    assert math.isnan(sharpe_ratio([0.01, 0.01, 0.01], 252))
    assert math.isnan(sharpe_ratio([], 252))
    assert sortino_ratio([0.01, 0.0], 252) == math.inf
    assert math.isnan(sortino_ratio([0.0, 0.0], 252))
    assert max_drawdown([0.01, 0.02]) == 0.0
    assert math.isnan(max_drawdown([]))
    assert calmar_ratio([0.01, 0.02], 252) == math.inf
    assert math.isnan(calmar_ratio([0.0, 0.0], 252))
    assert math.isnan(calmar_ratio([], 252))
    assert math.isnan(calmar_ratio([-1.5], 252))
    assert calmar_ratio([-1.0], 252) == -1.0


def test_a_loss_on_the_first_bar_is_a_drawdown():
    assert max_drawdown([-0.2, 0.1]) == pytest.approx(-0.2)


def test_a_growth_too_large_for_a_float_is_infinite_and_warns_nobody():
    assert calmar_ratio([1.0, -0.01], 525_600) == math.inf


def test_missing_returns_are_dropped_and_counted():
    kept = drop_missing([0.1, math.nan, -0.1, math.nan])
    assert kept.returns.tolist() == [0.1, -0.1]
    assert kept.n_dropped == 2
    with_gaps = [r for pair in zip(SIX, [math.nan] * 6, strict=True) for r in pair]
    for statistic in (sharpe_ratio, sortino_ratio, calmar_ratio):
        assert statistic(with_gaps, 252) == statistic(SIX, 252)
    assert max_drawdown(with_gaps) == max_drawdown(SIX)
    assert equity_curve(with_gaps).tolist() == equity_curve(SIX).tolist()


def test_trades_by_hand():
    # cumulative 2, 1, 1, 4, 2: peaks 2, 2, 2, 4, 4; the largest fall is 2
    stats = trade_stats([2.0, -1.0, 0.0, 3.0, -2.0])
    assert stats.win_rate == 0.4
    assert stats.profit_factor == pytest.approx(5 / 3)
    assert stats.recovery_factor == 1.0
    # the peak starts at 0, so a loss at once is a fall
    assert trade_stats([-1.0, 3.0]).recovery_factor == 2.0


def test_trades_without_losses_or_without_trades():
    assert trade_stats([1.0, 2.0]) == (1.0, math.inf, math.inf)
    assert all(math.isnan(value) for value in trade_stats([]))
    flat = trade_stats([0.0])
    assert flat.win_rate == 0.0
    assert math.isnan(flat.profit_factor)
    assert math.isnan(flat.recovery_factor)


@pytest.mark.parametrize("statistic", [sharpe_ratio, sortino_ratio, calmar_ratio])
def test_invalid_arguments_raise(statistic):
    with pytest.raises(ShapeError, match="periods_per_year: is 0"):
        statistic([0.1, 0.2], 0)
    with pytest.raises(ShapeError, match="returns row 1: is inf"):
        statistic([0.1, math.inf], 252)
