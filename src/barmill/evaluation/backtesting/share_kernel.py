"""The compiled loop for positions that are shares of equity, brought back to that share at each open: the rule by which models are judged.

The value of the account moves from open to open by `net_of_bar`, as a judged path of positions does; the drift within a trade is not
charged.
"""

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.types import Array, boolean, float64, int64, void

from barmill.evaluation.backtesting import tally as sums
from barmill.evaluation.backtesting.account_kernel import (
    DRAWDOWN,
    N_TRADE_COLUMNS,
    SIGNAL,
    STILL_OPEN,
    T_ADVERSE,
    T_CONFIDENCE,
    T_DECIDED,
    T_ENTRY,
    T_ENTRY_FILL,
    T_ENTRY_QUOTE,
    T_EQUITY,
    T_EXIT,
    T_EXIT_FILL,
    T_EXIT_QUOTE,
    T_FAVOURABLE,
    T_FEES,
    T_FUNDING,
    T_GROSS,
    T_LOTS,
    T_REASON,
    T_SIDE,
    T_SLIPPAGE,
    WIPED_OUT,
    count_trade,
)
from barmill.evaluation.backtesting.bar_return import net_of_bar
from barmill.evaluation.backtesting.rule_vector import (
    CAPITAL,
    FEE_POINTS,
    FEE_SHARE,
    MAX_DRAWDOWN,
    MULTIPLIER,
    SIZE,
    SLIP_POINTS,
    SLIP_SHARE,
)

Float64Array = npt.NDArray[np.float64]

_prices = Array(float64, 1, "C", readonly=True)
_out = float64[::1]
_rows = float64[:, ::1]


@njit(void(_out, _rows, _out, int64, float64, int64, boolean), cache=True, nogil=True, error_model="numpy")
def _end(trade: Float64Array, trades: Float64Array, tally: Float64Array, bar: int, quote: float, reason: int, store: bool) -> None:
    trade[T_EXIT], trade[T_EXIT_QUOTE], trade[T_EXIT_FILL], trade[T_REASON] = bar, quote, quote, reason
    if store:
        trades[int(tally[sums.N_TRADES]) - 1] = trade
    count_trade(trade, tally)


@njit(
    void(*(_prices,) * 7, int64, int64, boolean, *(_out,) * 4, _rows, _out),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def run_shares(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    position: Float64Array,
    funding: Float64Array,
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
    """Follow `position` (decided at each close, filled at the next open) over [first, stop_bar); outputs as in `run_account`.

    A trade is a stretch of one sign. Where the position flips, the cost of leaving is the old trade's and that of entering the new one's.
    """
    with_funding, multiplier = funding.size > 0, rules[MULTIPLIER]
    floor_share, may_hold, reason = 1.0 - rules[MAX_DRAWDOWN], True, SIGNAL
    trade = np.zeros(N_TRADE_COLUMNS)
    value = rules[CAPITAL]  # at the last open, before the cost of what was filled there
    held, before, basis, rate, charge = 0.0, 0.0, open[first] if first < stop_bar else 1.0, 0.0, 0.0
    worth, cash, equity, peak, fall_share = 0.0, value, value, value, 1.0
    for t in range(first, stop_bar):
        quote = open[t]
        paid = 0.0
        if with_funding and held != 0.0 and funding[t] != 0.0:
            paid = funding[t] * worth * quote
            trade[T_FUNDING] += paid
            charge += paid
        value = value + value * net_of_bar(held, before, quote / basis - 1.0, rate) - paid
        basis, before = quote, held
        wanted = position[t - 1] * rules[SIZE] if may_hold and t > first else 0.0
        fee_rate = rules[FEE_SHARE] + rules[FEE_POINTS] / quote
        slip_rate = rules[SLIP_SHARE] + rules[SLIP_POINTS] / quote
        rate = fee_rate + slip_rate
        change = abs(wanted - held)
        fees, slippage = value * change * fee_rate, value * change * slip_rate
        charge += fees + slippage
        tally[sums.TRADED_VALUE] += value * change
        if held != 0.0:
            trade[T_GROSS] += worth * (quote - trade[T_EXIT_QUOTE])
            trade[T_EXIT_QUOTE] = quote
        turned = np.sign(wanted) != np.sign(held)
        if turned and held != 0.0:
            own = abs(held) / (abs(held) + abs(wanted))
            trade[T_FEES] += own * fees
            trade[T_SLIPPAGE] += own * slippage
            fees, slippage = (1.0 - own) * fees, (1.0 - own) * slippage
            _end(trade, trades, tally, t, quote, reason, store)
        if turned and wanted != 0.0:
            trade[:] = 0.0
            tally[sums.N_TRADES] += 1.0
            trade[T_DECIDED], trade[T_ENTRY], trade[T_SIDE] = t - 1, t, np.sign(wanted)
            trade[T_LOTS] = abs(wanted) * value / (quote * multiplier)
            trade[T_ENTRY_QUOTE], trade[T_ENTRY_FILL], trade[T_EXIT_QUOTE] = quote, quote, quote
            trade[T_EQUITY], trade[T_CONFIDENCE] = equity, np.nan
            trade[T_ADVERSE], trade[T_FAVOURABLE] = quote, quote
        if wanted != 0.0:
            trade[T_FEES] += fees
            trade[T_SLIPPAGE] += slippage
        held = wanted
        worth = held * value / quote
        cash = value * (1.0 - held - rate * change)
        last = equity
        equity = cash + worth * close[t]
        if held != 0.0:
            tally[sums.BARS_HELD] += 1.0
            up, down = max(trade[T_FAVOURABLE], high[t]), min(trade[T_ADVERSE], low[t])
            if held < 0.0:
                up, down = min(trade[T_FAVOURABLE], low[t]), max(trade[T_ADVERSE], high[t])
            trade[T_FAVOURABLE], trade[T_ADVERSE] = up, down
        if equity <= 0.0 and held != 0.0:  # closed out at once, as in `run_account`
            fees, slippage = abs(worth) * close[t] * fee_rate, abs(worth) * close[t] * slip_rate
            charge += fees + slippage
            trade[T_GROSS] += worth * (close[t] - quote)
            trade[T_FEES] += fees
            trade[T_SLIPPAGE] += slippage
            _end(trade, trades, tally, t, close[t], WIPED_OUT, store)
            cash, worth, held, before, rate = equity - fees - slippage, 0.0, 0.0, 0.0, 0.0
            equity, value, may_hold = cash, cash, False
            tally[sums.STOPPED_AT], tally[sums.STOPPED_BY] = t, WIPED_OUT
        if may_hold and equity <= peak * floor_share:
            may_hold, reason = False, DRAWDOWN
            tally[sums.STOPPED_AT], tally[sums.STOPPED_BY] = t, DRAWDOWN
        step = (equity - last) / last if last > 0.0 else 0.0
        tally[sums.SUM_RETURNS] += step
        tally[sums.SUM_SQUARES] += step * step
        tally[sums.SUM_DOWNSIDE] += min(step, 0.0) ** 2
        tally[sums.SUM_EQUITY] += equity
        peak = max(peak, equity)
        fall_share = min(fall_share, equity / peak)
        if store:
            equity_out[t], cash_out[t], lots_out[t], charged_out[t] = equity, cash, worth / multiplier, charge
    if held != 0.0:
        trade[T_GROSS] += worth * (close[stop_bar - 1] - trade[T_EXIT_QUOTE])
        _end(trade, trades, tally, stop_bar - 1, close[stop_bar - 1], STILL_OPEN, store)
    tally[sums.FINAL_EQUITY], tally[sums.N_BARS], tally[sums.MAX_FALL] = equity, stop_bar - first, fall_share - 1.0


__all__ = ["run_shares"]
