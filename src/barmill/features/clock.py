"""Columns that the calendar gives: opening hours are scheduled, so a bar may know when its session will close."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.features.kernels.kernel import Float64Array
from barmill.market import Calendar


class Clock:
    """The calendar columns of one market.

    Parameters
    ----------
    calendar : name of the calendar
    names : the columns to write, in order; those of `columns.COLUMNS` with `calendar=True`
    """

    def __init__(self, calendar: str, names: Sequence[str]) -> None:
        self._calendar = Calendar.named(calendar)
        self._names = tuple(names)

    def write(self, open_time: npt.NDArray[Any], out: Float64Array) -> None:
        """Fill `out` (n_names, n) for bars that open at `open_time` (n,), ms UTC."""
        times = np.asarray(open_time, dtype=np.int64)
        if not times.size:
            return
        week = 7 * 86_400_000
        intervals = self._calendar.open_intervals(int(times[0]) - week, int(times[-1]) + week)
        if self._calendar.name == "24/7":
            days = np.arange(times[0] // 86_400_000, times[-1] // 86_400_000 + 1) * 86_400_000
            intervals = np.column_stack([days, days + 86_400_000])
        place = np.maximum(np.searchsorted(intervals[:, 0], times, side="right") - 1, 0)
        found = {"session_open": intervals[place, 0], "session_close": intervals[place, 1]}
        for row, name in enumerate(self._names):
            out[row] = found[name]


__all__ = ["Clock"]
