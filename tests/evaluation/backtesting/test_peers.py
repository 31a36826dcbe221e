"""The same signals through vectorbt and backtesting.py give the same trades and equity where the rules coincide.

Each test says which rules those are. Money is in units of the quote, one unit of the asset is one lot of multiplier 1.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

from barmill.evaluation import BacktestConfig, BacktestEngine, Signals
from barmill.market import Bars, Fee, Instrument, Slippage

N_BARS = 1_500
CASH = 100_000.0


def make_bars(seed, gaps=0.02):
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-3, N_BARS)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, gaps / 10, N_BARS))
    high = np.maximum(opened, close) * (1.0 + rng.exponential(2e-3, N_BARS))
    low = np.minimum(opened, close) * (1.0 - rng.exponential(2e-3, N_BARS))
    free = Instrument(symbol="T", tick_size=0.01, multiplier=1.0, calendar="24/7", fee=Fee(bps=0), slippage=Slippage(bps=0))
    return Bars.from_columns(free, "1h", 3_600_000 * np.arange(N_BARS), opened, high, low, close, np.ones(N_BARS))


def make_signals(seed, density=0.06):
    rng = np.random.default_rng(seed + 100)
    side = rng.choice([1, -1, 2, 0], N_BARS, p=[density / 3, density / 3, density / 3, 1 - density])
    return Signals(side.astype(np.int8))


# ---- vectorbt

one_process = pytest.mark.xdist_group("vectorbt")  # it compiles what it simulates with, for 5 s, in each process anew


def with_vectorbt(bars, signals, fees=0.0, slippage=0.0, fixed_fees=0.0):
    """Orders at the open of the bar after the signal, one unit each way, reversals by an opposite entry, every order accepted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own dependencies warn while they are imported
        import vectorbt as vbt

    def after(mask):
        return np.concatenate([[False], mask[:-1]])

    index = pd.to_datetime(bars.open_time, unit="ms")
    return vbt.Portfolio.from_signals(
        pd.Series(bars.close, index),
        entries=pd.Series(after(signals.side == 1), index),
        exits=pd.Series(after(signals.side == 2), index),
        short_entries=pd.Series(after(signals.side == -1), index),
        short_exits=pd.Series(after(signals.side == 2), index),
        price=pd.Series(bars.open, index),
        size=1.0,
        size_type="amount",
        upon_opposite_entry="reverse",
        fees=fees,
        slippage=slippage,
        fixed_fees=fixed_fees,
        init_cash=CASH,
        freq="1h",
    )


@one_process
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"transaction_cost_bps": 5.0}, {"fees": 5e-4}),  # of the fill's value, which is the quote's where nothing slips
        ({"slippage_bps": 3.0}, {"slippage": 3e-4}),
        ({"slippage_bps": 3.0, "fee_per_trade": 0.25}, {"slippage": 3e-4, "fixed_fees": 0.25}),
    ],
)
def test_trades_and_equity_are_those_of_vectorbt(seed, ours, theirs):
    """Coincide: fills at the next open, one unit, reversal on the opposite signal, bps of the fill. Flat fees: without reversals.

    vectorbt reverses with one order, which pays one flat fee; we close and open, which are two.
    """
    bars, signals = make_bars(seed), make_signals(seed, density=0.15)
    on_opposite = "ignore" if "fee_per_trade" in ours else "reverse"
    if on_opposite == "ignore":
        signals = Signals(np.where(signals.side == -1, np.int8(0), signals.side))
    result = BacktestEngine(BacktestConfig(sizing="lots", account_size=CASH, on_opposite=on_opposite, **ours)).run(bars, signals)
    portfolio = with_vectorbt(bars, signals, **theirs)
    np.testing.assert_allclose(result.equity_curve.net, portfolio.value().to_numpy(), rtol=1e-12)
    records = portfolio.trades.records
    assert len(result.trades) == len(records) > 10
    np.testing.assert_array_equal(result.trades.entry_bar, records["entry_idx"])
    closed = result.trades.reason != 0  # an open trade is marked at the last close by both; vectorbt calls its exit the last row
    np.testing.assert_array_equal(result.trades.exit_bar[closed], records["exit_idx"][closed])
    np.testing.assert_allclose(result.trades.net, records["pnl"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.trades.entry_price, records["entry_price"], rtol=1e-12)


@one_process
def test_sharpe_and_drawdown_are_those_of_vectorbt():
    """Coincide: per-bar returns of equity; its year has 365 days of 24 hours, its Sharpe ratio ddof=1."""
    bars, signals = make_bars(9), make_signals(9)
    metrics = BacktestEngine(BacktestConfig(sizing="lots", account_size=CASH)).run(bars, signals).metrics
    portfolio = with_vectorbt(bars, signals)
    assert metrics["sharpe"] == pytest.approx(portfolio.sharpe_ratio(), rel=1e-9)
    assert metrics["sortino"] == pytest.approx(portfolio.sortino_ratio(), rel=1e-9)
    assert metrics["max_drawdown"] == pytest.approx(portfolio.max_drawdown(), rel=1e-9)
    assert metrics["hit_rate"] == pytest.approx(portfolio.trades.win_rate(), rel=1e-9)
    assert metrics["profit_factor"] == pytest.approx(portfolio.trades.profit_factor(), rel=1e-9)


# ---- backtesting.py


def with_backtesting_py(bars, signals, stop_share, target_share, commission=0.0):
    """A strategy that orders one unit with a stop and a target, whose levels it takes from the price at which the order will fill."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy

    side = signals.side
    after = np.append(bars.open[1:], np.nan)  # so that the levels lie around the entry, as ours do

    class Follow(Strategy):
        def init(self):
            pass

        def next(self):
            t = len(self.data) - 1
            said = int(side[t])
            if self.position:
                if said == 2:
                    self.position.close()
                return
            if said in (1, -1) and t + 1 < N_BARS:
                entry = after[t]
                levels = {"sl": entry * (1 - said * stop_share), "tp": entry * (1 + said * target_share)} if stop_share else {}
                (self.buy if said > 0 else self.sell)(size=1, **levels)

    frame = pd.DataFrame(
        {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume},
        index=pd.to_datetime(bars.open_time, unit="ms"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a trade is still open at the end, which both mark
        return Backtest(frame, Follow, cash=CASH, commission=commission, exclusive_orders=False, finalize_trades=False).run()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("stop", "target", "commission"), [(None, None, 0.0), (0.01, 0.015, 0.0), (0.004, 0.003, 0.0005)])
def test_stops_and_targets_are_those_of_backtesting_py(seed, stop, target, commission):
    """Coincide: fills at the next open, a stop and target from the bar of the entry on, at the open where it gapped, the stop first.

    Opposite signals are ignored while a trade is held. Its levels are prices, ours a share of the close that decides, laid at the entry: on
    bars that open where the last one closed these are the same.
    """
    bars, signals = make_bars(seed, gaps=0.05), make_signals(seed, density=0.2)
    config = BacktestConfig(sizing="lots", account_size=CASH, on_opposite="ignore", renew=False, transaction_cost_bps=commission * 1e4)
    if stop:
        config = config.model_copy(update={"stop_share": stop, "target_share": target})
        bars = with_open_at_close(bars)
    theirs = with_backtesting_py(bars, signals, stop, target, commission)
    result = BacktestEngine(config).run(bars, signals)
    made = theirs["_trades"].sort_values(["EntryBar", "ExitBar"]).reset_index(drop=True)
    closed = result.trades.reason != 0
    assert int(closed.sum()) == len(made) > 20
    np.testing.assert_array_equal(result.trades.entry_bar[closed], made["EntryBar"])
    np.testing.assert_array_equal(result.trades.exit_bar[closed], made["ExitBar"])
    np.testing.assert_allclose(result.trades.entry_price[closed], made["EntryPrice"], rtol=1e-12)
    np.testing.assert_allclose(result.trades.exit_price[closed], made["ExitPrice"], rtol=1e-12)
    last = int(result.trades.entry_bar[~closed].min()) if (~closed).any() else N_BARS
    np.testing.assert_allclose(result.equity_curve.net[:last], theirs["_equity_curve"]["Equity"].to_numpy()[:last], rtol=1e-9)


def with_open_at_close(bars):
    """Bars that open where the last one closed: then a share of the close that decides is a share of the price that fills."""
    opened = np.concatenate([bars.open[:1], bars.close[:-1]])
    high, low = np.maximum(bars.high, opened), np.minimum(bars.low, opened)
    return Bars.from_columns(bars.instrument, "1h", bars.open_time, opened, high, low, bars.close, bars.volume)
