"""Compiled loops of the labels. Signatures are explicit, so each is compiled once, when this module is first imported.

Whoever calls imports this module inside its function: reading a recipe needs the parameters of the labels, not Numba.
No `fastmath`: a level that is reached exactly is touched, and rounding must not decide otherwise.
"""

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.types import Array, boolean, float64, int64

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

# What `Bars` hands out cannot be written to, and a kernel writes to its outputs alone.
_prices = Array(float64, 1, "C", readonly=True)
_positions = Array(int64, 1, "C", readonly=True)
_out = float64[::1]
_out_positions = int64[::1]

NOT_REFUSED = -1


@njit(
    int64(*(_prices,) * 6, _positions, *(_prices,) * 3, float64, float64, int64, boolean, *(_out,) * 5),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_triple_barrier_net(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    highest: Float64Array,
    lowest: Float64Array,
    events: Int64Array,
    atr: Float64Array,
    side: Float64Array,
    cost: Float64Array,
    k_up: float,
    k_down: float,
    horizon: int,
    charter: bool,
    label: Float64Array,
    t1: Float64Array,
    exit_price: Float64Array,
    gross: Float64Array,
    net: Float64Array,
) -> int:
    """Settle every event; the outputs of one that the data does not settle stay NaN, as they were given.

    `highest` is the larger of high and open, `lowest` the smaller of low and open: with them one comparison on each side
    finds the bar, and what the rule says is asked of that bar alone.
    Returns the number of the first event whose ATR or side is invalid or whose cost leaves no room, or NOT_REFUSED.
    """
    n_bars = len(open)
    sign = -1.0 if charter else 1.0
    for i in range(len(events)):
        e = events[i]
        if e + 1 >= n_bars:
            continue
        p = open[e + 1]
        s = side[i]
        a = atr[i]
        c = cost[i]
        up = k_up + sign * (c / a)
        down = k_down - sign * (c / a)
        # Written so that a NaN refuses too.
        if not (a > 0.0 and c >= 0.0 and p > 0.0 and (s == 1.0 or s == -1.0) and up > 0.0 and down > 0.0):
            return i
        profit = p + s * up * a
        stop = p - s * down * a
        upper = max(profit, stop)
        lower = min(profit, stop)
        last = min(e + horizon, n_bars - 1)
        bar = np.uint64(e + 1)  # an index that cannot be negative needs no check for wrapping round: an eighth faster
        while bar <= np.uint64(last):
            if lowest[bar] <= lower or highest[bar] >= upper:
                break
            bar += np.uint64(1)
        t = np.int64(bar)
        if t <= last:
            o = open[t]
            if s * o <= s * stop:
                outcome, x = -1.0, o
            elif s * o >= s * profit:
                outcome, x = 1.0, o
            elif (low[t] <= stop) if s > 0 else (high[t] >= stop):
                outcome, x = -1.0, stop
            else:
                outcome, x = 1.0, profit
        elif e + horizon < n_bars:
            t = e + horizon
            outcome, x = 0.0, close[t]
        else:
            continue
        label[i] = outcome
        t1[i] = t
        exit_price[i] = x
        gross[i] = s * (x / p - 1.0)
        net[i] = gross[i] - c / p
    return NOT_REFUSED


@njit(int64(_prices, _positions, _prices, float64, float64, int64, _out, _out, _out), cache=True, error_model="numpy", nogil=True)
def scan_triple_barrier_close(
    close: Float64Array,
    events: Int64Array,
    target: Float64Array,
    pt: float,
    sl: float,
    horizon: int,
    label: Float64Array,
    t1: Float64Array,
    ret: Float64Array,
) -> int:
    """As `scan_triple_barrier_net`, on closing prices, strictly beyond the levels, long, without costs."""
    n_bars = len(close)
    for i in range(len(events)):
        e = events[i]
        upper = pt * target[i]
        lower = -sl * target[i]
        p = close[e]
        if not (upper >= 0.0 and lower <= 0.0 and p > 0.0):
            return i
        last = min(e + horizon, n_bars - 1)
        for t in range(e + 1, last + 1):
            r = close[t] / p - 1.0
            if r > upper:
                label[i] = 1.0
            elif r < lower:
                label[i] = -1.0
            elif t == e + horizon:
                label[i] = 0.0
            else:
                continue
            t1[i] = t
            ret[i] = r
            break
    return NOT_REFUSED


@njit((_prices, float64, _out), cache=True, error_model="numpy", nogil=True)
def scan_ewm_volatility(close: Float64Array, alpha: float, out: Float64Array) -> None:
    """West's (1979) weighted update with weights that decay: equal returns give exactly 0, and a prefix its own values."""
    decay = 1.0 - alpha
    weights = 0.0
    squared_weights = 0.0
    mean = 0.0
    squares = 0.0
    for t in range(len(close)):
        out[t] = np.nan
        if t == 0:
            continue
        r = close[t] / close[t - 1] - 1.0
        weights = weights * decay + 1.0
        squared_weights = squared_weights * decay * decay + 1.0
        delta = r - mean
        mean += delta / weights
        squares = squares * decay + delta * (r - mean)
        if t >= 2:
            out[t] = np.sqrt(squares * weights / (weights * weights - squared_weights))


@njit(int64(_prices, float64, _out_positions), cache=True, error_model="numpy", nogil=True)
def scan_cusum(x: Float64Array, threshold: float, out: Int64Array) -> int:
    """Write the events to `out` and return how many there are."""
    n_events = 0
    up = 0.0
    down = 0.0
    for t in range(1, len(x)):
        change = x[t] - x[t - 1]
        up = max(0.0, up + change)
        down = min(0.0, down + change)
        if down < -threshold:
            down = 0.0
            out[n_events] = t
            n_events += 1
        elif up > threshold:
            up = 0.0
            out[n_events] = t
            n_events += 1
    return n_events


@njit((_prices, _positions, _positions, _out), cache=True, error_model="numpy", nogil=True)
def sums_over_labels(terms: Float64Array, t0: Int64Array, t1: Int64Array, out: Float64Array) -> None:
    """Sum of `terms`, one a bar, over each label's bars, from two-part prefix sums.

    A plain prefix sum over a million bars has lost twelve digits of a short label's sum; carrying what each
    addition rounds away (Knuth's two-sum) keeps every difference exact to the last digits.
    """
    n_bars = len(terms)
    head = np.empty(n_bars + 1)
    tail = np.empty(n_bars + 1)
    total = 0.0
    lost = 0.0
    head[0] = 0.0
    tail[0] = 0.0
    for t in range(n_bars):
        term = terms[t]
        new = total + term
        back = new - total
        lost += (total - (new - back)) + (term - back)
        total = new
        head[t + 1] = total
        tail[t + 1] = lost
    for i in range(len(t0)):
        first = t0[i]
        last = t1[i] + 1
        out[i] = (head[last] - head[first]) + (tail[last] - tail[first])
