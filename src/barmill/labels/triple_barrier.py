"""The triple barrier: which of profit, stop and time ends a trade first.

`triple_barrier_net` is what models learn from: intrabar prices, entry at the next open, levels in ATR with the costs
inside. `triple_barrier_close` is the textbook's version on closing prices without costs.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError
from barmill.labels._arguments import (
    Float64Array,
    checked_events,
    checked_horizon,
    checked_positive,
    checked_series,
    per_event,
    unsettled,
)

CostMode = Literal["net", "charter"]

_PLACE = "triple_barrier_net"


class NetOutcome(NamedTuple):
    """Outcomes of shape (n_events,), float64; NaN in all four where the data do not settle the event.

    label : +1 profit, -1 stop, 0 time (or, at a fixed horizon, the sign of the net return)
    t1 : position of the bar of the exit
    gross_return, net_return : simple returns from entry to exit, before and after costs
    """

    label: Float64Array
    t1: Float64Array
    gross_return: Float64Array
    net_return: Float64Array


class CloseOutcome(NamedTuple):
    """Outcomes of shape (n_events,), float64; NaN in all three where the data do not settle the event."""

    label: Float64Array
    t1: Float64Array
    ret: Float64Array


class Settlement(NamedTuple):
    """What `settle` gives: a `NetOutcome` and the price at which each event left."""

    outcome: NetOutcome
    exit_price: Float64Array


def triple_barrier_net(
    open: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    events: npt.ArrayLike,
    atr: npt.ArrayLike,
    side: npt.ArrayLike,
    k_up: float,
    k_down: float,
    cost: npt.ArrayLike,
    horizon: int,
    cost_mode: CostMode = "net",
) -> NetOutcome:
    """Outcome of a trade decided at each event's close, with levels in ATR units and the costs inside.

    The entry is p = open[e+1]. With s the side, a the ATR at bar e and c the cost of the round trip, profit is taken at
    p + s·(k_up + c/a)·a and the loss at p - s·(k_down - c/a)·a, so that a touch earns k_up·a or loses k_down·a net. Over bars
    e+1 .. e+horizon, a bar that opens at or beyond a level leaves at its open, one that touches both counts as the stop, and
    without a touch the trade leaves at close[e+horizon]. Bars are counted; a gap in time is no bar.

    Parameters
    ----------
    open, high, low, close : float64 arrays of shape (n_bars,), prices
    events : int array of shape (n_events,), positions of the decision bars, in any order
    atr, side, cost : a number, or an array of shape (n_events,) or (n_bars,) read at the event: ATR at the event in price
        units, > 0; +1 long or -1 short; the whole round trip in price units, >= 0
    k_up, k_down : float, ATRs, > 0
    horizon : int, bars, at least 1
    cost_mode : "net", or "charter" for (k_up - c/a) and (k_down + c/a), by which a touch earns k_up·a - 2c and loses k_down·a + 2c

    Returns
    -------
    NetOutcome of arrays of shape (n_events,): label, t1, gross_return = s·(exit/p - 1), net_return = gross_return - c/p;
    NaN in all four where the data end before the outcome is known.

    Timing: the outcome depends on bars e+1 .. t1 and the ATR at e, and is known at the close of bar t1.
    Raises: LabelError naming the first event without a positive ATR or without room for a level (c/a >= k_down; in charter
    mode c/a >= k_up); ShapeError if lengths differ. An event on the last bar has no entry yet, and is not refused but NaN.
    Cost: proportional to the bars until the touch.
    Source: López de Prado (2018), chapter 3; the levels as in the project's definitions, section 5.
    """
    return settle(open, high, low, close, events, atr, side, k_up, k_down, cost, horizon, cost_mode).outcome


def settle(
    open: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    events: npt.ArrayLike,
    atr: npt.ArrayLike,
    side: npt.ArrayLike,
    k_up: float,
    k_down: float,
    cost: npt.ArrayLike,
    horizon: int,
    cost_mode: CostMode = "net",
) -> Settlement:
    """`triple_barrier_net`, with the exit prices as well."""
    from barmill.labels import _kernels  # compiles at first import; see there

    if cost_mode not in ("net", "charter"):
        raise LabelError(f"{_PLACE}.cost_mode", repr(cost_mode), expected="'net' or 'charter'")
    opens, highs, lows, closes = checked_series(_PLACE, open=open, high=high, low=low, close=close)
    positions = checked_events(_PLACE, events, opens.size)
    atrs = per_event(_PLACE, "atr", atr, positions, opens.size)
    sides = per_event(_PLACE, "side", side, positions, opens.size)
    costs = per_event(_PLACE, "cost", cost, positions, opens.size)
    up, down = checked_positive(_PLACE, "k_up", k_up), checked_positive(_PLACE, "k_down", k_down)
    label, t1, exit_price, gross, net = unsettled(positions.size, 5)
    refused = _kernels.scan_triple_barrier_net(
        opens,
        highs,
        lows,
        closes,
        np.maximum(highs, opens),
        np.minimum(lows, opens),
        positions,
        atrs,
        sides,
        costs,
        up,
        down,
        checked_horizon(_PLACE, horizon),
        cost_mode == "charter",
        label,
        t1,
        exit_price,
        gross,
        net,
    )
    if refused != _kernels.NOT_REFUSED:
        bar = int(positions[refused])
        place = f"{_PLACE} event {refused} (bar {bar})"
        raise _refusal(place, opens[bar + 1], atrs[refused], sides[refused], costs[refused], up, down, cost_mode)
    return Settlement(NetOutcome(label, t1, gross, net), exit_price)


def has_room(atr: Float64Array, cost: Float64Array, k_up: float, k_down: float, cost_mode: CostMode) -> npt.NDArray[np.bool_]:
    """True where both levels lie beyond the entry: a positive ATR, and costs that leave room."""
    limit = k_down if cost_mode == "net" else k_up
    with np.errstate(divide="ignore", invalid="ignore"):
        return (atr > 0) & (limit - cost / atr > 0)


def triple_barrier_close(
    close: npt.ArrayLike, events: npt.ArrayLike, target: npt.ArrayLike, pt: float, sl: float, horizon: int
) -> CloseOutcome:
    """The textbook's triple barrier: long, closing prices, no costs.

    Prefer `triple_barrier_net` for anything that is to be traded: a decision at a close cannot be filled at that close.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    events : int array of shape (n_events,), positions
    target : a number, or an array of shape (n_events,) or (n_bars,) read at the event: unit of the levels as a simple return, >= 0
    pt, sl : float, levels in targets, >= 0; inf switches a level off
    horizon : int, bars, at least 1

    Returns
    -------
    CloseOutcome of arrays of shape (n_events,): over t = e+1 .. e+horizon the first t with close_t/close_e - 1 > pt·target (+1) or
    < -sl·target (-1), else label 0 at e+horizon; ret is the simple return to t1. NaN where the data end before.

    Raises: LabelError naming the first event with a negative or missing target, or without a positive price; ShapeError if lengths differ.
    Source: López de Prado (2018), snippets 3.2 and 3.9.
    """
    from barmill.labels import _kernels  # compiles at first import; see there

    place = "triple_barrier_close"
    (closes,) = checked_series(place, close=close)
    positions = checked_events(place, events, closes.size)
    targets = per_event(place, "target", target, positions, closes.size)
    for name, value in (("pt", pt), ("sl", sl)):
        if math.isnan(value) or value < 0:
            raise LabelError(f"{place}.{name}", f"{value}", expected="0 or more")
    label, t1, ret = unsettled(positions.size, 3)
    refused = _kernels.scan_triple_barrier_close(
        closes, positions, targets, float(pt), float(sl), checked_horizon(place, horizon), label, t1, ret
    )
    if refused != _kernels.NOT_REFUSED:
        raise LabelError(
            f"{place} event {refused} (bar {positions[refused]})",
            f"target {targets[refused]} at price {closes[positions[refused]]:g}, with pt {pt} and sl {sl}",
            expected="a positive price and a target of 0 or more, above 0 where a level is infinite",
            mend="Leave out the events before the volatility is known.",
        )
    return CloseOutcome(label, t1, ret)


def _refusal(place: str, entry: float, atr: float, side: float, cost: float, k_up: float, k_down: float, cost_mode: CostMode) -> LabelError:
    if side not in (1.0, -1.0):
        return LabelError(place, f"side {side}", expected="+1 (long) or -1 (short)")
    if not entry > 0:
        return LabelError(place, f"entry price {entry}", expected="a positive price", mend="A return on it would mean nothing.")
    if not cost >= 0:
        return LabelError(place, f"cost {cost}", expected="0 or more, in price units")
    if not atr > 0:
        return LabelError(
            place, f"ATR {atr}", expected="a positive number", mend="Leave out events before the ATR is known or while prices stand still."
        )
    level, k = ("stop", f"k_down {k_down:g}") if cost_mode == "net" else ("profit", f"k_up {k_up:g}")
    return LabelError(
        place,
        f"a round trip costs {cost:g}, {cost / atr:.3g} ATR of {atr:g}, and leaves no room for a {level}",
        expected=f"less than {k} ATR",
        mend="Widen the level, use a longer timeframe or leave the event out.",
    )
