"""Columns that the calendar gives: opening hours are scheduled, so a bar may know when its session will close.

A schedule is a table of the moments at which a column changes and of its values from there on: one for each year and market,
shared by all clocks. A live bar looks at its year's table only when a session has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from barmill.features.columns import COLUMNS
from barmill.features.kernels.kernel import Float64Array
from barmill.market import Calendar
from barmill.market.schedules import local_ms

Int64Array = npt.NDArray[np.int64]

# Office hours of the three centres of the currency market, Monday to Friday on their own clocks.
CENTRES = {
    "tokyo": (time(9), time(18), ZoneInfo("Asia/Tokyo")),
    "london": (time(8), time(17), ZoneInfo("Europe/London")),
    "new_york": (time(8), time(17), ZoneInfo("America/New_York")),
}
NAMES = tuple(name for name, column in COLUMNS.items() if column.calendar)


class Clock:
    """The calendar columns of one market.

    Parameters
    ----------
    calendar : name of the calendar
    names : the columns to write, in order; those of `columns.COLUMNS` with `calendar=True`
    """

    def __init__(self, calendar: str, names: Sequence[str]) -> None:
        self._calendar = calendar
        self._rows = [NAMES.index(name) for name in names]
        self._from, self._until = 0, 0
        self._now = np.empty(len(self._rows))

    def write(self, open_time: npt.NDArray[np.int64] | Float64Array, out: Float64Array) -> None:
        """Fill `out` (n_names, n) for bars that open at `open_time` (n,), ms UTC, in time order.

        Raises: InstrumentError if the schedule of the exchange does not reach so far.
        """
        if len(open_time) == 1:
            out[:, 0] = self.at(int(open_time[0]))
        elif len(open_time):
            self._write_many(np.asarray(open_time, dtype=np.int64), out)

    def at(self, open_time: int) -> Float64Array:
        """The same for one bar, float64 (n_names,): an array that is not to be written to, and the same one until a session changes."""
        if not self._from <= open_time < self._until:
            self._turn_to(open_time)
        return self._now

    def _turn_to(self, now: int) -> None:
        schedule = _schedule(self._calendar, _year(now))
        place = int(np.searchsorted(schedule.changes, now, side="right")) - 1
        self._from, self._until = int(schedule.changes[place]), int(schedule.changes[place + 1])
        self._now = schedule.values[self._rows, place]

    def _write_many(self, times: Int64Array, out: Float64Array) -> None:
        for year in range(_year(int(times[0])), _year(int(times[-1])) + 1):
            schedule = _schedule(self._calendar, year)
            edges = np.searchsorted(times, schedule.changes)
            counts = np.diff(edges)
            for row, source in enumerate(self._rows):
                out[row, edges[0] : edges[-1]] = np.repeat(schedule.values[source], counts)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """changes : int64 (n + 1,), when a column changes, from the start of a year to its end; values : float64 (n_columns, n)"""

    changes: Int64Array
    values: Float64Array


@cache
def _schedule(calendar: str, year: int) -> _Schedule:
    start, end = (int(np.datetime64(f"{each}-01-01", "ms").astype(np.int64)) for each in (year, year + 1))
    tables = [_market(calendar, start, end), *(_office(centre, year) for centre in CENTRES)]
    times = np.concatenate([begins for begins, _ in tables])
    changes = np.unique(np.concatenate([[start], times[(times > start) & (times < end)]]))
    columns = {
        name: column[np.searchsorted(begins, changes, side="right") - 1] for begins, table in tables for name, column in table.items()
    }
    return _Schedule(np.append(changes, end), np.array([columns[name] for name in NAMES], dtype=np.float64))


_Table = tuple[Int64Array, dict[str, npt.NDArray[np.generic]]]
"""Moments, and the columns whose values hold from each of them to the next."""


def _market(calendar: str, start: int, end: int) -> _Table:
    """The market's own columns: a row for each session and for each closed stretch after one."""
    sessions = Calendar.named(calendar).sessions(start, end - 1)
    n, closed = len(sessions), sessions.close < sessions.next_open
    begins = np.column_stack([sessions.open, sessions.close]).ravel()
    ends = np.column_stack([sessions.close, sessions.next_open]).ravel()
    after = np.append(sessions.day[1:], sessions.day[-1])  # closed hours belong to the day that they wait for
    columns: dict[str, npt.NDArray[np.generic]] = {
        "session_open": begins,
        "session_close": ends,
        "next_session_open": np.repeat(sessions.next_open, 2),
        "session_day": np.column_stack([sessions.day, after]).ravel(),
        "in_session": np.tile([1.0, 0.0], n),
        "usual_next_open": np.repeat(sessions.usual_next_open, 2),
        "month_end_day": np.column_stack([sessions.month_end, np.append(sessions.month_end[1:], sessions.month_end[-1])]).ravel(),
    }
    there = np.column_stack([np.ones(n, dtype=np.bool_), closed]).ravel()
    return begins[there], {name: column[there] for name, column in columns.items()}


def _office(centre: str, year: int) -> _Table:
    """Open and close of the first office day of a centre that has not ended yet."""
    opens, closes, zone = CENTRES[centre]
    first = date(year, 1, 1) - timedelta(days=7)
    days = [day for day in (first + timedelta(days=i) for i in range(380)) if day.weekday() < 5]
    begins, ends = (np.array([local_ms(day, clock, zone) for day in days]) for clock in (opens, closes))
    return ends[:-1], {f"{centre}_open": begins[1:], f"{centre}_close": ends[1:]}


def _year(time_ms: int) -> int:
    return int(np.datetime64(time_ms, "ms").astype("datetime64[Y]").astype(np.int64)) + 1970


__all__ = ["Clock"]
