"""The door of the scan: bars become the rows that kernels read, checked on the way in."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError
from barmill.features.clock import Clock
from barmill.features.columns import COLUMNS
from barmill.features.kernels.kernel import BAR_ROWS, CLOSE, CLOSE_TIME, HIGH, LOW, OPEN, OPEN_TIME, VOLUME, Float64Array
from barmill.market import Bar, Bars, Timeframe


class RowReader:
    """Turns bars into rows (7 + n_further, n): open_time .. volume, then the further columns of a plan, by name.

    A further column may begin late, as NaN; once it has begun it must be finite. What has begun is the reader's whole
    state, `begun`, one number for each further column.
    """

    def __init__(self, base: Timeframe, further: Sequence[str], calendar: str) -> None:
        self._step = base.ms
        scheduled = [name for name in further if COLUMNS[name].calendar]
        self._sources = [(len(BAR_ROWS) + i, name) for i, name in enumerate(further) if not COLUMNS[name].calendar]
        self._scheduled = [len(BAR_ROWS) + further.index(name) for name in scheduled]
        self._clock = Clock(calendar, scheduled) if scheduled else None
        self.begun = np.zeros(len(further), dtype=np.int64)
        self.n_rows = len(BAR_ROWS) + len(further)

    def read(self, bars: Bars, start: int, stop: int, rows: Float64Array) -> None:
        """Fill `rows` (n_rows, stop - start) from bars [start, stop). Raises DataError for a hole in a further column."""
        chunk = bars.slice(start, stop)  # so that a column of whole numbers is turned into float64 once, not once a chunk
        open_time = chunk.open_time
        rows[OPEN_TIME] = open_time
        rows[CLOSE_TIME] = open_time + self._step
        for row, values in enumerate((chunk.open, chunk.high, chunk.low, chunk.close, chunk.volume), OPEN):
            rows[row] = values
        for row, name in self._sources:
            rows[row] = chunk.column(name)
            self._check_begun(row, name, rows[row], open_time)
        if self._clock is not None:
            times = np.empty((len(self._scheduled), stop - start))
            self._clock.write(open_time, times)
            rows[self._scheduled] = times

    def read_bar(self, bar: Bar, row: Float64Array) -> None:
        """Fill `row` (n_rows,) from one bar. Raises DataError for a bar that cannot be right or lacks a column."""
        open_time, open_, high, low, close, volume, extra = bar
        further = tuple(extra.get(name) for _, name in self._sources)
        self.read_numbers(open_time, open_, high, low, close, volume, further, row)

    def read_numbers(
        self,
        open_time: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        further: Sequence[float | None],
        row: Float64Array,
    ) -> None:
        """The same from plain numbers; `further` are the columns that come with bars, in their order, None for one that is missing."""
        if not (low <= open_ <= high and low <= close <= high and 0.0 <= volume < math.inf and math.isfinite(high - low)):
            found = f"open {open_}, high {high}, low {low}, close {close}, volume {volume}"
            raise DataError(f"bar {open_time}", found, expected="finite numbers, low <= open, close <= high and volume not negative")
        row[OPEN_TIME], row[CLOSE_TIME] = open_time, open_time + self._step
        row[OPEN], row[HIGH], row[LOW], row[CLOSE], row[VOLUME] = open_, high, low, close, volume
        if self._sources:
            self._read_further(open_time, further, row)
        if self._clock is not None:
            for place, value in zip(self._scheduled, self._clock.at(open_time), strict=True):
                row[place] = value

    def _read_further(self, open_time: int, further: Sequence[float | None], row: Float64Array) -> None:
        for (place, name), came in zip(self._sources, further, strict=True):
            value = math.nan if came is None else came
            if not math.isfinite(value) and (self.begun[place - len(BAR_ROWS)] or came is None or math.isinf(value)):
                found = f"no {name}" if came is None else f"{name} is {value}"
                raise DataError(f"bar {open_time}", found, expected="a finite number", mend="Send each bar with the plan's columns.")
            row[place] = value
        for place, _ in self._sources:
            self.begun[place - len(BAR_ROWS)] |= int(math.isfinite(row[place]))

    def _check_begun(self, row: int, name: str, values: Float64Array, open_time: npt.NDArray[np.int64]) -> None:
        finite = np.isfinite(values)
        if finite.all():
            self.begun[row - len(BAR_ROWS)] |= int(values.size > 0)
            return
        first = 0 if self.begun[row - len(BAR_ROWS)] else int(np.argmax(finite)) if finite.any() else values.size
        holes = np.flatnonzero(~finite[first:]) + first
        endless = np.flatnonzero(np.isinf(values[:first]))
        if holes.size or endless.size:
            place = int(min([*holes[:1], *endless[:1]]))
            found = f"{name} is {values[place]} at bar {int(open_time[place])}"
            raise DataError("bars", found, expected="a finite number once the column has begun", mend="Fill or cut the hole in the source.")
        self.begun[row - len(BAR_ROWS)] |= int(first < values.size)


__all__ = ["RowReader"]
