"""The back-labeler: what became of a simulated trade, in units of its initial risk R.

`back_label` is the way from bars; `outcomes_in_R` takes plain arrays. Entries at another price than the open stand in
`back_labeler_offsets`. Source: the alert charter, section 1.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError, ShapeError
from barmill.labels._arguments import checked_events, checked_horizon, checked_positive, checked_series, per_event, unsettled
from barmill.labels.back_labeler_config import OutcomeConfig
from barmill.labels.back_labeler_offsets import best_entry_offset, refusal
from barmill.labels.make import NO_ATR, NO_ROOM, NOT_COVERED, NOT_READY, decision_bars

if TYPE_CHECKING:
    from barmill.market import Bars

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_PLACE = "outcomes_in_R"
_MS_PER_MINUTE = 60_000


class OutcomesInR(NamedTuple):
    """Outcomes of shape (n_events,), float64, all net of the costs of the round trip; NaN where the data do not settle them.

    label : +1 target, -1 stop, 0 time
    exit_bar, exit_price : where the trade left
    realised_R : what it brought
    runup_R, drawdown_R : the most that it was worth, and the most that it was under water, until its exit: what leaving there would have
        brought, so that a trade that only fell has a run-up of minus its costs; the draw-down counts losses as positive
    t_hit_TP, t_hit_SL : bars from the entry to the touch that ended the trade, the entry bar being 1; NaN where something else ended it
    reached_R : 1 where it was worth `entry_R` at some time before it left, else 0
    max_favorable_excursion_ATR, max_adverse_excursion_ATR : as run-up and draw-down, in ATRs at the decision, over the whole horizon
        whatever ended the trade: how far away a stop would have had to lie
    max_favorable_excursion_R, max_adverse_excursion_R : the same in R
    """

    label: Float64Array
    exit_bar: Float64Array
    exit_price: Float64Array
    realised_R: Float64Array
    runup_R: Float64Array
    drawdown_R: Float64Array
    t_hit_TP: Float64Array
    t_hit_SL: Float64Array
    reached_R: Float64Array
    max_favorable_excursion_ATR: Float64Array
    max_adverse_excursion_ATR: Float64Array
    max_favorable_excursion_R: Float64Array
    max_adverse_excursion_R: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class BackLabels:
    """Outcomes of the trades proposed at each decision, each settled and in the order of t0; arrays of shape (n_labels,).

    t0 : int64, position of the bar at whose close the trade was proposed
    t1 : int64, t0 + horizon, at whose close every figure is known: what purging goes by
    outcomes : see `OutcomesInR`
    minutes_to_TP, minutes_to_SL : float64, from the open of the entry bar to the close of the bar of the touch, by the clock
    offset_atr : float64, the entry offset that brought most, see `best_entry_offset`
    offset_R : float64 of shape (n_labels, n_offsets), what each offset brought
    atr, cost : float64, price units; cost is of the whole round trip
    excluded : reason to number of decisions that were set aside
    """

    t0: Int64Array
    t1: Int64Array
    outcomes: OutcomesInR
    minutes_to_TP: Float64Array
    minutes_to_SL: Float64Array
    offset_atr: Float64Array
    offset_R: Float64Array
    atr: Float64Array
    cost: Float64Array
    config: OutcomeConfig
    excluded: Mapping[str, int] = field(default_factory=dict[str, int])

    def __len__(self) -> int:
        return len(self.t0)

    @property
    def classes(self) -> npt.NDArray[np.int8]:
        """What the entry expert learns, `Samples.y`: 1 where the trade was worth `entry_R` before it left, else 0."""
        return self.outcomes.reached_R.astype(np.int8)

    @property
    def targets(self) -> dict[str, Float64Array]:
        """What the other experts learn, by the names in their specs, and are judged by: `Samples.targets`."""
        return {
            "drawdown_kATR": self.outcomes.max_adverse_excursion_ATR,
            "realised_R": self.outcomes.realised_R,
            "runup_R": self.outcomes.runup_R,
            "offset_kATR": self.offset_atr,
        }


def outcomes_in_R(
    open: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    events: npt.ArrayLike,
    atr: npt.ArrayLike,
    side: npt.ArrayLike,
    stop_atr: float,
    cost: npt.ArrayLike,
    horizon: int,
    target_R: float | None = None,
    entry_R: float = 1.0,
) -> OutcomesInR:
    """Outcomes of a trade entered at the open after each event and held by one rule, in R.

    The levels are those of `triple_barrier_net` with k_down = stop_atr and k_up = target_R·stop_atr: R = stop_atr·atr, a touch of the stop
    brings -1 R and one of the target target_R R, costs inside. A bar that opens at or beyond a level leaves at its open, one that touches
    both counts as the stop, and without a touch the trade leaves at close[e+horizon]. Within a bar the worst price is taken to come first.

    Parameters
    ----------
    open, high, low, close : float64 arrays of shape (n_bars,), prices
    events : int array of shape (n_events,), positions of the decision bars, in any order
    atr, side, cost : a number, or an array of shape (n_events,) or (n_bars,) read at the event: ATR in price units, > 0; +1 long or
        -1 short; the whole round trip in price units, >= 0
    stop_atr : float, ATRs, > 0
    horizon : int, bars, at least 1
    target_R : float, R, > 0; None lets the trade run to its stop or its time
    entry_R : float, R, > 0, what `reached_R` asks for

    Returns
    -------
    OutcomesInR. A touch settles a trade though its horizon lies beyond the data; the excursions need the whole horizon.

    Timing: bars e+1 .. e+horizon and the ATR at e; known at the close of bar e+horizon at the latest.
    Raises: LabelError naming the first event without a positive ATR or without room for a stop (cost/atr >= stop_atr); ShapeError if
    lengths differ. Cost: proportional to events times horizon.
    """
    from barmill.labels import back_labeler_kernels as kernels  # compiles at first import; see there

    opens, highs, lows, closes = checked_series(_PLACE, open=open, high=high, low=low, close=close)
    positions = checked_events(_PLACE, events, opens.size)
    atrs, sides, costs = (
        per_event(_PLACE, name, values, positions, opens.size) for name, values in (("atr", atr), ("side", side), ("cost", cost))
    )
    k_stop = checked_positive(_PLACE, "stop_atr", stop_atr)
    k_target = np.inf if target_R is None else checked_positive(_PLACE, "target_R", target_R)
    k_entry = checked_positive(_PLACE, "entry_R", entry_R)
    bars = checked_horizon(_PLACE, horizon)
    found = unsettled(positions.size, 8)
    refused = kernels.scan_outcomes(opens, highs, lows, closes, positions, atrs, sides, costs, k_stop, k_target, k_entry, bars, *found)
    if refused != kernels.NOT_REFUSED:
        raise refusal(_PLACE, refused, positions, opens, atrs, sides, costs, k_stop)
    return _in_units(opens, positions, atrs, sides, costs, k_stop, *found)


def back_label(bars: "Bars", config: OutcomeConfig, ready: BoolArray | None = None) -> BackLabels:
    """Outcomes of the trade proposed at each of `decision_bars`, as far as the data cover its whole horizon.

    The ATR is over `atr_window` base bars; the cost is the market's round trip at the entry price, open[e+1].

    Parameters
    ----------
    bars : Bars of shape (n_bars,)
    config : OutcomeConfig, the one holding rule
    ready : bool array of shape (n_bars,), True where all features are known; None means everywhere

    Raises: LabelError if no trade can be settled, with what was set aside.
    """
    from barmill.features import atr as average_true_range  # compiles kernels; see `_kernels`
    from barmill.market import round_trip_cost

    n_bars = len(bars)
    if ready is not None and ready.shape != (n_bars,):
        raise ShapeError("back_label.ready", f"an array of shape {ready.shape}", expected=f"({n_bars},), one value for each bar")
    excluded: dict[str, int] = {}

    def keep(events: Int64Array, allowed: BoolArray, reason: str) -> Int64Array:
        if not allowed.all():
            excluded[reason] = int(np.count_nonzero(~allowed))
        return events[allowed]

    events = np.flatnonzero(decision_bars(bars, config.every))
    if ready is not None:
        events = keep(events, ready[events], NOT_READY)
    atr = average_true_range(bars.high, bars.low, bars.close, config.atr_window) if n_bars else np.empty(0)
    events = keep(events, np.isfinite(atr[events]), NO_ATR)
    events = keep(events, events + config.horizon < n_bars, NOT_COVERED)
    cost = np.asarray(round_trip_cost(bars.instrument, bars.open[events + 1]), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = (atr[events] > 0) & (config.stop_atr - cost / atr[events] > 0)
    events, cost = keep(events, room, NO_ROOM), cost[room]
    if not events.size:
        told = ", ".join(f"{number} {reason}" for reason, number in excluded.items()) or "no decision"
        mend = "Give more bars, a wider stop_atr, a longer timeframe or a shorter horizon."
        raise LabelError("outcomes", f"{n_bars} bars leave no trade to settle ({told})", mend=mend)
    return _settled(bars, config, events, atr[events], cost, excluded)


def _settled(
    bars: "Bars", config: OutcomeConfig, events: Int64Array, atr: Float64Array, cost: Float64Array, excluded: Mapping[str, int]
) -> BackLabels:
    prices = bars.open, bars.high, bars.low, bars.close
    # As one value for each event, which an array as long as the bars could not be told from.
    rule = events, atr, np.full(events.size, float(config.side_sign)), config.stop_atr, cost, config.horizon, config.target_R
    outcomes = outcomes_in_R(*prices, *rule, config.entry_R)
    offsets = best_entry_offset(*prices, *rule, config.fill_bars, config.offsets_atr)
    minutes = (bars.close_time[outcomes.exit_bar.astype(np.int64)] - bars.open_time[events + 1]) / _MS_PER_MINUTE
    return BackLabels(
        t0=events,
        t1=events + config.horizon,
        outcomes=outcomes,
        minutes_to_TP=np.where(outcomes.label == 1, minutes, np.nan),
        minutes_to_SL=np.where(outcomes.label == -1, minutes, np.nan),
        offset_atr=offsets.offset_atr,
        offset_R=offsets.realised_R,
        atr=atr,
        cost=cost,
        config=config,
        excluded=dict(excluded),
    )


def _in_units(
    opens: Float64Array,
    events: Int64Array,
    atr: Float64Array,
    side: Float64Array,
    cost: Float64Array,
    stop_atr: float,
    label: Float64Array,
    exit_bar: Float64Array,
    exit_price: Float64Array,
    best: Float64Array,
    worst: Float64Array,
    reached: Float64Array,
    highest: Float64Array,
    lowest: Float64Array,
) -> OutcomesInR:
    """Prices as what leaving there would have brought, in R and in ATRs."""
    entry = np.append(opens, np.nan)[events + 1]
    risk = stop_atr * atr
    long = side > 0
    favourable, adverse = np.where(long, highest, lowest), np.where(long, lowest, highest)

    def earned(price: Float64Array) -> Float64Array:
        return side * (price - entry) - cost

    waited = exit_bar - events
    gain, loss = earned(favourable), -earned(adverse)
    return OutcomesInR(
        label=label,
        exit_bar=exit_bar,
        exit_price=exit_price,
        realised_R=earned(exit_price) / risk,
        runup_R=earned(best) / risk,
        drawdown_R=-earned(worst) / risk,
        t_hit_TP=np.where(label == 1, waited, np.nan),
        t_hit_SL=np.where(label == -1, waited, np.nan),
        reached_R=reached,
        max_favorable_excursion_ATR=gain / atr,
        max_adverse_excursion_ATR=loss / atr,
        max_favorable_excursion_R=gain / risk,
        max_adverse_excursion_R=loss / risk,
    )
