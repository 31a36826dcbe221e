"""Which stretch of time a longer bar covers: one rule, for resampling, for bars that were resampled, and for their checks.

Buckets are counted from the Unix epoch or, anchored to sessions, from the open of each session, the last one ending with it. They
are never counted from the first row: a slice would give other bars than the whole. The scan's aggregator in
`features/kernels/timeframes.py` follows the same rule, and a test compares the two.
"""

from typing import Literal, NamedTuple

import numpy as np

from barmill.errors import InstrumentError
from barmill.market.calendar import Calendar
from barmill.market.schedules import Int64Array
from barmill.market.timeframe import Timeframe

Anchor = Literal["epoch", "session"]


class Buckets(NamedTuple):
    """start (included) and end (excluded) of the bucket of each bar, int64 (n_bars,), ms UTC."""

    start: Int64Array
    end: Int64Array


def buckets_of(open_time: Int64Array, timeframe: Timeframe, calendar: Calendar | None = None) -> Buckets:
    """The bucket in which each bar opens.

    Parameters
    ----------
    open_time : int64 (n_bars,), ms UTC
    timeframe : length of a bucket; anchored to sessions at most a day
    calendar : whose sessions the buckets are counted from; None counts from the epoch

    Raises: InstrumentError for a timeframe of several days that is anchored to sessions.
    """
    step = timeframe.ms
    if calendar is None:
        start = open_time // step * step
        return Buckets(start, start + step)
    check_anchor(timeframe)
    opens, closes = calendar.session_bounds(open_time)
    start = opens + (open_time - opens) // step * step
    return Buckets(start, np.minimum(start + step, closes))


def check_anchor(timeframe: Timeframe) -> None:
    """Raise InstrumentError if bars so long cannot be anchored to sessions."""
    if timeframe.minutes > 1440:
        mend = "Anchor it to the epoch."
        raise InstrumentError(f"timeframe {timeframe}", "no session lasts so long", expected="at most 1d, which is the session", mend=mend)


__all__ = ["Anchor", "Buckets", "buckets_of", "check_anchor"]
