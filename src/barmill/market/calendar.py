"""When a market is open, in UTC milliseconds.

Three kinds: `24/7`; `forex` (Sunday 17:00 to Friday 17:00 in New York, whatever UTC says that week); and exchange
sessions from the library exchange_calendars, which is imported when the first of them is used.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from barmill.errors import InstrumentError
from barmill.market.exchange_names import EXCHANGES
from barmill.market.schedules import (
    CLOSE,
    DAY,
    DAY_MS,
    OPEN,
    REST_BEGINS,
    REST_ENDS,
    Int64Array,
    exchange_days,
    forex_weeks,
    utc_date,
    utc_ms,
)
from barmill.market.sessions import Sessions, sessions_between
from barmill.market.timeframe import Timeframe

BoolArray = npt.NDArray[np.bool_]

YEAR_DAYS = 365.0  # so that a 24/7 market has exactly 525,600 minutes a year
# Ten whole years: what an exchange's year has on average, never dependent on today's date.
_REFERENCE = (date(2015, 1, 1), date(2025, 1, 1))


@cache
def known_calendars() -> tuple[str, ...]:
    """Names that `Calendar.named` takes."""
    return ("24/7", "forex", *EXCHANGES)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The open hours of a market.

    Examples
    --------
    >>> Calendar.named("24/7").periods_per_year(Timeframe.parse("1m"))
    525600.0
    """

    name: str

    @classmethod
    def named(cls, name: str) -> "Calendar":
        """The calendar of that name. Raises InstrumentError."""
        if name not in known_calendars():
            raise InstrumentError(f"calendar '{name}'", "there is no such calendar", expected="24/7, forex, or a name such as CMES or XNYS")
        return cls(name)

    def open_intervals(self, first_ms: int, last_ms: int) -> Int64Array:
        """Open intervals that meet [first_ms, last_ms], in time order.

        Returns
        -------
        int64 array of shape (n, 2): start (included) and end (excluded) of each.
        """
        if self.name == "24/7":
            day = DAY_MS
            return np.array([[first_ms // day * day, (last_ms // day + 1) * day]], dtype=np.int64)
        week = timedelta(days=8)
        if self.name == "forex":
            found = forex_weeks(utc_date(first_ms) - week, utc_date(last_ms) + week)
        else:
            found = _open_pieces(exchange_days(self.name, utc_date(first_ms).year, utc_date(last_ms).year))
        return found[(found[:, 1] > first_ms) & (found[:, 0] <= last_ms)]

    def sessions(self, first_ms: int, last_ms: int) -> Sessions:
        """The sessions of [first_ms, last_ms], in time order, with the last one before and the first one after it.

        A session is the UTC day of a market that never closes, the day from 17:00 to 17:00 in New York for forex (five a week:
        Monday's opens on Sunday), and the trading day of an exchange, midday break included. All of it is scheduled, so it is
        known beforehand; what an exchange decides at short notice is not in it.
        """
        return sessions_between(self.name, first_ms, last_ms)

    def session_bounds(self, open_time_ms: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
        """Start (included) and end (excluded) of the session in which each bar opens.

        A bar that opens when the market is closed lies in the closed stretch between two sessions, which counts as one of its
        own: from the close before it to the next open. So the bounds of all bars are finite, and no two sessions overlap.

        Parameters
        ----------
        open_time_ms : int64 (n_bars,), ms UTC, in any order

        Returns
        -------
        two int64 arrays of shape (n_bars,), ms UTC
        """
        times = np.asarray(open_time_ms, dtype=np.int64)
        if not times.size:
            return times.copy(), times.copy()
        if self.name == "24/7":
            start = times // DAY_MS * DAY_MS
            return start, start + DAY_MS
        starts, ends = self.sessions(int(times.min()), int(times.max())).stretches()
        place = np.searchsorted(starts, times, side="right") - 1
        return starts[place], ends[place]

    def is_open(self, time_ms: npt.ArrayLike) -> BoolArray:
        """Whether the market is open at each time (int64 ms, any order), same shape."""
        times = np.asarray(time_ms, dtype=np.int64)
        if times.size == 0 or self.name == "24/7":
            return np.ones(times.shape, dtype=bool)
        intervals = self.open_intervals(int(times.min()), int(times.max()))
        return self._inside(intervals, times)

    @staticmethod
    def _inside(intervals: Int64Array, times: Int64Array) -> BoolArray:
        if not len(intervals):
            return np.zeros(times.shape, dtype=bool)
        place = np.searchsorted(intervals[:, 0], times, side="right") - 1
        return (place >= 0) & (times < intervals[np.maximum(place, 0), 1])

    def expected(self, first_ms: int, last_ms: int, timeframe: Timeframe, offset_ms: int = 0) -> Int64Array:
        """Open times of the bars that the calendar expects, from `first_ms` to `last_ms`, both included.

        A bar is expected when the market is open at any moment of it. Bars lie on the grid of the Unix epoch, moved
        by `offset_ms`.
        """
        step = timeframe.ms
        if timeframe.minutes >= 1440:
            first, last = (first_ms - offset_ms) // step, (last_ms - offset_ms) // step
        else:
            first, last = -(-(first_ms - offset_ms) // step), (last_ms - offset_ms) // step
        if last < first:
            return np.empty(0, dtype=np.int64)
        if self.name == "24/7":
            return np.arange(first, last + 1, dtype=np.int64) * step + offset_ms
        intervals = self.open_intervals(first * step + offset_ms, last * step + offset_ms + step - 1)
        begins = np.clip((intervals[:, 0] - offset_ms) // step, first, last + 1) - first
        ends = np.clip(-(-(intervals[:, 1] - offset_ms) // step), first, last + 1) - first
        marks = np.zeros(last - first + 2, dtype=np.int32)
        np.add.at(marks, begins, 1)
        np.add.at(marks, ends, -1)
        return (np.flatnonzero(np.cumsum(marks[:-1]) > 0) + first) * step + offset_ms

    def missing(self, open_time: npt.ArrayLike, timeframe: Timeframe) -> Int64Array:
        """Open times that the calendar expects between the first and the last bar, and that are not there.

        Daily and longer bars are not judged on a market that closes, because sources differ in where a day begins.
        """
        times = np.asarray(open_time, dtype=np.int64)
        if times.size < 2 or (timeframe.minutes >= 1440 and self.name != "24/7"):
            return np.empty(0, dtype=np.int64)
        step = timeframe.ms
        offset = int(times[0] % step)
        wanted = self.expected(int(times.min()), int(times.max()), timeframe, offset)
        if wanted.size == 0:
            return wanted
        there = np.zeros(int((wanted[-1] - wanted[0]) // step) + 1, dtype=bool)
        place = (times - wanted[0]) // step
        there[place[(place >= 0) & (place < there.size)]] = True
        return wanted[~there[(wanted - wanted[0]) // step]]

    def gaps(self, open_time: npt.ArrayLike, timeframe: Timeframe) -> Int64Array:
        """`missing` gathered into runs: int64 array of shape (n, 3), first and last absent open time of each, and how many."""
        absent = self.missing(open_time, timeframe)
        if absent.size == 0:
            return np.empty((0, 3), dtype=np.int64)
        times = np.sort(np.asarray(open_time, dtype=np.int64))
        # a closed night between two absent bars does not end a gap: only a bar that is there does
        breaks = np.flatnonzero(np.diff(np.searchsorted(times, absent)) > 0)
        first, last = np.r_[0, breaks + 1], np.r_[breaks, absent.size - 1]
        return np.column_stack([absent[first], absent[last], last - first + 1])

    def periods_per_year(self, timeframe: Timeframe) -> float:
        """Bars of that length in an average year: the square of what annualises a Sharpe ratio.

        A 24/7 year has 365 days. The forex year has 365/7 weeks of five days. An exchange's year is the average of
        2015 to 2024, holidays and early closes included. Bars of a day or more count sessions.
        """
        days = timeframe.minutes / 1440
        if self.name == "24/7":
            return YEAR_DAYS / days
        if self.name == "forex":
            return YEAR_DAYS * 5 / 7 / days
        first, end = (utc_ms(day) for day in _REFERENCE)
        years = (end - first) / DAY_MS / YEAR_DAYS
        sessions = exchange_days(self.name, _REFERENCE[0].year, _REFERENCE[1].year - 1)
        if days >= 1:
            return int(((sessions[:, DAY] >= first) & (sessions[:, DAY] < end)).sum()) / years / days
        return len(self.expected(first, end - 1, timeframe)) / years


def _open_pieces(days: Int64Array) -> Int64Array:
    """The open intervals (n, 2) of trading days, cut at their midday breaks."""
    pieces = np.concatenate([days[:, [OPEN, REST_BEGINS]], days[:, [REST_ENDS, CLOSE]]])
    pieces = pieces[pieces[:, 0] < pieces[:, 1]]
    return pieces[np.argsort(pieces[:, 0], kind="stable")]
