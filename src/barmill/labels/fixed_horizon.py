"""The fixed horizon: the sign of the net return over a set number of bars."""

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError
from barmill.labels._arguments import checked_events, checked_horizon, checked_series, per_event, unsettled
from barmill.labels.triple_barrier import NetOutcome

_PLACE = "fixed_horizon"


def fixed_horizon(
    open: npt.ArrayLike, close: npt.ArrayLike, events: npt.ArrayLike, side: npt.ArrayLike, cost: npt.ArrayLike, horizon: int
) -> NetOutcome:
    """Outcome of a trade from open[e+1] to close[e+horizon], whatever lies between.

    Prefer `triple_barrier_net` where a stop would be traded.

    Parameters
    ----------
    open, close : float64 arrays of shape (n_bars,), prices
    events : int array of shape (n_events,), positions of the decision bars
    side, cost : a number, or an array of shape (n_events,) or (n_bars,) read at the event: +1 long or -1 short; the whole
        round trip in price units, >= 0
    horizon : int, bars, at least 1

    Returns
    -------
    NetOutcome of arrays of shape (n_events,): label is the sign of the net return; NaN in all four where the data end
    before bar e+horizon.

    Timing: depends on open[e+1] and close[e+horizon], known at the close of bar e+horizon.
    Raises: LabelError naming the first event with an invalid side, cost or entry price; ShapeError if lengths differ.
    """
    opens, closes = checked_series(_PLACE, open=open, close=close)
    positions = checked_events(_PLACE, events, opens.size)
    sides = per_event(_PLACE, "side", side, positions, opens.size)
    costs = per_event(_PLACE, "cost", cost, positions, opens.size)
    bars = checked_horizon(_PLACE, horizon)

    label, t1, gross, net = unsettled(positions.size, 4)
    settled = np.flatnonzero(positions + bars < opens.size)
    ends = positions[settled] + bars
    p, s, c = opens[positions[settled] + 1], sides[settled], costs[settled]
    valid = (np.abs(s) == 1) & (c >= 0) & (p > 0)
    if not valid.all():
        at = int(np.argmin(valid))
        raise LabelError(
            f"{_PLACE} event {settled[at]} (bar {positions[settled[at]]})",
            f"side {s[at]:g}, cost {c[at]:g} and entry price {p[at]:g}",
            expected="side +1 or -1, a cost of 0 or more and a positive price",
        )
    gross[settled] = s * (closes[ends] / p - 1.0)
    net[settled] = gross[settled] - c / p
    label[settled] = np.sign(net[settled])
    t1[settled] = ends
    return NetOutcome(label, t1, gross, net)
