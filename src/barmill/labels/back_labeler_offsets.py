"""Entries away from the open: what a stop or limit order at each offset would have brought, and which offset brought most."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError
from barmill.labels._arguments import checked_events, checked_horizon, checked_positive, checked_series, per_event
from barmill.labels.back_labeler_config import OFFSETS_ATR

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_PLACE = "best_entry_offset"


class EntryOffsets(NamedTuple):
    """offset_atr : float64 (n_events,), the offset that brought most, NaN where some offset is not settled
    realised_R : float64 (n_events, n_offsets), what each brought, 0 where its order was not filled
    filled : float64 (n_events, n_offsets), 1 where the order was filled, else 0
    """

    offset_atr: Float64Array
    realised_R: Float64Array
    filled: Float64Array


def best_entry_offset(
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
    fill_bars: int = 3,
    offsets: Sequence[float] = OFFSETS_ATR,
) -> EntryOffsets:
    """The offset from the next open, in ATRs, at which an entry would have brought most R, costs inside.

    An order stands at open[e+1] + side·offset·atr: a stop order above 0 (it buys strength), a limit order below 0 (it waits for a
    better price), at 0 the open itself. It waits over bars e+1 .. e+fill_bars and is filled when touched, at its price, or at the open of
    a bar that opens beyond it. An order that is not filled is no trade and brings 0. A filled one is held as in `outcomes_in_R` from its
    own price, with the same R, and ends at the same bar e+horizon as a trade entered at the open. In the bar of the fill, what may have
    happened before the fill counts against the trade and never for it. Every fill pays the full round trip, limit orders too.

    Parameters
    ----------
    as in `outcomes_in_R`
    fill_bars : int, bars for which an order waits, up to the horizon
    offsets : ATRs, each once

    Returns
    -------
    EntryOffsets. Of offsets that brought the same the one nearest to 0 is taken, and of two at one distance the first named.

    The best is known in hindsight only: it is a target to learn from, not what an order can expect.
    Raises: as `outcomes_in_R`; LabelError for an order that outlives its trade. Source: the alert charter, section 7.
    """
    from barmill.labels import back_labeler_kernels as kernels  # compiles at first import; see there

    opens, highs, lows, closes = checked_series(_PLACE, open=open, high=high, low=low, close=close)
    positions = checked_events(_PLACE, events, opens.size)
    atrs, sides, costs = (
        per_event(_PLACE, name, values, positions, opens.size) for name, values in (("atr", atr), ("side", side), ("cost", cost))
    )
    k_stop = checked_positive(_PLACE, "stop_atr", stop_atr)
    k_target = np.inf if target_R is None else checked_positive(_PLACE, "target_R", target_R)
    bars = checked_horizon(_PLACE, horizon)
    if not 1 <= fill_bars <= bars:
        raise LabelError(f"{_PLACE}.fill_bars", f"{fill_bars}", expected=f"1 to {bars}, the horizon")
    grid = np.ascontiguousarray(offsets, dtype=np.float64)
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
        raise LabelError(f"{_PLACE}.offsets", f"{offsets}", expected="one finite number or more")
    realised, filled = np.full((2, positions.size, grid.size), np.nan)
    refused = kernels.scan_offsets(
        opens, highs, lows, closes, positions, atrs, sides, costs, grid, k_stop, k_target, bars, int(fill_bars), realised, filled
    )
    if refused != kernels.NOT_REFUSED:
        raise refusal(_PLACE, refused, positions, opens, atrs, sides, costs, k_stop)
    return EntryOffsets(_best(grid, realised), realised, filled)


def refusal(
    place: str,
    number: int,
    events: Int64Array,
    opens: Float64Array,
    atr: Float64Array,
    side: Float64Array,
    cost: Float64Array,
    stop_atr: float,
) -> LabelError:
    """Why event `number` cannot be simulated."""
    bar = int(events[number])
    where = f"{place} event {number} (bar {bar})"
    entry, a, s, c = opens[bar + 1], atr[number], side[number], cost[number]
    if s not in (1.0, -1.0):
        return LabelError(where, f"side {s}", expected="+1 (long) or -1 (short)")
    if not entry > 0:
        return LabelError(where, f"entry price {entry}", expected="a positive price")
    if not c >= 0:
        return LabelError(where, f"cost {c}", expected="0 or more, in price units")
    if not a > 0:
        return LabelError(where, f"ATR {a}", expected="a positive number", mend="Leave out events before the ATR is known.")
    return LabelError(
        where,
        f"a round trip costs {c:g}, {c / a:.3g} ATR of {a:g}, and leaves no room for a stop",
        expected=f"less than stop_atr {stop_atr:g} ATR",
        mend="Widen the stop, use a longer timeframe or leave the event out.",
    )


def _best(grid: Float64Array, realised: Float64Array) -> Float64Array:
    """The offset of each row's largest value, of equal ones the nearest to 0; NaN where a value is."""
    nearest_first = np.argsort(np.abs(grid), kind="stable")
    chosen = grid[nearest_first][np.argmax(realised[:, nearest_first], axis=1)]
    return np.where(np.isnan(realised).any(axis=1), np.nan, chosen)
