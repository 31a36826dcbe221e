"""Models are judged by the account's own arithmetic: the two agree wherever their rules coincide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.evaluation import BacktestConfig, BacktestEngine, Signals, backtest, positions
from barmill.market import Bars, Fee, Instrument, Slippage, cost_rate

MINUTE_MS = 60_000


@st.composite
def markets(draw):
    """Bars without gaps between them, so that equity at a close is equity at the next open, which is where judging looks."""
    n, seed = draw(st.integers(4, 60)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    costs = draw(
        st.sampled_from([(Fee(bps=0), Slippage(bps=0)), (Fee(bps=5), Slippage(ticks=1)), (Fee(per_contract=0.1), Slippage(bps=2))])
    )
    traded = Instrument(symbol="T", tick_size=0.01, multiplier=5.0, fee=costs[0], slippage=costs[1])
    ends = np.maximum(opened, close) + 0.1, np.minimum(opened, close) - 0.1
    return Bars.from_columns(traded, "1m", MINUTE_MS * np.arange(n), opened, *ends, close, np.ones(n)), rng


@given(markets(), st.sampled_from([(-1.0, 0.0, 1.0), (-0.7, -0.2, 0.0, 0.5, 1.0)]))
def test_a_share_of_equity_earns_what_judging_says_to_the_last_digits(made, sizes):
    bars, rng = made
    position = rng.choice(sizes, len(bars))
    judged = backtest(bars.open, position, cost_rate(bars.instrument, bars.open), 525_600)
    result = BacktestEngine(BacktestConfig(sizing="share")).run(bars, position)
    net = result.equity_curve.net / result.config.account_size
    # at the close of bar t + 1, which is open[t + 2]: what judging counts after decision t
    np.testing.assert_allclose(net[1:-1], judged.equity, rtol=1e-12)
    ours, theirs = result.trades, judged.trades
    within = ours.entry_bar < len(bars) - 1  # judging looks at no decision after its last two bars
    np.testing.assert_array_equal(ours.entry_bar[within], theirs.entry_bar)
    np.testing.assert_array_equal(ours.side[within], theirs.side)


@given(markets(), st.integers(1, 10))
def test_a_held_signal_makes_the_path_by_which_models_are_judged(made, hold):
    """The trading rule of the judging, and the same forecasts as signals with a holding period: the same trades."""
    bars, rng = made
    p_up = np.where(rng.random(len(bars)) < 0.2, np.nan, rng.uniform(0, 1, len(bars)))
    path = positions(p_up, 0.3, 0.7, hold)
    signals = Signals.of_forecast(p_up, long_above=0.7, short_below=0.3)
    held = BacktestEngine(BacktestConfig(sizing="lots", holding_bars=hold)).run(bars, signals)
    followed = BacktestEngine(BacktestConfig(sizing="lots")).run(bars, Signals.of_positions(path))
    np.testing.assert_array_equal(held.equity_curve.net, followed.equity_curve.net)
    judged = backtest(bars.open, path, 0.0, 525_600).trades
    within = held.trades.entry_bar < len(bars) - 1
    np.testing.assert_array_equal(held.trades.entry_bar[within], judged.entry_bar)
    np.testing.assert_array_equal(held.trades.side[within], judged.side)


def test_a_single_trade_costs_what_the_cost_functions_say():
    n = 20
    traded = Instrument.builtin("ES")
    price = np.full(n, 5_000.0)
    bars = Bars.from_columns(traded, "1m", MINUTE_MS * np.arange(n), price, price, price, price, np.ones(n))
    result = BacktestEngine(BacktestConfig(sizing="lots", lots=3, holding_bars=5)).run(bars, np.where(np.arange(n) == 4, 1, 0))
    (trade,) = result.trades
    assert trade.transaction_cost == pytest.approx(3 * 50 * 5_000 * 2 * float(cost_rate(traded, 5_000.0)))
