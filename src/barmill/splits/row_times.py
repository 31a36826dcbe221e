"""Times of rows, as milliseconds in UTC, and the calendar windows between them."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import SplitError
from barmill.splits.config import duration_ms
from barmill.splits.ranges import Int64Array

DAY_MS = 86_400_000
_MONTHS = re.compile(r"\s*(\d{1,4})\s*(?:mo|mon|months?)\s*", re.IGNORECASE)
_DAYS = re.compile(r"\s*(\d{1,5})\s*(?:days?|weeks?)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WindowSize:
    """The length of a training or test window: bars, or a time in which months are those of the calendar.

    Exactly one of the three is above 0. Made by `parse`.
    """

    bars: int = 0
    ms: int = 0
    months: int = 0

    @classmethod
    def parse(cls, value: int | str, place: str = "size") -> "WindowSize":
        """A number of bars, or such as 45d, 6w, 12h, 120 days, 4mo, 4 months. Raises SplitError at `place`."""
        if isinstance(value, str):
            if months := _MONTHS.fullmatch(value):
                size = cls(months=int(months[1]))
            elif days := _DAYS.fullmatch(value):
                size = cls(ms=int(days[1]) * DAY_MS * (7 if "week" in value.lower() else 1))
            else:
                size = cls(ms=_duration(value, place))
        else:
            size = cls(bars=value)
        if size.bars < 0 or size == cls():
            raise SplitError(place, f"{value!r}", expected="at least one bar, or a length of time such as 45d or 4mo")
        return size

    @property
    def is_time(self) -> bool:
        return not self.bars

    def before(self, end: int, count: int = 1) -> int:
        """Where a window begins that is `count` of these long and ends before `end`, a bar or a time in ms.

        Months go back by the calendar (UTC) to the same day and time; where a month has no such day, to its end.
        """
        if not self.months:
            return end - count * (self.bars or self.ms)
        instant = np.datetime64(end, "ms")
        month = instant.astype("datetime64[M]")
        earlier = month - count * self.months
        into = min(instant - month.astype("datetime64[ms]"), (earlier + 1).astype("datetime64[ms]") - earlier.astype("datetime64[ms]"))
        return int((earlier.astype("datetime64[ms]") + into).astype(np.int64))


def milliseconds(times: npt.ArrayLike, n: int) -> Int64Array:
    """Times of `n` rows as int64 milliseconds, ascending: integers as they are, dates (NumPy, pandas) by their instant in UTC.

    Raises: SplitError for another number of them, another type, missing or descending ones.
    """
    array = np.asarray(times)
    if array.dtype.kind == "O" and array.size:  # dates with a time zone, as pandas hands them out: NumPy turns them to UTC
        array = np.asarray(times, dtype="datetime64[ns]")
    if array.shape != (n,) or array.dtype.kind not in "iuM":
        found = f"an array of shape {array.shape} and type {array.dtype}"
        raise SplitError("times", found, expected=f"times of shape ({n},), one for each row")
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise SplitError("times", f"no time at row {int(np.argmax(np.isnat(array)))}", expected="a time for each row")
        array = array.astype("datetime64[ms]")
    stamps = array.astype(np.int64)
    early = stamps[1:] < stamps[:-1]
    if early.any():
        at = int(np.argmax(early)) + 1
        found = f"{stamps[at]} ms after {stamps[at - 1]} ms"
        raise SplitError(f"times[{at}]", found, expected="rows in the order of time", mend="Sort them by time first.")
    return stamps


def _duration(value: str, place: str) -> int:
    try:
        return duration_ms(value)
    except ValueError as error:
        raise SplitError(place, f"{value!r}", expected="a number of bars, or a length of time such as 12h, 45d or 4mo") from error


__all__ = ["WindowSize"]
