"""A second series beside the bars, joined as of the time at which each of its rows was known, never by its label.

A bar is labelled with its open and known at its close; a daily figure is labelled with its day and known when it is released.
A row shown at its label would show what nobody knew: so a source says when its rows are known, and what would show a bar
before its close, or a day before its end, is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from barmill.errors import DataError, InstrumentError, nearest
from barmill.market.bars import BAR_COLUMNS, Bars, Float64Array, Int64Array
from barmill.market.columns import normalise
from barmill.market.reading import rows_of, usual_step
from barmill.market.sources import open_source
from barmill.market.timeframe import Timeframe
from barmill.market.times import utc_text

CLOSE, LABEL = "close", "label"
DAY_MS = 86_400_000


class SeriesSource(BaseModel):
    """Where a second series is, and when its rows are known; each field says what it holds.

    `known` is "close" for bars, which are known once they have closed; a delay after the label, such as "1d" or "36h", for
    figures that are released later; "label" for rows stamped with the moment at which they became known (settlements, snapshots).

    Examples
    --------
    >>> SeriesSource(file="BTCUSDT_30m.parquet", columns={"reference_close": "close"}, known="close", timeframe="30m").known
    'close'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(min_length=1, description="path of anything that bars are read from, relative to the recipe")
    columns: Mapping[str, str] = Field(min_length=1, description="our name to the series' own, for each column to take")
    known: str = Field(description="when a row is known: `close` (bars), a delay after its label such as `36h`, or `label`")
    timeframe: str | None = Field(default=None, description="length of the bars where `known` is `close`; the most common step if left out")
    time: str | None = Field(default=None, description="the column of the labels; detected if left out")
    time_unit: str | None = Field(default=None, description="`s`, `ms`, `us` or `ns` of integer times; detected if left out")
    symbol: str | None = Field(default=None, description="the rows to take from a file of several symbols")
    max_age: str | None = Field(default=None, description="the oldest that a value may be at a bar, such as `3d`; any age if left out")

    @field_validator("known")
    @classmethod
    def _is_known_some_time(cls, known: str) -> str:
        if known not in (CLOSE, LABEL):
            _duration(known, "'close', 'label', or a delay after the label, such as 1d or 36h")
        return known

    @field_validator("timeframe", "max_age")
    @classmethod
    def _is_a_duration(cls, text: str | None) -> str | None:
        if text is not None:
            _duration(text, "a number and a unit, such as 30m, 1h or 1d")
        return text

    @model_validator(mode="after")
    def _fits_together(self) -> "SeriesSource":
        if self.timeframe is not None and self.known != CLOSE:
            raise ValueError(f"timeframe belongs to known: close, not to known: {self.known}")
        if len(set(self.columns.values())) < len(self.columns):
            raise ValueError("two columns are taken from one column of the series")
        return self


def _duration(text: str, expected: str) -> int:
    """Milliseconds. Raises ValueError, as Pydantic wants it."""
    try:
        return Timeframe.parse(text).ms
    except InstrumentError as error:
        raise ValueError(f"'{text}' is not {expected}") from error


@dataclass(frozen=True, eq=False)
class KnownSeries:
    """Columns of numbers and the times at which each row was known.

    Parameters
    ----------
    place : str, what messages call it
    known_at : int64 array of shape (m,), ms UTC, increasing; row i may be used from then on
    columns : name to float64 array of shape (m,); a column may begin with NaN, and has no hole from its first number on
    rule : str, when its rows are known, in words
    max_age_ms : int or None, the oldest that a value may be at a bar

    Raises: DataError naming the row where the times do not increase or a number is missing.
    """

    place: str
    known_at: Int64Array
    columns: Mapping[str, Float64Array]
    rule: str = ""
    max_age_ms: int | None = None

    def __post_init__(self) -> None:
        times = self.known_at
        if not len(times):
            raise DataError(self.place, "there are no rows", mend="Give a series that covers the bars.")
        if (back := np.flatnonzero(np.diff(times) <= 0)).size:
            row = int(back[0]) + 1
            what = "is there twice" if times[row] == times[row - 1] else f"is not after {utc_text(int(times[row - 1]))}"
            found = f"{utc_text(int(times[row]))} {what}"
            raise DataError(f"{self.place} row {row}", found, mend="Sort the series, one row for each time.")
        for name, values in self.columns.items():
            finite = np.isfinite(values)
            begins = int(np.argmax(finite)) if finite.any() else len(values)
            holes = np.flatnonzero(~finite & ((np.arange(len(values)) >= begins) | np.isinf(values)))
            if begins == len(values) or holes.size:
                row = int(holes[0]) if holes.size else 0
                found = f"{name} is {values[row]}, known at {utc_text(int(times[row]))}"
                raise DataError(f"{self.place} row {row}", found, expected="a finite number", mend="Fill the hole, or leave the row out.")


def read_series(source: SeriesSource, folder: str | Path = ".") -> KnownSeries:
    """Read a series and say when each of its rows was known.

    Parameters
    ----------
    folder : where a relative `source.file` is looked for

    Raises: DataError for a file, column or symbol that is not there, times out of order, numbers that are missing, or a `known`
    that would show a row before it was known.
    """
    opened = open_source(Path(folder) / source.file)
    place = f"series {Path(source.file).name}"  # without its folder: notes are kept, and are the same on every machine
    rows, _ = rows_of(opened, source.symbol)
    given = dict(source.columns) if source.time is None else {**source.columns, "open_time": source.time}
    for ours, theirs in given.items():
        if theirs not in rows.columns:
            raise DataError(place, f"there is no column '{theirs}' (for {ours})", mend=nearest(theirs, rows.columns))
    frame = normalise(rows, place, given, source.time_unit).frame
    if "open_time" not in frame.columns:
        raise DataError(place, "no column of times", expected=f"one of {', '.join(rows.columns)}", mend="Name it with `time`.")
    labels = frame["open_time"]
    if labels.null_count():
        row = int(labels.is_null().arg_max() or 0)
        raise DataError(f"{place} row {row}", "a time that cannot be read", mend="Write times as ISO 8601 in UTC.")
    times = np.ascontiguousarray(labels.to_numpy(), dtype=np.int64)
    delay, rule = _delay(source, place, times, {*frame.columns, *(name.lower() for name in source.columns.values())})
    columns = {name: _numbers(frame, name, place) for name in source.columns}
    max_age = None if source.max_age is None else Timeframe.parse(source.max_age).ms
    return KnownSeries(place, times + delay, columns, rule, max_age)


def _numbers(frame: pl.DataFrame, name: str, place: str) -> Float64Array:
    if name not in frame.columns:
        raise DataError(place, f"the column for {name} holds no numbers", mend="Name a column of numbers.")
    return frame[name].fill_null(float("nan")).to_numpy().astype(np.float64)


def _delay(source: SeriesSource, place: str, times: Int64Array, names: set[str]) -> tuple[int, str]:
    """Milliseconds from label to known, and the rule in words. Raises DataError for what is known too early."""
    steps = np.diff(times)
    shortest = int(steps[steps > 0].min()) if (steps > 0).any() else 0
    if source.known == CLOSE:
        length = Timeframe.parse(source.timeframe) if source.timeframe else usual_step(pl.DataFrame({"open_time": times}))
        if length is None:
            raise DataError(place, "the length of its bars cannot be told", mend="Say it with `timeframe`.")
        if length.ms < shortest:
            found = f"bars of {length} at least {Timeframe.of_ms(shortest)} apart" if shortest % 60_000 == 0 else f"bars of {length}"
            raise DataError(place, found, mend="Give their own length as `timeframe`: a shorter one shows a bar before its close.")
        return length.ms, f"at the close of its {length} bars"
    delay = 0 if source.known == LABEL else Timeframe.parse(source.known).ms
    if names >= {"open", "high", "low"} and delay < shortest:
        found = f"bars, known {'at their label' if delay == 0 else f'{source.known} after it'}, which is before their close"
        raise DataError(place, found, expected="known: close", mend="A bar is labelled with its open.")
    if delay < DAY_MS and (times % DAY_MS == 0).all():
        found = f"dates, known {'at their label' if delay == 0 else f'{source.known} after it'}, which is before the day has ended"
        raise DataError(place, found, expected="a delay of 1d or more", mend="Say how long after the start of its day a row is released.")
    return delay, "at their label" if delay == 0 else f"{source.known} after their label"


def join_series(bars: Bars, *series: KnownSeries) -> Bars:
    """The bars with the columns of the series: at each bar, the last row that was known at its close.

    Parameters
    ----------
    series : in any number; NaN stands before the first row of each

    Returns
    -------
    Bars with a float64 column more for each, and a note that says how it was joined.

    Timing: a row is used at bar t if `known_at <= close_time[t]`, so what is known together with the close is known at it.
    Raises: DataError for a column that the bars have already, or a value older than its series allows.
    Cost: one binary search per bar and series.
    """
    made: list[pl.Series] = []
    notes: list[str] = []
    taken = {*bars.frame.columns, *BAR_COLUMNS}
    for each in series:
        row = np.searchsorted(each.known_at, bars.close_time, side="right") - 1
        _check_age(bars, each, row)
        for name, values in each.columns.items():
            if name in taken:
                raise DataError(each.place, f"the bars have a column '{name}' already", mend="Take it under another name, or not at all.")
            taken.add(name)
            made.append(pl.Series(name, np.where(row >= 0, values[row], np.nan)))
        notes.append(_note(each, row))
    return replace(bars, frame=bars.frame.with_columns(made), notes=(*bars.notes, *notes))


def _check_age(bars: Bars, series: KnownSeries, row: npt.NDArray[np.intp]) -> None:
    if series.max_age_ms is None:
        return
    age = np.where(row >= 0, bars.close_time - series.known_at[row], 0)
    if (old := np.flatnonzero(age > series.max_age_ms)).size:
        at, known = int(bars.close_time[old[0]]), int(series.known_at[row[old[0]]])
        found = f"the last value at {utc_text(at)} is of {utc_text(known)}; {old.size:,} bars have one older than max_age"
        raise DataError(series.place, found, mend="Fill the hole in the series, cut the bars, or allow it with a longer max_age.")


def _note(series: KnownSeries, row: npt.NDArray[np.intp]) -> str:
    span = f"{utc_text(int(series.known_at[0]))} to {utc_text(int(series.known_at[-1]))}"
    early = int((row < 0).sum())
    without = f"; {early:,} bars come before it" if early else ""
    return f"{series.place}: {', '.join(series.columns)} as known {series.rule or 'then'}, {span}{without}"


__all__ = ["KnownSeries", "SeriesSource", "join_series", "read_series"]
