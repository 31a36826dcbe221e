"""Compiled loops of the back-labeler: what became of a trade that was held by one rule. See `_kernels` for the conventions."""

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.types import Array, float64, int64

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_prices = Array(float64, 1, "C", readonly=True)
_positions = Array(int64, 1, "C", readonly=True)
_out = float64[::1]
_table = float64[:, ::1]

NOT_REFUSED = -1
AT_OPEN, BY_STOP_ORDER, BY_LIMIT_ORDER = 0, 1, 2  # how a trade was filled
UNSETTLED = 2.0


@njit(cache=True, error_model="numpy", nogil=True)
def _hold(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    first: int,
    deadline: int,
    entry: float,
    fill: int,
    s: float,
    profit: float,
    stop: float,
    reach: float,
) -> tuple[float, int, float, float, float, float]:
    """Hold a trade filled at `entry` in bar `first` until profit, stop or the close of bar `deadline`.

    Returns outcome (+1, -1, 0, or UNSETTLED where the data end first), bar and price of the exit, the best and the worst price
    seen on the way, and 1 where `reach` was seen. Within a bar the worst is taken to come first, and in the bar of a fill what
    may have come before the fill counts against the trade and never for it.
    """
    best = entry
    worst = entry
    reached = 0.0
    n_bars = len(open)
    for t in range(first, min(deadline, n_bars - 1) + 1):
        filled_inside = t == first and fill != AT_OPEN
        o = entry if filled_inside else open[t]
        best = max(best, o) if s > 0.0 else min(best, o)
        worst = min(worst, o) if s > 0.0 else max(worst, o)
        if s * o <= s * stop:
            return -1.0, t, o, best, worst, reached
        if s * o >= s * reach:
            reached = 1.0
        if s * o >= s * profit:
            return 1.0, t, o, best, worst, reached
        good = high[t] if s > 0.0 else low[t]
        bad = low[t] if s > 0.0 else high[t]
        if s * bad <= s * stop:
            return -1.0, t, stop, best, stop, reached
        worst = min(worst, bad) if s > 0.0 else max(worst, bad)
        if filled_inside and fill == BY_LIMIT_ORDER:
            good = close[t]  # the bar's extreme may lie before the dip that filled the order
        if s * good >= s * reach:
            reached = 1.0
        if s * good >= s * profit:
            # A close beyond the profit level passed through it after the fill.
            return 1.0, t, profit, profit, worst, reached
        best = max(best, good) if s > 0.0 else min(best, good)
    if deadline < n_bars:
        return 0.0, deadline, close[deadline], best, worst, reached
    return UNSETTLED, n_bars, np.nan, best, worst, reached


@njit(cache=True, error_model="numpy", nogil=True)
def _is_refused(p: float, a: float, s: float, c: float, stop_atr: float) -> bool:
    """Written so that a NaN refuses too."""
    return not (a > 0.0 and c >= 0.0 and p > 0.0 and (s == 1.0 or s == -1.0) and stop_atr - c / a > 0.0)


@njit(
    int64(*(_prices,) * 4, _positions, *(_prices,) * 3, float64, float64, float64, int64, *(_out,) * 8),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_outcomes(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    events: Int64Array,
    atr: Float64Array,
    side: Float64Array,
    cost: Float64Array,
    stop_atr: float,
    target_R: float,
    entry_R: float,
    horizon: int,
    label: Float64Array,
    exit_bar: Float64Array,
    exit_price: Float64Array,
    best: Float64Array,
    worst: Float64Array,
    reached: Float64Array,
    highest: Float64Array,
    lowest: Float64Array,
) -> int:
    """Hold a trade from the open after each event; what the data do not settle stays NaN, as it was given.

    `best` and `worst` are prices seen until the exit, `highest` and `lowest` those of the whole horizon whatever ended the trade.
    Returns the number of the first event that is refused, or NOT_REFUSED.
    """
    n_bars = len(open)
    for i in range(len(events)):
        e = events[i]
        if e + 1 >= n_bars:
            continue
        p = float(open[e + 1])
        s = side[i]
        a = atr[i]
        c = cost[i]
        if _is_refused(p, a, s, c, stop_atr):
            return i
        profit = p + s * (target_R * stop_atr + c / a) * a
        stop = p - s * (stop_atr - c / a) * a
        reach = p + s * (entry_R * stop_atr + c / a) * a
        outcome, t, x, top, bottom, seen = _hold(open, high, low, close, e + 1, e + horizon, p, AT_OPEN, s, profit, stop, reach)
        if outcome != UNSETTLED:
            label[i] = outcome
            exit_bar[i] = t
            exit_price[i] = x
            best[i] = top
            worst[i] = bottom
            reached[i] = seen
        if e + horizon < n_bars:
            most = p
            least = p
            for u in range(e + 1, e + horizon + 1):
                most = max(most, high[u], open[u])
                least = min(least, low[u], open[u])
            highest[i] = most
            lowest[i] = least
    return NOT_REFUSED


@njit(
    int64(*(_prices,) * 4, _positions, *(_prices,) * 4, float64, float64, int64, int64, _table, _table),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_offsets(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    events: Int64Array,
    atr: Float64Array,
    side: Float64Array,
    cost: Float64Array,
    offsets: Float64Array,
    stop_atr: float,
    target_R: float,
    horizon: int,
    fill_bars: int,
    realised: Float64Array,
    filled: Float64Array,
) -> int:
    """Realised R of each event entered at each offset, (n_events, n_offsets): 0 where the order was not filled, NaN where unsettled."""
    n_bars = len(open)
    for i in range(len(events)):
        e = events[i]
        if e + 1 >= n_bars:
            continue
        p = float(open[e + 1])
        s = side[i]
        a = atr[i]
        c = cost[i]
        if _is_refused(p, a, s, c, stop_atr):
            return i
        for k in range(len(offsets)):
            order = p + s * offsets[k] * a
            fill = AT_OPEN
            at = e + 1 if offsets[k] == 0.0 else n_bars
            entry = p
            if offsets[k] != 0.0:
                for t in range(e + 1, min(e + fill_bars, n_bars - 1) + 1):
                    beyond = s * open[t] >= s * order if offsets[k] > 0.0 else s * open[t] <= s * order
                    up = offsets[k] * s > 0.0
                    if beyond:
                        at, entry = t, float(open[t])
                        break
                    if (high[t] >= order) if up else (low[t] <= order):
                        at, entry, fill = t, order, BY_STOP_ORDER if offsets[k] > 0.0 else BY_LIMIT_ORDER
                        break
            if at == n_bars:
                if e + fill_bars < n_bars:
                    realised[i, k] = 0.0
                    filled[i, k] = 0.0
                continue
            filled[i, k] = 1.0
            profit = entry + s * (target_R * stop_atr + c / a) * a
            stop = entry - s * (stop_atr - c / a) * a
            outcome, _, x, _, _, _ = _hold(open, high, low, close, at, e + horizon, entry, fill, s, profit, stop, profit)
            if outcome != UNSETTLED:
                realised[i, k] = (s * (x - entry) - c) / (stop_atr * a)
    return NOT_REFUSED
