"""Which bars may follow the last one of a stream: refusals that name the bar, and what to send instead."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from barmill.market import Timeframe
from barmill.serving.answers import Float64Array
from barmill.serving.refusals import Refusal

_FIELDS = ("open", "high", "low", "close", "volume")


def check_next(last: int | None, open_time: npt.NDArray[np.int64], timeframe: Timeframe, place: str) -> None:
    """Raise Refusal "conflict" unless bars that open at `open_time`, int64 (n,), UTC ms, may follow the one that opened at `last`.

    Bars of a day or longer may open at the hour of a session, which moves with the clocks; others lie on the grid of the first one.
    """
    times = open_time if last is None else np.concatenate(([last], open_time))
    step, first = np.diff(times), len(open_time) + 1 - len(times)
    if (step <= 0).any():
        row = int(np.argmax(step <= 0))
        found = f"{times[row + 1]} is not after the bar before it, {times[row]}"
        mend = "Send each closed bar once, in time order, from the one after last_open_time on."
        raise Refusal("conflict", "bar_out_of_order", _field(place, row + first, len(open_time)), found, mend=mend)
    off = step % timeframe.ms != 0 if timeframe.minutes < 1440 else np.zeros(step.shape, dtype=np.bool_)
    if off.any():
        row = int(np.argmax(off))
        expected = f"steps of {timeframe.ms} ms ({timeframe}) from the bar before it, {times[row]}"
        raise Refusal("conflict", "bar_off_grid", _field(place, row + first, len(open_time)), f"{times[row + 1]}", expected=expected)


def check_same(sent: Float64Array, again: Float64Array, sources: Sequence[str], open_time: int, place: str) -> None:
    """Raise Refusal "conflict" unless a bar that is sent `again` has the values that were `sent`, to the bit.

    sent, again : float64 (5 + n_sources,): open, high, low, close, volume, then `sources`
    """
    differs = (sent != again) & ~(np.isnan(sent) & np.isnan(again))
    if differs.any():
        row = int(np.argmax(differs))
        found = f"{again[row]}, for the bar {open_time} that was sent before"
        mend = "A closed bar does not change; where it was corrected, drop the stream and send its history."
        field = f"{place}.{(*_FIELDS, *sources)[row]}"
        raise Refusal("conflict", "bar_duplicate_differs", field, found, expected=f"{sent[row]}", mend=mend)


def _field(place: str, row: int, n_bars: int) -> str:
    return f"{place}.open_time" if n_bars == 1 else f"{place}[{row}].open_time"


__all__ = ["check_next", "check_same"]
