"""Which session an instant belongs to, and what comes after it: all scheduled, so known beforehand."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np

from barmill.errors import InstrumentError
from barmill.market.schedules import (
    CLOSE,
    DAY,
    DAY_MS,
    FOREX_CLOCK,
    NEW_YORK,
    OPEN,
    Int64Array,
    exchange_days,
    local_ms,
    utc_date,
    utc_ms,
)
from barmill.market.times import utc_text


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions in time order; every array has shape (n_sessions,).

    day : int64, midnight UTC of the date that each is called by (Monday's forex and Globex sessions open on Sunday)
    open, close : int64 ms UTC, first moment, and the last one, excluded
    next_open : int64 ms UTC, when the session after it opens
    usual_next_open : int64 ms UTC, when that would be if the market then stayed closed for as long as it usually does after that
        day of the week in that year (the median): `next_open` is later than this on the eve of a holiday
    month_end : int64, `day` of the last session of that month
    """

    day: Int64Array
    open: Int64Array
    close: Int64Array
    next_open: Int64Array
    usual_next_open: Int64Array
    month_end: Int64Array

    def __len__(self) -> int:
        return len(self.open)

    def stretches(self) -> tuple[Int64Array, Int64Array]:
        """Start and end of every session and of every closed stretch after one, in time order, without holes."""
        starts = np.column_stack([self.open, self.close]).ravel()
        ends = np.column_stack([self.close, self.next_open]).ravel()
        return starts[starts < ends], ends[starts < ends]

    def part(self, first: int, end: int) -> "Sessions":
        """Sessions `first` to `end`, the last excluded."""
        cut = slice(first, end)
        return Sessions(self.day[cut], self.open[cut], self.close[cut], self.next_open[cut], self.usual_next_open[cut], self.month_end[cut])


def sessions_between(calendar: str, first_ms: int, last_ms: int) -> Sessions:
    """The sessions of [first_ms, last_ms], with the last one before it and the first one after it.

    Raises: InstrumentError if the schedule of the exchange does not reach so far.
    """
    known = _of_years(calendar, utc_date(first_ms).year, utc_date(last_ms).year)
    first = int(np.searchsorted(known.close, first_ms, side="right")) - 1
    end = int(np.searchsorted(known.open, last_ms, side="right"))
    early, late = first_ms < known.open[0], last_ms >= known.next_open[-1]
    if early or late:
        found = f"no session is known {'before' if early else 'after'} {utc_text(first_ms if early else last_ms)}"
        raise InstrumentError(f"calendar '{calendar}'", found, mend="A later exchange_calendars may cover more.")
    return known.part(max(first, 0), min(end + 1, len(known)))


@cache
def _of_years(calendar: str, first_year: int, last_year: int) -> Sessions:
    """Those of whole years and their neighbours, so that what is usual in a year does not depend on which bars are asked about."""
    if calendar in ("24/7", "forex"):
        first, last = date(first_year - 1, 1, 1), date(last_year + 1, 12, 31)
        days = _utc_days(first, last) if calendar == "24/7" else _forex_days(first, last)
    else:
        days = exchange_days(calendar, first_year, last_year)[:, [DAY, OPEN, CLOSE]]
    day, open_, close = days.T
    usual = close[:-1] + _usual(day[:-1], open_[1:] - close[:-1])
    months = _months(day)
    month_end = day[np.searchsorted(months, months, side="right") - 1]
    return Sessions(day[:-1], open_[:-1], close[:-1], open_[1:], usual, month_end[:-1])


def _usual(day: Int64Array, closed: Int64Array) -> Int64Array:
    """For each session, the median of the closed stretches after such a day of the week in its year."""
    kind = _months(day) // 12 * 7 + day // DAY_MS % 7
    usual = np.empty_like(closed)
    for each in np.unique(kind):
        usual[kind == each] = np.median(closed[kind == each])
    return usual


def _months(day: Int64Array) -> Int64Array:
    """Months since January 1970."""
    return day.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)


def _utc_days(first: date, last: date) -> Int64Array:
    day = np.arange(utc_ms(first), utc_ms(last) + 1, DAY_MS)
    return np.column_stack([day, day, day + DAY_MS])


def _forex_days(first: date, last: date) -> Int64Array:
    """Monday to Friday, each from 17:00 of the day before to 17:00 in New York."""
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    ends = {day: local_ms(day, FOREX_CLOCK, NEW_YORK) for day in (first - timedelta(days=1), *days)}
    rows = [(utc_ms(day), ends[day - timedelta(days=1)], ends[day]) for day in days if day.weekday() < 5]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


__all__ = ["Sessions", "sessions_between"]
