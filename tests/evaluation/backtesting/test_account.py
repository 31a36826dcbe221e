"""The account adds up at every bar, whatever the rules, and is the one that a slow obvious day book keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.evaluation import BacktestConfig, BacktestEngine, BacktestResult, FundingRates, Signals, backtest_many
from barmill.evaluation.backtesting.trade_list import REASONS
from barmill.market import Bars, Fee, Instrument, Slippage
from oracles.account import DayBook

CENT = 0.01
MINUTE_MS = 60_000


def instrument(multiplier=1.0, tick=0.5, fee=None, slippage=None):
    fee, slippage = fee or Fee(bps=5.0), slippage or Slippage(ticks=0.5)
    return Instrument(symbol="T", tick_size=tick, multiplier=multiplier, calendar="24/7", fee=fee, slippage=slippage)


@st.composite
def markets(draw, least=3, most=40):
    """Bars on a coarse grid, so that levels are hit exactly, gapped over, and both in one bar."""
    n = draw(st.integers(least, most))
    seed = draw(st.integers(0, 2**32 - 1))
    wild = draw(st.sampled_from([1.0, 3.0, 10.0]))
    rng = np.random.default_rng(seed)
    close = np.maximum(100 + np.cumsum(np.round(rng.normal(0, wild, n) * 2) / 2), 5.0)
    opened = np.maximum(np.concatenate([[100.0], close[:-1]]) + np.round(rng.normal(0, wild / 2, n) * 2) / 2, 5.0)
    high = np.maximum(opened, close) + np.round(rng.exponential(wild / 2, n) * 2) / 2
    low = np.maximum(np.minimum(opened, close) - np.round(rng.exponential(wild / 2, n) * 2) / 2, 0.5)
    traded = instrument(
        draw(st.sampled_from([1.0, 50.0])),
        fee=draw(st.sampled_from([Fee(bps=0.0), Fee(bps=5.0), Fee(per_contract=2.0)])),
        slippage=draw(st.sampled_from([Slippage(ticks=0.0), Slippage(ticks=1.0), Slippage(bps=2.0)])),
    )
    return Bars.from_columns(traded, "1m", MINUTE_MS * np.arange(n), opened, high, low, close, np.ones(n))


@st.composite
def configs(draw):
    """Any rules that fit together."""

    def maybe(values):
        return draw(st.one_of(st.none(), st.sampled_from(values)))

    chosen = {
        "fill": draw(st.sampled_from(["next_open", "next_close"])),
        "holding_bars": maybe([1, 2, 5]),
        "renew": draw(st.booleans()),
        "on_opposite": draw(st.sampled_from(["reverse", "close", "ignore"])),
        "allow_short": draw(st.booleans()),
        "min_confidence": draw(st.sampled_from([0.0, 0.6])),
        "max_trades": maybe([0, 1, 3]),
        "cooldown_bars": draw(st.sampled_from([0, 0, 1, 3])),
        "fee_per_trade": draw(st.sampled_from([0.0, 1.5])),
        "round_to_tick": draw(st.booleans()),
        "sizing": draw(st.sampled_from(["lots", "fraction", "volatility", "kelly"])),
        "lots": draw(st.sampled_from([1.0, 3.0])),
        "fraction": draw(st.sampled_from([0.5, 1.0, 8.0])),
        "payoff_ratio": draw(st.sampled_from([1.0, 2.0])),
        "lot_step": draw(st.sampled_from([0.0, 1.0])),
        "max_lots": maybe([2.0]),
        "max_leverage": maybe([1.0]),
        "margin_per_lot": maybe([1_000.0]),
        "max_drawdown": maybe([0.05, 0.3]),
        "account_size": draw(st.sampled_from([2_000.0, 100_000.0])),
        "atr_window": 2,
        "volatility_span": 5,
        draw(st.sampled_from(["stop_atr", "stop_share"])): maybe([0.02, 0.5]),
    }
    stop = chosen.get("stop_atr") or chosen.get("stop_share")
    chosen[draw(st.sampled_from(["target_atr", "target_share", *(["target_r"] if stop else [])]))] = maybe([0.02, 1.0, 2.0])
    if stop or chosen["margin_per_lot"]:
        chosen["max_risk_per_trade"] = maybe([0.02])
    return BacktestConfig(**chosen)


@st.composite
def cases(draw):
    bars = draw(markets())
    n = len(bars)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    often = draw(st.sampled_from([0.05, 0.1, 0.5]))
    side = rng.choice([1, -1, 2, 0], size=n, p=[often / 2, often / 3, often / 6, 1 - often])
    signals = Signals(side.astype(np.int8), np.round(rng.uniform(0.4, 1.0, n), 2))
    config = draw(configs())
    settled = np.flatnonzero(rng.random(n) < 0.3)
    funding = FundingRates(bars.open_time[settled], rng.normal(0, 0.01, settled.size)) if draw(st.booleans()) else None
    return bars, signals, config, funding


def check_books(result: BacktestResult) -> None:
    """The accounting law: equity is cash plus position value at every bar, and trades add up to its change, to the cent."""
    curve, trades = result.equity_curve, result.trades
    np.testing.assert_allclose(curve.cash + curve.position_value, curve.net, rtol=0, atol=CENT / 10)
    assert abs(trades.net.sum() - (curve.net[-1] - result.config.account_size)) < CENT
    assert abs(trades.gross.sum() - (curve.gross[-1] - result.config.account_size)) < CENT
    np.testing.assert_allclose(trades.gross - trades.fees - trades.slippage - trades.funding, trades.net, rtol=0, atol=1e-9)
    assert (trades.fees >= 0).all()
    assert (trades.slippage >= -1e-9).all()
    assert (trades.entry_bar > trades.decided_bar).all()
    assert (trades.entry_bar[1:] >= trades.exit_bar[:-1]).all()


@settings(max_examples=300)
@given(cases())
def test_the_books_balance_and_are_those_of_a_day_book_kept_by_hand(case):
    from barmill.evaluation.backtesting.market_arrays import market_arrays

    bars, signals, config, funding = case
    result = BacktestEngine(config).run(bars, signals, funding=funding)
    check_books(result)
    made = market_arrays(bars, [config], funding)
    kept = DayBook(
        config,
        bars.instrument,
        list(zip(bars.open, bars.high, bars.low, bars.close, strict=True)),
        signals.side,
        confidence=signals.confidence,
        atr=made.atr,
        volatility=made.volatility,
        funding=made.funding if made.funding.size else None,
    ).kept()
    trades = result.trades
    assert [(trade.decided, trade.entered, trade.left, trade.side, trade.reason) for trade in kept.trades] == [
        (int(d), int(e), int(x), int(s), REASONS[r])
        for d, e, x, s, r in zip(trades.decided_bar, trades.entry_bar, trades.exit_bar, trades.side, trades.reason, strict=True)
    ]
    for name in ("lots", "gross", "fees", "slippage", "funding", "net"):
        np.testing.assert_allclose(getattr(trades, name), [getattr(trade, name) for trade in kept.trades], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(result.equity_curve.net, kept.equity, rtol=1e-9, atol=1e-6)
    assert bool(result.stopped) == bool(kept.stopped)


@settings(max_examples=100)
@given(cases())
def test_what_comes_later_changes_nothing_before(case):
    bars, signals, config, funding = case
    whole = BacktestEngine(config).run(bars, signals, funding=funding).equity_curve.net
    for n in range(1, len(bars)):
        part = Signals(signals.side[:n], signals.confidence[:n])
        np.testing.assert_array_equal(BacktestEngine(config).run(bars.slice(0, n), part, funding=funding).equity_curve.net, whole[:n])


@settings(max_examples=100)
@given(cases())
def test_a_column_of_many_is_the_backtest_alone(case):
    bars, signals, config, funding = case
    if not case[0].open_time.size % 3:
        funding = None  # the loop that skips ahead runs where nothing is charged between closes
    alone = BacktestEngine(config).run(bars, signals, funding=funding)
    row = backtest_many(bars, signals, config, funding=funding).to_dicts()[0]
    assert row["stopped"] == alone.stopped
    for name, value in row.items():
        if name in ("calmar", "sharpe", "sortino") and abs(value) > 1e6:
            continue  # a year grown from a few minutes: both are astronomical
        if name != "stopped":
            np.testing.assert_allclose(value, alone.metrics[name], rtol=1e-6, atol=1e-6, err_msg=name)


# ---- the laws catch what breaks them


@pytest.fixture
def traded():
    rng = np.random.default_rng(5)
    close = 100 + np.cumsum(rng.normal(0, 1, 300))
    opened = np.concatenate([[100.0], close[:-1]])
    ends = np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.5
    bars = Bars.from_columns(instrument(), "1m", MINUTE_MS * np.arange(300), opened, *ends, close, np.ones(300))
    return bars, rng.choice([1, -1, 0, 0, 0], 300)


def test_a_cost_of_the_wrong_sign_is_caught(traded):
    result = BacktestEngine(BacktestConfig(sizing="lots", holding_bars=5)).run(*traded)
    check_books(result)
    earned = replace(result.trades, net=result.trades.gross + result.trades.fees + result.trades.slippage)
    with pytest.raises(AssertionError):
        check_books(replace(result, trades=earned))


def test_a_fill_at_the_close_that_decided_is_caught(traded):
    result = BacktestEngine(BacktestConfig(sizing="lots", holding_bars=5)).run(*traded)
    early = replace(result.trades, entry_bar=result.trades.decided_bar)
    with pytest.raises(AssertionError):
        check_books(replace(result, trades=early))


def test_a_signal_that_knows_the_next_bar_does_not_earn_it(traded):
    """The sign of the bar after the decision is worth nothing here: the fill is at its open only where the signal was known before it."""
    bars, _ = traded
    next_bar = np.sign(np.append(bars.close[1:] - bars.open[1:], 0.0))
    config = BacktestConfig(sizing="lots", holding_bars=1, transaction_cost_bps=0, slippage_ticks=0)
    seen = BacktestEngine(config).run(bars, next_bar)
    known = BacktestEngine(config).run(bars, np.sign(bars.close - bars.open))
    assert seen.metrics["hit_rate"] == 1.0  # a look-ahead signal wins every trade, so the shift by one bar is what stands between
    assert 0.3 < known.metrics["hit_rate"] < 0.7
