import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import ShapeError
from barmill.evaluation import backtest, backtest_net_returns, calmar_ratio, max_drawdown, sharpe_ratio, sortino_ratio, trade_stats

OPEN = [100.0, 100.0, 110.0, 99.0, 99.0, 108.9]


@st.composite
def paths(draw):
    n = draw(st.integers(3, 40))
    prices = draw(arrays(np.float64, n, elements=st.floats(50, 150)))
    position = draw(arrays(np.float64, n, elements=st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0])))
    rate = draw(arrays(np.float64, n, elements=st.floats(0, 0.01)))
    return prices, position, rate


def slow_net_returns(prices, position, rate):
    """The definition, row by row."""
    net = []
    for t in range(len(prices) - 2):
        before = position[t - 1] if t > 0 else 0.0
        net.append(position[t] * (prices[t + 2] / prices[t + 1] - 1) - rate[t + 1] * abs(position[t] - before))
    return np.array(net)


def slow_trades(prices, position, rate):
    """A ledger kept by hand: opened, charged and closed one bar after another."""
    trades, current = [], None
    for t in range(len(prices) - 2):
        now, before = position[t], position[t - 1] if t > 0 else 0.0
        if np.sign(now) != np.sign(before):
            if current:
                current["cost"] += rate[t + 1] * abs(before)
                trades.append({**current, "exit_bar": t + 1, "still_open": False})
                current = None
            if now != 0:
                current = {"entry_bar": t + 1, "side": np.sign(now), "gross": 0.0, "cost": rate[t + 1] * abs(now)}
        elif current:
            current["cost"] += rate[t + 1] * abs(now - before)
        if current:
            current["gross"] += now * (prices[t + 2] / prices[t + 1] - 1)
    if current:
        trades.append({**current, "exit_bar": len(prices) - 1, "still_open": True})
    return trades


def test_six_bars_by_hand():
    # decided at the close of bar 0, filled at open 1: +10 % less 1 % on the way in; flip: -(-10 %) less 2 %; out: 1 %
    net = backtest_net_returns(OPEN, [1.0, -1.0, 0.0, 0.0, 5.0, 5.0], 0.01)
    np.testing.assert_allclose(net, [0.10 - 0.01, 0.10 - 0.02, -0.01, 0.0], rtol=0, atol=1e-15)


def test_the_rate_of_the_fill_bar_counts():
    rates = np.array([9.0, 0.01, 0.02, 0.03, 0.04, 9.0])
    net = backtest_net_returns(OPEN, [1.0, -1.0, 0.0, 1.0, 0.0, 0.0], rates)
    np.testing.assert_allclose(net, [0.10 - 0.01, 0.10 - 0.04, -0.03, 0.10 - 0.04], rtol=0, atol=1e-15)


@given(paths())
def test_returns_are_the_definition_row_by_row(path):
    np.testing.assert_allclose(backtest_net_returns(*path), slow_net_returns(*path), rtol=0, atol=1e-14)


@given(paths())
def test_prefixes_give_the_same_bits(path):
    prices, position, rate = path
    whole = backtest_net_returns(prices, position, rate)
    for n in range(len(prices)):
        np.testing.assert_array_equal(backtest_net_returns(prices[:n], position[:n], rate[:n]), whole[: max(n - 2, 0)])


@given(paths())
def test_the_last_two_positions_decide_nothing(path):
    prices, position, rate = path
    other = position.copy()
    other[-2:] = 7.0
    np.testing.assert_array_equal(backtest_net_returns(prices, position, rate), backtest_net_returns(prices, other, rate))


@settings(max_examples=200)
@given(paths())
def test_the_trade_list_is_that_of_a_ledger_kept_by_hand(path):
    trades, slow = backtest(*path, periods_per_year=252).trades, slow_trades(*path)
    assert len(trades) == len(slow)
    for name in ("entry_bar", "exit_bar", "side", "still_open"):
        assert getattr(trades, name).tolist() == [trade[name] for trade in slow]
    for name in ("gross", "cost"):
        np.testing.assert_allclose(getattr(trades, name), [trade[name] for trade in slow], rtol=0, atol=1e-12)


@given(paths())
def test_the_profits_of_the_trades_sum_to_those_of_the_bars(path):
    result = backtest(*path, periods_per_year=252)
    assert result.trades.net.sum() == pytest.approx(result.net.sum(), abs=1e-12)
    assert result.trades.cost.sum() == pytest.approx(result.metrics["cost_paid"], abs=1e-12)
    np.testing.assert_allclose(result.net, result.gross - result.cost, atol=0)


def test_figures_are_those_of_the_functions_of_their_names():
    rng = np.random.default_rng(0)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 500)))
    position = np.repeat(rng.choice([-1.0, 0.0, 1.0], 50), 10)
    result = backtest(prices, position, 0.0005, periods_per_year=252)
    net, metrics = result.net, result.metrics
    assert metrics["sharpe"] == sharpe_ratio(net, 252)
    assert metrics["sortino"] == sortino_ratio(net, 252)
    assert metrics["calmar"] == calmar_ratio(net, 252)
    assert metrics["max_drawdown"] == max_drawdown(net)
    assert (metrics["win_rate"], metrics["profit_factor"], metrics["recovery_factor"]) == trade_stats(result.trades.net)
    assert metrics["exposure"] == np.mean(position[:498] != 0)
    assert metrics["turnover"] == pytest.approx(np.abs(np.diff(position[:498], prepend=0)).sum() / 498 * 252)
    assert metrics["total_return"] == pytest.approx(np.prod(1 + net) - 1)
    assert metrics["gross_total_return"] > metrics["total_return"]
    assert result.equity_at_bars.shape == prices.shape
    assert result.equity_at_bars[0] == 1.0
    assert result.equity_at_bars[-1] == result.equity[-1]


def test_holding_without_costs_earns_the_market():
    result = backtest(OPEN, np.ones(6), 0.0, periods_per_year=252)
    assert result.metrics["total_return"] == pytest.approx(108.9 / 100.0 - 1)
    assert len(result.trades) == 1
    assert result.trades.still_open.all()
    assert result.trades.n_bars.tolist() == [4]


def test_doing_nothing_earns_nothing_and_has_no_ratios():
    metrics = backtest(OPEN, np.zeros(6), 0.01, periods_per_year=252).metrics
    assert metrics["total_return"] == metrics["cost_paid"] == metrics["n_trades"] == metrics["max_drawdown"] == 0
    assert all(math.isnan(metrics[name]) for name in ("sharpe", "sortino", "calmar", "win_rate", "profit_factor", "recovery_factor"))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_bars_judge_nothing(n):
    result = backtest(np.full(n, 100.0), np.ones(n), 0.0, periods_per_year=252)
    assert result.net.size == 0
    assert math.isnan(result.metrics["sharpe"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([100.0, 0.0, 100.0], [0, 0, 0], 0.0), "open row 1: is 0; expected a price above 0."),
        (([100.0, 100.0, 100.0], [0, 0], 0.0), "position: has 2 rows; expected 3."),
        (([100.0, 100.0, 100.0], [0, math.nan, 0], 0.0), "position row 1: is nan; expected a finite number."),
        (([100.0, 100.0, 100.0], [0, 0, 0], -0.1), "fee_rate row 1: is -0.1; expected a share of the traded value, 0 or more."),
        (([100.0, 100.0, 100.0], [0, 0, 0], [0.0, 0.0]), "fee_rate: has 2 rows; expected 3."),
    ],
)
def test_invalid_arguments_raise(arguments, said):
    with pytest.raises(ShapeError) as error:
        backtest_net_returns(*arguments)
    assert str(error.value) == said
