"""The published hours of markets, in UTC milliseconds: forex weeks, and exchange days from the library exchange_calendars.

All of it is known beforehand. exchange_calendars is imported when the first exchange is asked for.
"""

import warnings
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from barmill.errors import InstrumentError

Int64Array = npt.NDArray[np.int64]

DAY_MS = 86_400_000
NEW_YORK = ZoneInfo("America/New_York")
FOREX_CLOCK = time(17, 0)  # New York: when the forex day ends and the next begins
# exchange_calendars lets a CME Globex session run to 17:00 Chicago, when the next one opens. The exchange halts at
# 16:00 for an hour (CME Group trading hours; the ES, NQ, CL and 6E bars that we have show exactly this).
_CLOSES_AT = {"CMES": time(16, 0)}
_CHICAGO = ZoneInfo("America/Chicago")
_NOT_COVERED = (ValueError, NotImplementedError)  # the latter where a holiday follows another calendar, which ends earlier


DAY, OPEN, REST_BEGINS, REST_ENDS, CLOSE = range(5)
"""The columns of `exchange_days`."""


def utc_date(time_ms: int) -> date:
    """The day of an instant."""
    return (datetime(1970, 1, 1) + timedelta(milliseconds=time_ms)).date()


def utc_ms(day: date) -> int:
    """Midnight of a day."""
    return (day - date(1970, 1, 1)).days * DAY_MS


def local_ms(day: date, clock: time, zone: ZoneInfo) -> int:
    """The instant at which clocks of `zone` show `clock` on `day`."""
    return int(datetime.combine(day, clock, zone).timestamp()) * 1000


@cache
def forex_weeks(first: date, last: date) -> Int64Array:
    """Open and close (n, 2) of the weeks whose Sunday lies in [first, last]: 17:00 to Friday 17:00, in New York."""
    sunday = first + timedelta(days=(6 - first.weekday()) % 7)
    weeks: list[tuple[int, int]] = []
    while sunday <= last:
        friday = sunday + timedelta(days=5)
        weeks.append((local_ms(sunday, FOREX_CLOCK, NEW_YORK), local_ms(friday, FOREX_CLOCK, NEW_YORK)))
        sunday += timedelta(days=7)
    return np.array(weeks, dtype=np.int64).reshape(-1, 2)


def exchange_days(name: str, first_year: int, last_year: int) -> Int64Array:
    """The trading days of whole years, both included, and of the year before and after where the library covers them.

    Returns
    -------
    int64 array of shape (n_days, 5), in time order: midnight UTC of the day's date, its open, where its midday break begins and
    ends (both at the close where it has none), and its close.

    Raises: InstrumentError if one of the years is not covered.
    """
    known: dict[int, Int64Array] = {}
    for decade in range((first_year - 1) // 10, (last_year + 1) // 10 + 1):
        known |= _decade(name, decade)
    for year in (first_year, last_year):
        if year not in known:
            mend = "A later exchange_calendars may cover more."
            raise InstrumentError(f"calendar '{name}'", f"it does not cover {year}", mend=mend)
    return np.concatenate([known[year] for year in range(first_year - 1, last_year + 2) if year in known])


@cache
def _decade(name: str, decade: int) -> dict[int, Int64Array]:
    """Its years, those that the library covers: to read one of them takes as long as ten."""
    first, last = decade * 10, decade * 10 + 9
    try:
        days = _read(name, first, last)
    except _NOT_COVERED:
        return {year: rows for year in range(first, last + 1) for rows in _one_year(name, year)}
    years = days[:, DAY].astype("datetime64[ms]").astype("datetime64[Y]").astype(np.int64) + 1970
    return {year: days[years == year] for year in range(first, last + 1)}


def _one_year(name: str, year: int) -> list[Int64Array]:
    try:
        return [_read(name, year, year)]
    except _NOT_COVERED:
        return []


def _read(name: str, first: int, last: int) -> Int64Array:
    import exchange_calendars

    with warnings.catch_warnings():
        # 4.13 uses what pandas 3.1 deprecates; that is between the two of them, and no reader of bars can mend it
        warnings.simplefilter("ignore", DeprecationWarning)
        schedule = exchange_calendars.get_calendar(name, start=f"{first}-01-01", end=f"{last}-12-31").schedule
    closes = _stamps(schedule["close"])
    if name in _CLOSES_AT:
        halts = (local_ms(day.date(), _CLOSES_AT[name], _CHICAGO) for day in schedule.index)
        closes = np.minimum(closes, np.fromiter(halts, dtype=np.int64, count=len(schedule)))
    days = schedule.index.to_numpy().astype("datetime64[ms]").astype(np.int64)
    columns = [days, _stamps(schedule["open"]), closes.copy(), closes.copy(), closes]
    broken = schedule["break_start"].notna().to_numpy()
    if broken.any():
        columns[REST_BEGINS][broken] = _stamps(schedule["break_start"][broken])
        columns[REST_ENDS][broken] = _stamps(schedule["break_end"][broken])
    return np.column_stack(columns)


def _stamps(column: Any) -> Int64Array:
    """A pandas column of time stamps as int64 ms UTC."""
    return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)


__all__ = [
    "CLOSE",
    "DAY",
    "DAY_MS",
    "FOREX_CLOCK",
    "NEW_YORK",
    "OPEN",
    "REST_BEGINS",
    "REST_ENDS",
    "Int64Array",
    "exchange_days",
    "forex_weeks",
    "local_ms",
    "utc_date",
    "utc_ms",
]
