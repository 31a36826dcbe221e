"""The compiled loop of the backtest: one account, one position at a time, bar after bar, order by order.

Within bar t, in this order: funding at the open; what was ordered at the close before fills (at the open, or at this close);
a stop or target that the bar reaches, the stop first; the end of a session; the close, at which equity is marked and the next order is
decided. Nothing that is decided at a close fills before the next bar. Signatures are explicit, so the loop is compiled once, when this
module is first imported, which is done inside the functions that call it.
"""

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.types import Array, Tuple, boolean, float64, int8, int64, uint8, void

from barmill.evaluation.backtesting.rule_vector import (
    ALLOW_SHORT,
    AT_CLOSE,
    CAPITAL,
    COOLDOWN,
    FEE_FLAT,
    FEE_POINTS,
    FEE_SHARE,
    HOLDING,
    IGNORE,
    MAX_DRAWDOWN,
    MAX_TRADES,
    MIN_CONFIDENCE,
    MULTIPLIER,
    ON_OPPOSITE,
    RENEW,
    REVERSE,
    SLIP_POINTS,
    SLIP_SHARE,
    STOP_ATR,
    STOP_SHARE,
    TARGET_ATR,
    TARGET_R,
    TARGET_SHARE,
    TICK,
)
from barmill.evaluation.backtesting.sizing import lots_for, risk_of_lot
from barmill.evaluation.backtesting.tally import (
    BARS_HELD,
    BELOW_CONFIDENCE,
    COST_FEES,
    COST_FUNDING,
    COST_SLIPPAGE,
    DEEPEST_FALL,
    FINAL_EQUITY,
    GAINS,
    GROSS,
    LOSSES,
    MAX_FALL,
    N_BARS,
    N_TRADES,
    PEAK_PROFIT,
    PROFIT,
    STOPPED_AT,
    STOPPED_BY,
    SUM_DOWNSIDE,
    SUM_EQUITY,
    SUM_RETURNS,
    SUM_SQUARES,
    TOO_SMALL,
    TRADED_VALUE,
    WINS,
)

Float64Array = npt.NDArray[np.float64]
Int8Array = npt.NDArray[np.int8]
UInt8Array = npt.NDArray[np.uint8]

# Signals.
NONE, LEAVE = 0, 2  # +1 is long, -1 short
# Marks of a bar.
CLOSE_OUT, FIRST_OF_SESSION, NO_ENTRY = 1, 2, 4
# Why a trade ended; names stand in `result.REASONS`.
STILL_OPEN, SIGNAL, STOP, TARGET, HELD, SESSION, DRAWDOWN, WIPED_OUT = range(8)
# The open trade, and with the same places a row of the trade list.
(
    T_DECIDED,
    T_ENTRY,
    T_EXIT,
    T_SIDE,
    T_LOTS,
    T_ENTRY_QUOTE,
    T_ENTRY_FILL,
    T_EXIT_QUOTE,
    T_EXIT_FILL,
    T_GROSS,
    T_FEES,
    T_SLIPPAGE,
    T_FUNDING,
    T_RISK,
    T_EQUITY,
    T_CONFIDENCE,
    T_ADVERSE,
    T_FAVOURABLE,
    T_REASON,
    N_TRADE_COLUMNS,
) = range(20)

_prices = Array(float64, 1, "C", readonly=True)
_bytes = Array(uint8, 1, "C", readonly=True)
_signals = Array(int8, 1, "C", readonly=True)
_out = float64[::1]
_rows = float64[:, ::1]


@njit(float64(float64, float64, _prices), cache=True, nogil=True, error_model="numpy")
def filled_at(quote: float, side: float, rules: Float64Array) -> float:
    """What a buyer (+1) or seller (-1) gets for the quoted price: worse by the slippage, and by what rounding to a tick adds."""
    fill = quote + side * (quote * rules[SLIP_SHARE] + rules[SLIP_POINTS])
    tick = rules[TICK]
    if tick > 0.0:
        steps = fill / tick
        fill = (np.ceil(steps - 1e-6) if side > 0.0 else np.floor(steps + 1e-6)) * tick
    return fill


@njit(float64(float64, float64, _prices), cache=True, nogil=True, error_model="numpy")
def fee_of(quote: float, lots: float, rules: Float64Array) -> float:
    """Money for one side of a trade of `lots`."""
    return lots * rules[MULTIPLIER] * (quote * rules[FEE_SHARE] + rules[FEE_POINTS]) + rules[FEE_FLAT]


@njit(float64(float64, _prices), cache=True, nogil=True, error_model="numpy")
def _level(price: float, rules: Float64Array) -> float:
    tick = rules[TICK]
    return np.floor(price / tick + 0.5) * tick if tick > 0.0 else price


@njit(void(_out, _out), cache=True, nogil=True, error_model="numpy")
def count_trade(trade: Float64Array, tally: Float64Array) -> None:
    """Add a trade to the sums."""
    net = trade[T_GROSS] - trade[T_FEES] - trade[T_SLIPPAGE] - trade[T_FUNDING]
    tally[GROSS] += trade[T_GROSS]
    tally[COST_FEES] += trade[T_FEES]
    tally[COST_SLIPPAGE] += trade[T_SLIPPAGE]
    tally[COST_FUNDING] += trade[T_FUNDING]
    tally[PROFIT] += net
    tally[PEAK_PROFIT] = max(tally[PEAK_PROFIT], tally[PROFIT])
    tally[DEEPEST_FALL] = max(tally[DEEPEST_FALL], tally[PEAK_PROFIT] - tally[PROFIT])
    if net > 0.0:
        tally[WINS] += 1.0
        tally[GAINS] += net
    else:
        tally[LOSSES] -= net


@njit(float64(_out, _out, _prices, int64, float64), cache=True, nogil=True, error_model="numpy")
def _enter(trade: Float64Array, tally: Float64Array, rules: Float64Array, bar: int, quote: float) -> float:
    """Fill the entry of `trade`, whose decision, side, lots and risk stand. Returns what it takes from the cash."""
    side, lots = trade[T_SIDE], trade[T_LOTS]
    fill = filled_at(quote, side, rules)
    fee = fee_of(quote, lots, rules)
    slippage = lots * rules[MULTIPLIER] * side * (fill - quote)
    trade[T_ENTRY], trade[T_ENTRY_QUOTE], trade[T_ENTRY_FILL] = bar, quote, fill
    trade[T_FEES], trade[T_SLIPPAGE], trade[T_FUNDING] = fee, slippage, 0.0
    trade[T_ADVERSE], trade[T_FAVOURABLE] = quote, quote
    tally[N_TRADES] += 1.0
    tally[TRADED_VALUE] += lots * rules[MULTIPLIER] * quote
    return side * lots * rules[MULTIPLIER] * fill + fee


@njit(float64(_out, _rows, _out, _prices, int64, float64, int64, boolean), cache=True, nogil=True, error_model="numpy")
def _leave(
    trade: Float64Array, trades: Float64Array, tally: Float64Array, rules: Float64Array, bar: int, quote: float, reason: int, store: bool
) -> float:
    """Fill the exit of `trade` (or mark it, where it is still open), and write it down. Returns what it brings to the cash."""
    side, lots, multiplier = trade[T_SIDE], trade[T_LOTS], rules[MULTIPLIER]
    fill, fee = quote, 0.0
    if reason != STILL_OPEN:
        fill = filled_at(quote, -side, rules)
        fee = fee_of(quote, lots, rules)
        tally[TRADED_VALUE] += lots * multiplier * quote
    trade[T_EXIT], trade[T_EXIT_QUOTE], trade[T_EXIT_FILL], trade[T_REASON] = bar, quote, fill, reason
    trade[T_FEES] += fee
    trade[T_SLIPPAGE] += lots * multiplier * side * (quote - fill)
    trade[T_GROSS] = side * lots * multiplier * (quote - trade[T_ENTRY_QUOTE])
    if side > 0.0:
        trade[T_ADVERSE], trade[T_FAVOURABLE] = min(trade[T_ADVERSE], quote), max(trade[T_FAVOURABLE], quote)
    else:
        trade[T_ADVERSE], trade[T_FAVOURABLE] = max(trade[T_ADVERSE], quote), min(trade[T_FAVOURABLE], quote)
    if store:
        trades[int(tally[N_TRADES]) - 1] = trade
    count_trade(trade, tally)
    return side * lots * multiplier * fill - fee


@njit(Tuple((float64, int64))(*(float64,) * 6), cache=True, nogil=True, error_model="numpy")
def reached(side: float, stop: float, target: float, open: float, high: float, low: float) -> tuple[float, int]:
    """At which price, and why, a bar ends a trade that is held from its open; STILL_OPEN if it does not.

    A bar that opens at or beyond a level leaves at its open. Otherwise a level is reached when it is touched, and the stop comes first.
    """
    near, far = (low, high) if side > 0.0 else (high, low)
    if side * open <= side * stop:
        return open, STOP
    if side * open >= side * target:
        return open, TARGET
    if side * near <= side * stop:
        return stop, STOP
    if side * far >= side * target:
        return target, TARGET
    return open, STILL_OPEN


@njit(Tuple((int64, float64))(float64, float64, _prices), cache=True, nogil=True, error_model="numpy")
def _answer(said: float, side: float, rules: Float64Array) -> tuple[int, float]:
    """What a signal does to the position that is held: why to leave it (or STILL_OPEN), and the side to enter instead (or 0)."""
    if said == LEAVE:
        return SIGNAL, 0.0
    if said != -side or said == 0.0 or rules[ON_OPPOSITE] == IGNORE:
        return STILL_OPEN, 0.0
    return SIGNAL, said if rules[ON_OPPOSITE] == REVERSE and rules[COOLDOWN] == 0.0 else 0.0


@njit(Tuple((float64,) * 5)(*(float64,) * 7), cache=True, nogil=True, error_model="numpy")
def _marked(
    equity: float, before: float, peak: float, fall_share: float, returns: float, squares: float, downside: float
) -> tuple[float, float, float, float, float]:
    """Peak, deepest share of a peak, and the sums of returns, after a close."""
    change = (equity - before) / before if before > 0.0 else 0.0
    fall = min(change, 0.0)
    peak = max(peak, equity)
    if equity < fall_share * peak:
        fall_share = equity / peak
    return peak, fall_share, returns + change, squares + change * change, downside + fall * fall


@njit(Tuple((float64, float64))(_prices, float64, float64), cache=True, nogil=True, error_model="numpy")
def _distances(rules: Float64Array, price: float, atr: float) -> tuple[float, float]:
    """How far from the entry stop and target are to lie, as known at the decision; 0 for none."""
    stop = rules[STOP_ATR] * atr if rules[STOP_ATR] > 0.0 else rules[STOP_SHARE] * price
    if rules[TARGET_ATR] > 0.0:
        return stop, rules[TARGET_ATR] * atr
    return stop, rules[TARGET_SHARE] * price + rules[TARGET_R] * stop


@njit(Tuple((float64, float64))(float64, float64, float64, float64, boolean, boolean, _prices), cache=True, nogil=True, error_model="numpy")
def _levels(
    quote: float, side: float, distance: float, reach: float, has_stop: bool, has_target: bool, rules: Float64Array
) -> tuple[float, float]:
    """Stop and target of an entry at `quote`; infinitely far where there is none."""
    stop = _level(quote - side * distance, rules) if has_stop else -side * np.inf
    target = _level(quote + side * reach, rules) if has_target else side * np.inf
    return stop, target


@njit(
    void(*(_prices,) * 6, _signals, _prices, _prices, _bytes, _prices, int64, int64, boolean, *(_out,) * 4, _rows, _out),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def run_account(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    atr: Float64Array,
    volatility: Float64Array,
    signal: Int8Array,
    confidence: Float64Array,
    funding: Float64Array,
    marks: UInt8Array,
    rules: Float64Array,
    first: int,
    stop_bar: int,
    store: bool,
    equity_out: Float64Array,
    cash_out: Float64Array,
    lots_out: Float64Array,
    charged_out: Float64Array,
    trades: Float64Array,
    tally: Float64Array,
) -> None:
    """Trade the bars [first, stop_bar) and fill `tally`; with `store`, also the paths (one value per bar) and the trade list.

    atr, volatility, confidence, funding and marks may be empty where no rule needs them. `charged_out` is what fees, slippage and funding
    have taken so far.
    """
    with_confidence, with_funding, with_marks = confidence.size > 0, funding.size > 0, marks.size > 0
    with_atr, with_volatility = atr.size > 0, volatility.size > 0
    at_close, multiplier, holding = rules[AT_CLOSE] > 0.0, rules[MULTIPLIER], rules[HOLDING]
    has_stop = rules[STOP_ATR] > 0.0 or rules[STOP_SHARE] > 0.0
    has_target = rules[TARGET_ATR] > 0.0 or rules[TARGET_SHARE] > 0.0 or rules[TARGET_R] > 0.0
    with_levels = has_stop or has_target
    least_confidence, floor_share = rules[MIN_CONFIDENCE], 1.0 - rules[MAX_DRAWDOWN]
    renew, cooldown, may_enter = rules[RENEW] > 0.0, int(rules[COOLDOWN]), True

    trade, order = np.zeros(N_TRADE_COLUMNS), np.zeros(N_TRADE_COLUMNS)
    cash, worth, side = rules[CAPITAL], 0.0, 0.0  # worth: money per point of price, with the sign of the side
    equity, peak, fall_share = cash, cash, 1.0
    stop, target, last_bar_held = 0.0, 0.0, np.inf
    leave_because, entering, decide_from = STILL_OPEN, False, -1
    distance, reach = 0.0, 0.0  # of the order's stop and target from its entry
    sum_returns, sum_squares, sum_downside, sum_equity, bars_held = 0.0, 0.0, 0.0, 0.0, 0

    plain = not (store or with_funding or with_marks)  # then a bar on which nothing can happen needs its close alone
    t = first - 1
    while t + 1 < stop_bar:
        t += 1
        if side == 0.0 and not entering and signal[t] == NONE:
            ahead = t + 1
            while ahead < stop_bar and signal[ahead] == NONE:
                ahead += 1
            sum_equity += equity * (ahead - t)
            if store:
                equity_out[t:ahead], cash_out[t:ahead], lots_out[t:ahead] = equity, cash, 0.0
                charged_out[t:ahead] = tally[COST_FEES] + tally[COST_SLIPPAGE] + tally[COST_FUNDING]
            t = ahead - 1
            continue
        if with_funding and side != 0.0 and funding[t] != 0.0:
            paid = funding[t] * worth * open[t]
            cash -= paid
            trade[T_FUNDING] += paid
        if with_marks and marks[t] & FIRST_OF_SESSION:
            entering = False  # an order is not carried into another session
            if side != 0.0:
                leave_because = SESSION
                cash += _leave(trade, trades, tally, rules, t, open[t], SESSION, store)
                side, worth, leave_because, decide_from = 0.0, 0.0, STILL_OPEN, t + cooldown
        if not at_close:
            if side != 0.0 and leave_because != STILL_OPEN:
                cash += _leave(trade, trades, tally, rules, t, open[t], leave_because, store)
                side, worth, decide_from = 0.0, 0.0, t + cooldown
            leave_because = STILL_OPEN
            if entering:
                trade[:] = order
                entering = False
                side = trade[T_SIDE]
                worth = side * trade[T_LOTS] * multiplier
                cash -= _enter(trade, tally, rules, t, open[t])
                stop, target = _levels(open[t], side, distance, reach, has_stop, has_target, rules)
        bars_held += side != 0.0
        if side != 0.0 and with_levels:
            quote, why = reached(side, stop, target, open[t], high[t], low[t])
            if why != STILL_OPEN:
                cash += _leave(trade, trades, tally, rules, t, quote, why, store)
                side, worth, leave_because, decide_from = 0.0, 0.0, STILL_OPEN, t + cooldown
        if store and side > 0.0:
            trade[T_ADVERSE], trade[T_FAVOURABLE] = min(trade[T_ADVERSE], low[t]), max(trade[T_FAVOURABLE], high[t])
        elif store and side < 0.0:
            trade[T_ADVERSE], trade[T_FAVOURABLE] = max(trade[T_ADVERSE], high[t]), min(trade[T_FAVOURABLE], low[t])
        if at_close:
            if side != 0.0 and leave_because != STILL_OPEN:
                cash += _leave(trade, trades, tally, rules, t, close[t], leave_because, store)
                side, worth, decide_from = 0.0, 0.0, t + cooldown
            leave_because = STILL_OPEN
            if with_marks and marks[t] & CLOSE_OUT:
                entering = False
            if entering:
                trade[:] = order
                entering = False
                side = trade[T_SIDE]
                worth = side * trade[T_LOTS] * multiplier
                cash -= _enter(trade, tally, rules, t, close[t])
                stop, target = _levels(close[t], side, distance, reach, has_stop, has_target, rules)
        if with_marks and marks[t] & CLOSE_OUT and side != 0.0:
            cash += _leave(trade, trades, tally, rules, t, close[t], SESSION, store)
            side, worth, leave_because, decide_from = 0.0, 0.0, STILL_OPEN, t + cooldown
        before = equity
        equity = cash + worth * close[t]
        if equity <= 0.0 and side != 0.0:  # the account is empty: its holder is closed out at once
            cash += _leave(trade, trades, tally, rules, t, close[t], WIPED_OUT, store)
            side, worth, equity = 0.0, 0.0, cash
            may_enter, tally[STOPPED_AT], tally[STOPPED_BY] = False, t, WIPED_OUT
        peak, fall_share, sum_returns, sum_squares, sum_downside = _marked(
            equity, before, peak, fall_share, sum_returns, sum_squares, sum_downside
        )
        sum_equity += equity
        if store:
            equity_out[t], cash_out[t] = equity, cash
            lots_out[t] = worth / multiplier
            charged_out[t] = tally[COST_FEES] + tally[COST_SLIPPAGE] + tally[COST_FUNDING]
            if side != 0.0:
                charged_out[t] += trade[T_FEES] + trade[T_SLIPPAGE] + trade[T_FUNDING]

        # What is decided at this close fills at the next open or close.
        if signal[t] == NONE and side != 0.0 and t < last_bar_held and may_enter and equity > peak * floor_share:
            if not plain:
                continue
            below, above = min(stop, target), max(stop, target)
            until = int(min(float(stop_bar), last_bar_held))
            ahead = t + 1
            while ahead < until and signal[ahead] == NONE:
                if with_levels and not (min(low[ahead], open[ahead]) > below and max(high[ahead], open[ahead]) < above):
                    break
                marked = cash + worth * close[ahead]
                if marked <= 0.0 or marked <= peak * floor_share:
                    break
                peak, fall_share, sum_returns, sum_squares, sum_downside = _marked(
                    marked, equity, peak, fall_share, sum_returns, sum_squares, sum_downside
                )
                equity = marked
                sum_equity += equity
                ahead += 1
            bars_held += ahead - t - 1
            t = ahead - 1
            continue
        said = float(signal[t])
        if (said == 1.0 or said == -1.0) and with_confidence and not confidence[t] >= least_confidence:
            tally[BELOW_CONFIDENCE] += 1.0
            said = 0.0
        if may_enter and equity <= peak * floor_share:
            may_enter, tally[STOPPED_AT], tally[STOPPED_BY] = False, t, DRAWDOWN
        wanted = 0.0
        if side != 0.0:
            if not may_enter:
                leave_because = int(tally[STOPPED_BY])
            else:
                leave_because, wanted = _answer(said, side, rules)
                if renew and said == side:
                    last_bar_held = t + holding
            if leave_because == STILL_OPEN and t >= last_bar_held:
                leave_because = HELD
        elif said != LEAVE and t >= decide_from:
            wanted = said
        if wanted == 0.0 or not may_enter or (wanted < 0.0 and rules[ALLOW_SHORT] == 0.0):
            continue
        if tally[N_TRADES] >= rules[MAX_TRADES] or (with_marks and marks[t] & (NO_ENTRY | CLOSE_OUT)):
            continue
        distance, reach = _distances(rules, close[t], atr[t] if with_atr else 0.0)
        sigma = volatility[t] if with_volatility else np.nan
        sure = confidence[t] if with_confidence else np.nan
        lots, _, _ = lots_for(rules, equity, close[t], distance, sigma, sure)
        if not (lots > 0.0) or (has_stop and not distance > 0.0) or (has_target and not reach > 0.0):
            tally[TOO_SMALL] += 1.0
            continue
        entering, last_bar_held = True, t + holding
        order[T_DECIDED], order[T_SIDE], order[T_LOTS], order[T_CONFIDENCE] = t, wanted, lots, sure
        order[T_RISK], order[T_EQUITY] = lots * risk_of_lot(rules, distance), equity

    if side != 0.0:
        _leave(trade, trades, tally, rules, stop_bar - 1, close[stop_bar - 1], STILL_OPEN, store)
    tally[FINAL_EQUITY], tally[N_BARS], tally[BARS_HELD] = equity, stop_bar - first, bars_held
    tally[SUM_RETURNS], tally[SUM_SQUARES], tally[SUM_DOWNSIDE] = sum_returns, sum_squares, sum_downside
    tally[SUM_EQUITY], tally[MAX_FALL] = sum_equity, fall_share - 1.0


__all__ = ["count_trade", "fee_of", "filled_at", "reached", "run_account"]
