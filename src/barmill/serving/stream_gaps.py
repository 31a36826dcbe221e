"""How many bars are missing between two: what `Calendar.missing` says, at a price that no client can raise."""

import numpy as np
import numpy.typing as npt

from barmill.market import Calendar, Timeframe

Int64Array = npt.NDArray[np.int64]

COUNTED = 1_000_000  # steps of one gap that are looked up in a calendar; beyond, all are counted as missing


def missing_before(open_time: Int64Array, calendar: Calendar, timeframe: Timeframe) -> Int64Array:
    """Bars that the calendar expects between each bar and the one before it, and that are not there.

    open_time : int64 of shape (n,), n >= 1, UTC ms, ascending, on the timeframe's grid; what comes back has shape (n - 1,)

    Daily and longer bars of a market that closes are not judged, see `Calendar.missing`. Raises InstrumentError where the schedule of an
    exchange does not reach so far.
    """
    absent = np.diff(open_time) // timeframe.ms - 1
    if calendar.name == "24/7":
        return absent
    if timeframe.minutes >= 1440:
        return np.zeros_like(absent)
    for row in np.flatnonzero((absent > 0) & (absent < COUNTED)).tolist():
        absent[row] = calendar.missing(open_time[row : row + 2], timeframe).size
    return absent


__all__ = ["COUNTED", "missing_before"]
