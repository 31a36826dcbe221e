"""From bars and a `LabelConfig` to labels; what cannot be labelled is set aside and counted."""

from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError, ShapeError
from barmill.labels.config import LabelConfig
from barmill.labels.fixed_horizon import fixed_horizon
from barmill.labels.outcomes import BARRIERS, Labels
from barmill.labels.triple_barrier import Settlement, has_room, settle
from barmill.labels.uniqueness import average_uniqueness

if TYPE_CHECKING:
    from barmill.market import Bars

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NOT_READY = "features not ready"
NO_ATR = "no ATR yet"
NO_ROOM = "no room for a stop"
NO_ROOM_FOR_PROFIT = "no room for a profit"
NOT_COVERED = "outcome not covered by the data"


def decision_bars(bars: "Bars", every: int) -> BoolArray:
    """True at each bar at whose close a decision falls: bool of shape (n_bars,).

    Every `every`-th bar on the clock, counted from the epoch and never from the first row, so that any slice of the bars, and
    a live feed, decide at the same moments. Whoever trades what was labelled asks here.
    """
    return decides_at(bars.open_time, bars.timeframe.ms, every)


@overload
def decides_at(open_time: int, bar_ms: int, every: int) -> bool: ...
@overload
def decides_at(open_time: Int64Array, bar_ms: int, every: int) -> BoolArray: ...
def decides_at(open_time: int | Int64Array, bar_ms: int, every: int) -> bool | BoolArray:
    """The same of bars of `bar_ms` ms that open at `open_time`, UTC ms: int64 of shape (n,), or the int of one bar."""
    return (open_time // bar_ms) % every == 0


def make_labels(bars: "Bars", config: LabelConfig, ready: BoolArray | None = None) -> Labels:
    """Label the decision at each of `decision_bars`, as far as the data cover its outcome.

    The ATR is over `atr_window` base bars; the cost is the round trip at the entry price, open[e+1]. With `shuffle` the outcomes
    are dealt out anew (`Labels.shuffled`).

    Parameters
    ----------
    bars : Bars of shape (n_bars,)
    config : LabelConfig
    ready : bool array of shape (n_bars,), True where all features are known; None means everywhere

    Returns
    -------
    Labels in the order of t0. `len(labels)` and the numbers of `labels.excluded` add up to the decisions considered.

    Timing: the label of bar e uses bars e+1 .. t1 and the ATR at e.
    Raises: LabelError saying how many bars there are and how many it takes, if no decision can be labelled.
    """
    from barmill.features import atr as average_true_range  # compiles kernels; see `_kernels`
    from barmill.market import round_trip_cost

    n_bars = len(bars)
    events = np.flatnonzero(decision_bars(bars, config.every))
    excluded: dict[str, int] = {}

    def keep(events: Int64Array, allowed: BoolArray, reason: str) -> Int64Array:
        n_dropped = int(events.size - np.count_nonzero(allowed))
        if n_dropped:
            excluded[reason] = excluded.get(reason, 0) + n_dropped
        return events[allowed]

    if ready is not None:
        if ready.shape != (n_bars,):
            raise ShapeError("make_labels.ready", f"an array of shape {ready.shape}", expected=f"({n_bars},), one value for each bar")
        events = keep(events, ready[events], NOT_READY)
    atr = average_true_range(bars.high, bars.low, bars.close, config.atr_window) if n_bars else np.empty(0)
    by_barriers = config.method == "triple_barrier"
    if by_barriers:
        events = keep(events, np.isfinite(atr[events]), NO_ATR)
    events = keep(events, events + 1 < n_bars, NOT_COVERED)
    cost = np.asarray(round_trip_cost(bars.instrument, bars.open[events + 1]), dtype=np.float64)
    if by_barriers:
        room = has_room(atr[events], cost, config.k_up, config.k_down, config.cost_mode)
        events = keep(events, room, NO_ROOM if config.cost_mode == "net" else NO_ROOM_FOR_PROFIT)
        cost = cost[room]

    outcome, exit_price = settled(bars.open, bars.high, bars.low, bars.close, config, events, atr[events], cost)
    known = np.isfinite(outcome.label)
    kept = keep(events, known, NOT_COVERED)
    if not kept.size:
        raise _nothing_labelled(n_bars, config, excluded)
    t1 = outcome.t1[known].astype(np.int64)
    label = outcome.label[known].astype(np.int8)
    uniqueness = average_uniqueness(kept, t1, n_bars)
    labels = Labels(
        t0=kept,
        t1=t1,
        side=np.full(kept.size, config.side_sign, dtype=np.int8),
        label=label,
        barrier=(label + BARRIERS.index("time")).astype(np.int8) if by_barriers else np.full_like(label, BARRIERS.index("time")),
        entry_price=bars.open[kept + 1],
        exit_price=exit_price[known],
        atr=atr[kept],
        cost=cost[known],
        gross_return=outcome.gross_return[known],
        net_return=outcome.net_return[known],
        weight=uniqueness / uniqueness.mean(),
        n_bars=n_bars,
        excluded=excluded,
    )
    return labels if config.shuffle is None else labels.shuffled(config.shuffle)


def settled(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    config: LabelConfig,
    events: Int64Array,
    atr: Float64Array,
    cost: Float64Array,
) -> Settlement:
    """Outcome and exit price of each event, NaN where the data end before; atr, cost : float64 (n_events,)."""
    if config.method == "triple_barrier":
        rule = (events, atr, config.side_sign, config.k_up, config.k_down, cost, config.horizon, config.cost_mode)
        return settle(open, high, low, close, *rule)
    outcome = fixed_horizon(open, close, events, config.side_sign, cost, config.horizon)
    exit_price = np.full(events.size, np.nan)
    known = np.isfinite(outcome.t1)
    exit_price[known] = close[outcome.t1[known].astype(np.int64)]
    return Settlement(outcome, exit_price)


def _nothing_labelled(n_bars: int, config: LabelConfig, excluded: dict[str, int]) -> LabelError:
    told = ", ".join(f"{number} {reason}" for reason, number in excluded.items()) or "no decision"
    warm_up = config.atr_window if config.method == "triple_barrier" else 0
    needed = warm_up + config.horizon + 1
    if n_bars >= needed and excluded.get(NO_ROOM, excluded.get(NO_ROOM_FOR_PROFIT, 0)):
        mend = "Widen labels.k_up and labels.k_down, use a longer timeframe or cheaper costs."
    else:
        mend = "Give more bars, or lower labels.atr_window, labels.horizon or the windows of the features."
    return LabelError(
        "labels",
        f"{n_bars} bars leave nothing to label ({told})",
        expected=f"{needed} or more after the features' warm-up: {warm_up} for the ATR, 1 to decide, {config.horizon} for the outcome",
        mend=mend,
    )
