"""Figures, curves, groups and sensitivity of a backtest, against their definitions."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import InputError, ShapeError
from barmill.evaluation import (
    BacktestConfig,
    BacktestEngine,
    Signals,
    backtest_many,
    by_group,
    calmar_ratio,
    max_drawdown,
    monthly_returns,
    rolling_sharpe,
    sensitivity,
    sharpe_ratio,
    sortino_ratio,
    trading_hours,
    underwater,
    volatility_regimes,
)
from barmill.market import simulate

N = 6_000


@pytest.fixture(scope="module")
def bars():
    return simulate(N, seed=2).bars


@pytest.fixture(scope="module")
def signals():
    rng = np.random.default_rng(3)
    return Signals.of(rng.choice([1, -1, 0], N, p=[0.01, 0.01, 0.98]), rng.uniform(0.5, 1.0, N))


@pytest.fixture(scope="module")
def result(bars, signals):
    return BacktestEngine(BacktestConfig(holding_bars=30, stop_atr=3, target_r=2)).run(bars, signals)


def test_ratios_are_those_of_the_returns_from_close_to_close(result):
    returns, m, periods = result.returns, result.metrics, 525_600
    assert m["sharpe"] == sharpe_ratio(returns, periods)
    assert m["sortino"] == sortino_ratio(returns, periods)
    assert m["max_drawdown"] == pytest.approx(max_drawdown(returns), rel=1e-12)
    assert m["calmar"] == pytest.approx(calmar_ratio(returns, periods), rel=1e-9)
    assert m["net_total_pnl"] == pytest.approx(m["gross_total_pnl"] - m["cost_total"], abs=1e-6)
    assert m["cost_total"] == pytest.approx(m["fees"] + m["slippage"] + m["funding"])
    assert m["hit_rate"] == np.mean(result.trades.net > 0)
    assert m["avg_trade_pnl"] == pytest.approx(m["net_total_pnl"] / m["n_trades"])


def test_underwater_is_the_drawdown_at_each_close(result):
    under = underwater(result)
    assert under.min() == pytest.approx(result.metrics["max_drawdown"])
    assert np.mean(under < 0) == result.metrics["time_under_water"]


def test_months_compound_to_the_whole(result):
    assert np.prod([1 + month.net_return for month in monthly_returns(result)]) - 1 == pytest.approx(result.metrics["net_return"])
    assert sum(month.n_bars for month in monthly_returns(result)) == N


def test_rolling_sharpe_is_that_of_each_window(result):
    rolling = rolling_sharpe(result, 500)
    assert np.isnan(rolling[:499]).all()
    for t in (499, 2_000, N - 1):
        assert rolling[t] == pytest.approx(sharpe_ratio(result.returns[t - 499 : t + 1], 525_600), rel=1e-6, nan_ok=True)
    with pytest.raises(ShapeError):
        rolling_sharpe(result, 1)


def test_a_window_without_a_trade_has_no_sharpe(bars):
    side = np.zeros(N)
    side[10] = 1
    quiet = BacktestEngine(BacktestConfig(holding_bars=5)).run(bars, side)
    rolling = rolling_sharpe(quiet, 100)
    assert np.isfinite(rolling[110])
    assert np.isnan(rolling[200:]).all()


def test_the_json_is_that_of_the_seed_and_plain(result):
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert {"config", "trades", "metrics", "equity_curve", "raw_rows"} <= told.keys()
    assert told["raw_rows"] == len(told["equity_curve"]) == N
    keys = {"timestamp", "signal", "confidence", "future_return", "gross_pnl", "net_pnl", "risk_fraction", "lots", "metadata"}
    assert keys <= told["trades"][0].keys()
    assert told["equity_curve"][-1].keys() == {"timestamp", "gross", "net"}
    thin = result.to_dict(most_points=100)["equity_curve"]
    assert len(thin) == 100
    assert thin[-1] == told["equity_curve"][-1]


def test_a_stop_loses_one_r_before_costs_and_a_target_earns_its_multiple(result):
    trades = result.trades
    gross_r = trades.gross / trades.risk
    fine = trades.entry_bar < trades.exit_bar  # one that gapped loses more, which is rare here
    assert np.median(gross_r[(trades.reason == 2) & fine]) == pytest.approx(-1)
    assert np.median(gross_r[(trades.reason == 3) & fine]) == pytest.approx(2)
    assert (trades.mae <= 1e-9).all()
    assert (trades.mfe >= -1e-9).all()
    assert (trades.gross >= trades.mae - 1e-6).all()
    assert (trades.gross <= trades.mfe + 1e-6).all()


def test_without_a_trade_there_are_no_ratios(bars):
    empty = BacktestEngine(BacktestConfig()).run(bars, np.zeros(N))
    assert empty.metrics["n_trades"] == empty.metrics["net_total_pnl"] == empty.metrics["max_drawdown"] == 0
    assert all(math.isnan(empty.metrics[name]) for name in ("sharpe", "calmar", "hit_rate", "avg_r", "cost_per_trade"))
    assert empty.trades.frame().height == 0
    json.dumps(empty.to_dict(), allow_nan=False)


def test_groups_share_out_the_trades(bars, result):
    for labels, names in (
        (trading_hours(bars), ("asia", "europe", "us", "late")),
        (volatility_regimes(bars), ("quiet", "middling", "wild")),
    ):
        groups = by_group(result, labels, names)
        assert sum(group.n_trades for group in groups) == len(result.trades)
        assert sum(group.net_pnl for group in groups) == pytest.approx(result.metrics["net_total_pnl"])
        assert sum(group.bar_share for group in groups) == pytest.approx(1)
    with pytest.raises(ShapeError):
        by_group(result, np.full(N, 3), ("a", "b"))


@given(st.integers(2_000, N))
def test_a_regime_is_known_at_its_bar(n):
    bars = simulate(N, seed=2).bars
    np.testing.assert_array_equal(volatility_regimes(bars.slice(0, n)), volatility_regimes(bars)[:n])


def test_sensitivity_begins_with_the_backtest_itself(bars, signals, result):
    found = sensitivity(bars, signals, result.config)
    assert found.costs[1]["net_return"] == pytest.approx(result.metrics["net_return"])
    assert found.costs[0]["net_return"] > found.costs[1]["net_return"] > found.costs[3]["net_return"]
    own = found.slippage.index(0.2)  # of the simulated market, in basis points
    assert found.slippage_field == "slippage_bps"
    assert found.grid[own][0]["net_return"] == pytest.approx(result.metrics["net_return"])
    assert found.grid[0][-1]["n_trades"] < found.grid[0][0]["n_trades"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_columns_of_signals_and_configs_go_side_by_side(bars):
    rng = np.random.default_rng(1)
    sides = rng.choice(np.array([1, -1, 0, 0, 0, 0], dtype=np.int8), (N, 3))
    configs = [BacktestConfig(holding_bars=hold, sizing="lots") for hold in (5, 10, 20)]
    table = backtest_many(bars, sides, configs, threads=2)
    alone = [BacktestEngine(config).run(bars, sides[:, i]).metrics["net_total_pnl"] for i, config in enumerate(configs)]
    np.testing.assert_allclose(table["net_total_pnl"], alone)
    np.testing.assert_allclose(backtest_many(bars, sides.astype(float), configs)["net_total_pnl"], alone)
    with pytest.raises(ShapeError, match="3 columns, 2 configs, 1 cost scales"):
        backtest_many(bars, sides, configs[:2])
    with pytest.raises(InputError, match="atr_window: differs among the configs: 14, 20"):
        backtest_many(bars, sides[:, :2], [configs[0], configs[1].model_copy(update={"atr_window": 20})])
    with pytest.raises(InputError, match="share"):
        backtest_many(bars, sides, BacktestConfig(sizing="share"))
