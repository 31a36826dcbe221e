"""Each rule on a few bars, worked by hand: entry at 100, tick 1, no costs unless the test is about them."""

import math

import numpy as np
import pytest

from barmill.errors import DataError, InputError, ShapeError
from barmill.evaluation import BacktestConfig, BacktestEngine, FundingRates, Signals
from barmill.market import Bars, Fee, Instrument, Slippage

HOUR_MS = 3_600_000


def bars_of(*rows, fee=None, slippage=None, calendar="24/7", first=0, step=HOUR_MS, timeframe="1h", **extra):
    """Rows of open, high, low, close."""
    traded = Instrument(
        symbol="T", tick_size=1.0, multiplier=10.0, calendar=calendar, fee=fee or Fee(bps=0), slippage=slippage or Slippage(ticks=0)
    )
    columns = np.array(rows, dtype=float).T
    return Bars.from_columns(traded, timeframe, first + step * np.arange(len(rows)), *columns, np.ones(len(rows)), **extra)


def flat(n, price=100):
    return [(price, price, price, price)] * n


def run(bars, side, rates=None, confidence=None, **rules):
    signals = np.zeros(len(bars)) + np.pad(np.asarray(side, dtype=float), (0, len(bars) - len(side)))
    config = BacktestConfig(**({"sizing": "lots"} | rules))
    return BacktestEngine(config).run(bars, Signals.of(signals, confidence), funding=rates)


def told(result):
    return [(t.signal, t.entry_price, t.exit_price, t.reason) for t in result.trades]


def test_a_decision_at_a_close_fills_at_the_next_open():
    result = run(bars_of((100, 105, 95, 104), (101, 106, 99, 105), (103, 103, 103, 103)), [1], holding_bars=1)
    assert told(result) == [("BUY", 101, 103, "holding period")]
    assert result.trades.net.tolist() == [20]


def test_a_fill_at_the_close_is_that_of_the_next_bar():
    result = run(bars_of((100, 105, 95, 104), (101, 106, 99, 105), (103, 110, 103, 109)), [1], holding_bars=1, fill="next_close")
    assert told(result) == [("BUY", 105, 109, "holding period")]
    assert result.trades[0].entry_time == "1970-01-01 02:00 UTC"


@pytest.mark.parametrize(
    ("bar", "left_at", "why"),
    [
        ((100, 103, 97, 100), 98, "stop"),  # both levels lie inside the bar: the stop comes first
        ((100, 102, 99, 101), 102, "target"),  # touched is reached
        ((96, 105, 95, 100), 96, "stop"),  # opened beyond the stop: left there, which is worse
        ((104, 105, 95, 100), 104, "target"),  # opened beyond the target: left there, which is better
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_stop_and_target_within_a_bar(bar, left_at, why, side):
    def turned(row):
        o, h, low, c = (100 + side * (x - 100) for x in row)
        return (o, max(h, low), min(h, low), c)

    result = run(bars_of(*flat(1), (100, 100, 100, 100), turned(bar), *flat(1)), [side], stop_share=0.02, target_share=0.02)
    assert told(result) == [("BUY" if side > 0 else "SELL", 100, 100 + side * (left_at - 100), why)]


def test_a_level_counts_from_the_bar_of_the_entry_on():
    result = run(bars_of(*flat(1), (100, 100, 97, 100), *flat(2)), [1], stop_share=0.02)
    assert told(result) == [("BUY", 100, 98, "stop")]
    assert result.trades.bars_held.tolist() == [0]


def test_a_stop_in_atr_takes_the_atr_known_at_the_decision():
    rows = [(100, 102, 98, 100)] * 3 + [(100, 110, 100, 100), (100, 100, 90, 95)]
    result = run(bars_of(*rows), [0, 0, 1], stop_atr=2, target_r=5, atr_window=2)
    assert told(result) == [("BUY", 100, 92, "stop")]  # ATR 4 at the decision; the wide bar after it has no say
    trade = result.trades[0]
    assert trade.r_multiple == -1.0
    assert trade.mae == -80.0
    assert trade.mfe == 100.0  # of the bar before the stop; within the bar of the stop nobody knows what came first
    assert trade.risk_fraction == pytest.approx(80 / 100_000)


def test_the_same_signal_renews_the_holding_period_and_an_opposite_one_reverses():
    side = [1, 0, 1, 0, 0, 0, -1, 0, 0]
    assert run(bars_of(*flat(14)), side, holding_bars=3).trades.exit_bar.tolist() == [6, 10]
    assert run(bars_of(*flat(14)), side, holding_bars=3, renew=False).trades.exit_bar.tolist() == [4, 10]
    assert run(bars_of(*flat(14)), side).trades.entry_bar.tolist() == [1, 7]
    assert run(bars_of(*flat(14)), side, on_opposite="close").trades.entry_bar.tolist() == [1]
    assert run(bars_of(*flat(14)), side, on_opposite="ignore").trades.exit_bar.tolist() == [13]
    assert run(bars_of(*flat(14)), side, allow_short=False).trades.side.tolist() == [1]


def test_minutes_are_turned_into_bars():
    assert run(bars_of(*flat(9)), [1], holding_period_minutes=180).trades.bars_held.tolist() == [3]
    with pytest.raises(InputError, match="90 minutes; expected a whole number of bars of 1h"):
        run(bars_of(*flat(9)), [1], holding_period_minutes=90)


def test_a_cooldown_blocks_the_closes_after_an_exit():
    side = [1, 1, 1, 1, 1, 1, 1, 1]
    rules = {"holding_bars": 1, "renew": False}
    assert run(bars_of(*flat(9)), side, **rules).trades.entry_bar.tolist() == [1, 3, 5, 7]
    assert run(bars_of(*flat(9)), side, cooldown_bars=2, **rules).trades.entry_bar.tolist() == [1, 5]


def test_least_confidence_and_most_trades():
    side, sure = [1, 1, 1, 1], np.array([0.5, 0.7, np.nan, 0.9, 0, 0, 0, 0, 0])
    rules = {"holding_bars": 1, "renew": False, "min_confidence": 0.6}
    result = run(bars_of(*flat(9)), side, confidence=sure, **rules)
    assert result.trades.decided_bar.tolist() == [1, 3]
    assert result.metrics["left_out_low_confidence"] == 2
    assert run(bars_of(*flat(9)), side, confidence=sure, max_trades=1, **rules).trades.decided_bar.tolist() == [1]


def test_costs_of_each_kind():
    bars = bars_of(*flat(4), fee=Fee(per_contract=3), slippage=Slippage(ticks=0.5))

    def costs(**rules):
        trades = run(bars, [1], holding_bars=1, lots=2, **rules).trades
        return trades.fees.tolist()[0], trades.slippage.tolist()[0]

    assert costs() == (12, 20)  # two sides of two contracts; half a point, ten a point
    assert costs(fee_per_trade=5) == (22, 20)
    assert costs(transaction_cost_bps=10) == pytest.approx((4, 20))
    assert costs(slippage_bps=10) == pytest.approx((12, 4))
    assert costs(slippage_ticks=2) == (12, 80)
    assert costs(round_to_tick=True) == (12, 40)  # half a tick worse is a whole one


def test_funding_is_paid_on_what_is_held_before_the_open_that_settles():
    bars = bars_of(*flat(5))
    rates = FundingRates(bars.open_time[[1, 2, 4]], np.array([0.5, 0.01, 0.02]))
    # entered at open 1 (its settlement is before), held over 2, left at open 4 (which is paid)
    assert run(bars, [1], rates, holding_bars=3).trades.funding.tolist() == [pytest.approx(0.01 * 1000 + 0.02 * 1000)]
    assert run(bars, [-1], rates, holding_bars=3).trades.net.tolist() == [pytest.approx(30)]
    assert run(bars, [1], rates, holding_bars=3, funding=False).trades.funding.tolist() == [0]


def test_funding_of_a_column_is_what_was_in_force_when_it_was_settled():
    rate = np.where(np.arange(12) == 7, 0.01, 0.9)  # the bar that closed at 08:00
    result = run(bars_of(*flat(12), funding_rate=rate), [1])
    assert result.trades.funding.tolist() == [pytest.approx(10)]
    assert run(bars_of(*flat(12), funding_rate=rate), [1], funding_hours=12).trades.funding.tolist() == [0]


def test_a_settlement_between_bars_is_charged_at_the_next_open():
    rates = FundingRates(np.array([HOUR_MS * 2 + 1, HOUR_MS * 3 - 1]), np.array([0.01, 0.01]))
    assert run(bars_of(*flat(6)), [1], rates).trades.funding.tolist() == [pytest.approx(20)]


def test_nothing_is_held_over_the_end_of_a_session():
    bars = bars_of(*flat(50), first=0)  # a session of a market that never closes is the UTC day
    side = np.zeros(50)
    side[[20, 23]] = 1
    result = run(bars, side, session_close_out=True)
    assert result.trades.entry_bar.tolist() == [21]  # what is decided at the last close is not entered
    assert result.trades.exit_bar.tolist() == [23]
    assert result.trades[0].exit_time == "1970-01-02 00:00 UTC"
    early = run(bars, side, session_close_out=True, close_out_minutes=60)
    assert early.trades.exit_bar.tolist() == [22]


def test_a_session_whose_last_bars_are_missing_is_left_at_the_next_open():
    times = np.r_[np.arange(20), np.arange(30, 40)] * HOUR_MS
    whole = bars_of(*flat(30))
    bars = Bars.from_columns(whole.instrument, "1h", times, whole.open, whole.high, whole.low, whole.close, whole.volume)
    side = np.zeros(30)
    side[[10, 19]] = [1, 1]
    result = run(bars, side, session_close_out=True)
    assert [(t.entry_time[5:16], t.exit_time[5:16], t.reason) for t in result.trades] == [("01-01 11:00", "01-02 06:00", "session end")]


def test_a_drawdown_stop_ends_trading_for_good():
    falling = [(price, price, price, price) for price in (100, 100, 95, 90, 85, 80, 80)]
    result = run(bars_of(*falling), [1, 0, 0, 0, 0, 1], max_drawdown=0.1, account_size=1_000.0)
    assert told(result) == [("BUY", 100, 85, "drawdown stop")]  # seen at the close of 90, left at the next open
    assert result.stopped.startswith("drawdown stop at 1970-01-01 04:00 UTC")


def test_an_account_that_is_wiped_out_stops_and_says_so():
    falling = [(price, price, price, price) for price in (100, 100, 60, 40, 90, 90, 90)]
    result = run(bars_of(*falling), [1, 0, 0, 0, 1], sizing="fraction", fraction=2.0, account_size=1_000.0)
    assert told(result) == [("BUY", 100, 40, "wiped out")]
    assert result.metrics["final_equity"] == -200
    assert result.stopped.startswith("wiped out at 1970-01-01 04:00 UTC")
    assert math.isnan(result.metrics["calmar"])
    shares = BacktestEngine(BacktestConfig(sizing="share", account_size=1_000.0)).run(bars_of(*falling), np.full(7, 3.0))
    assert shares.stopped
    assert shares.trades.net.sum() == pytest.approx(shares.equity_curve.net[-1] - 1_000)


def test_start_and_end_bound_the_bars_that_count():
    result = run(bars_of(*flat(10)), [1] * 10, holding_bars=1, renew=False, start="1970-01-01T03:00", end="1970-01-01T07:00")
    assert result.raw_rows == len(result.equity_curve) == 4
    assert result.trades.decided_bar.tolist() == [3, 5]
    with pytest.raises(DataError, match="none from 2020-01-01 to the last"):
        run(bars_of(*flat(10)), [1], start="2020-01-01")


def test_bars_of_another_symbol_are_refused():
    with pytest.raises(DataError, match="are of T; expected ES"):
        run(bars_of(*flat(3)), [1], symbol="ES")


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ([1, 0], "signals: have 2 rows; expected 3, one for each bar."),
        ([0.5, 0, 0], r"signals row 0: is 0.5; expected \+1, -1 or 0. Shares of equity are sizing share."),
        ([np.nan, 0, 0], "signals row 0: is nan; expected a finite number."),
    ],
)
def test_signals_that_do_not_fit_are_refused(signals, said):
    with pytest.raises(ShapeError, match=said):
        BacktestEngine(BacktestConfig()).run(bars_of(*flat(3)), signals)


def test_confidence_that_is_asked_for_must_be_given():
    with pytest.raises(ShapeError, match="come without confidence, and min_confidence asks for it"):
        run(bars_of(*flat(3)), [1], min_confidence=0.6)
