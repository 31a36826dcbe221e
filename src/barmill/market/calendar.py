"""When a market is open, in UTC milliseconds.

Three kinds: `24/7`; `forex` (Sunday 17:00 to Friday 17:00 in New York, whatever UTC says that week); and exchange
sessions from the library exchange_calendars, which is imported when the first of them is used.
"""

import warnings
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from barmill.errors import InstrumentError
from barmill.market.exchange_names import EXCHANGES
from barmill.market.timeframe import Timeframe

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DAY_MS = 86_400_000
YEAR_DAYS = 365.0  # so that a 24/7 market has exactly 525,600 minutes a year
_NEW_YORK = ZoneInfo("America/New_York")
_FOREX_CLOCK = time(17, 0)
# Ten whole years: what an exchange's year has on average, never dependent on today's date.
_REFERENCE = (date(2015, 1, 1), date(2025, 1, 1))
# exchange_calendars lets a CME Globex session run to 17:00 Chicago, when the next one opens. The exchange halts at
# 16:00 for an hour (CME Group trading hours; the ES, NQ, CL and 6E bars that we have show exactly this).
_CLOSES_AT = {"CMES": time(16, 0)}
_CHICAGO = ZoneInfo("America/Chicago")


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
        if self.name == "forex":
            found = _forex_weeks(_date(first_ms) - timedelta(days=8), _date(last_ms) + timedelta(days=8))
        else:
            # whole years, so that few ranges are ever asked for and the cache holds them
            first, last = _date(first_ms - 8 * DAY_MS), _date(last_ms + 8 * DAY_MS)
            found = _exchange_sessions(self.name, date(first.year, 1, 1), date(last.year, 12, 31))
        return found[(found[:, 1] > first_ms) & (found[:, 0] <= last_ms)]

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
        first, end = (_ms(day) for day in _REFERENCE)
        years = (end - first) / DAY_MS / YEAR_DAYS
        sessions = _exchange_sessions(self.name, *_REFERENCE)
        sessions = sessions[(sessions[:, 0] >= first) & (sessions[:, 0] < end)]
        if days >= 1:
            return len(_session_days(sessions)) / years / days
        return len(self.expected(first, end - 1, timeframe)) / years


def _session_days(sessions: Int64Array) -> Int64Array:
    """Days on which at least one session closes (a midday break makes two intervals of one day)."""
    return np.unique((sessions[:, 1] - 1) // DAY_MS)


def _date(time_ms: int) -> date:
    return (datetime(1970, 1, 1) + timedelta(milliseconds=time_ms)).date()


def _ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS


@cache
def _forex_weeks(first: date, last: date) -> Int64Array:
    """Weeks whose Sunday lies in [first, last]."""
    sunday = first + timedelta(days=(6 - first.weekday()) % 7)
    weeks: list[tuple[int, int]] = []
    while sunday <= last:
        begin = datetime.combine(sunday, _FOREX_CLOCK, _NEW_YORK)
        end = datetime.combine(sunday + timedelta(days=5), _FOREX_CLOCK, _NEW_YORK)
        weeks.append((int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000))
        sunday += timedelta(days=7)
    return np.array(weeks, dtype=np.int64).reshape(-1, 2)


@cache
def _exchange_sessions(name: str, first: date, last: date) -> Int64Array:
    """Sessions from `first` to `last`, cut at midday breaks and at the daily halt."""
    import exchange_calendars

    try:
        with warnings.catch_warnings():
            # 4.13 uses what pandas 3.1 deprecates; that is between the two of them, and no reader of bars can mend it
            warnings.simplefilter("ignore", DeprecationWarning)
            schedule = exchange_calendars.get_calendar(name, start=first.isoformat(), end=last.isoformat()).schedule
    except ValueError as error:
        raise InstrumentError(f"calendar '{name}'", f"it does not cover {first} to {last}: {error}") from error
    opens, closes = _stamps(schedule["open"]), _stamps(schedule["close"])
    if name in _CLOSES_AT:
        closes = np.minimum(closes, _halts(schedule.index, _CLOSES_AT[name]))
    pieces = np.column_stack([opens, closes])
    broken = schedule["break_start"].notna().to_numpy()
    if broken.any():
        noon = np.column_stack([_stamps(schedule["break_start"][broken]), _stamps(schedule["break_end"][broken])])
        halves = np.concatenate([np.column_stack([opens[broken], noon[:, 0]]), np.column_stack([noon[:, 1], closes[broken]])])
        pieces = np.concatenate([pieces[~broken], halves])
    return pieces[np.argsort(pieces[:, 0], kind="stable")]


def _stamps(column: Any) -> Int64Array:
    """A pandas column of time stamps as int64 ms UTC."""
    return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)


def _halts(days: Any, clock: time) -> Int64Array:
    """That clock in Chicago on each day of a pandas index, as int64 ms UTC."""
    return np.array([int(datetime.combine(day.date(), clock, _CHICAGO).timestamp()) * 1000 for day in days], dtype=np.int64)
