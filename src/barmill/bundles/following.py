"""Forecasts of bars as they are written: lines appended to a file, lines on a pipe, a Parquet file that is replaced.

A line counts once it is ended by a newline (or by the end of a pipe); what is written so far of the next one waits.
"""

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import polars as pl

from barmill.bundles.bars_for import instrument_for, read_bars_for
from barmill.bundles.forecast import Forecast
from barmill.bundles.stream import BundleStream, ForecastRow
from barmill.errors import DataError
from barmill.market import Bar, Bars
from barmill.market.reading import read_unchecked

POLL_SECONDS = 0.5
_KEYS = ("open_time", "open", "high", "low", "close", "volume")
_EXAMPLE = '{"open_time": 1690848000000, "open": 1.0, "high": 1.2, "low": 0.9, "close": 1.1, "volume": 42}'

Tell = Callable[[ForecastRow], None]
Line = tuple[int, str]  # number from 1, text


class Clock(Protocol):
    """What time it is and how to wait; a test has its own."""

    def now(self) -> float: ...

    def wait(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


def follow_lines(stream: BundleStream, source: BinaryIO, tell: Tell, *, symbol: str | None = None) -> None:
    """Forecast each bar that comes as a line of JSON, until the source ends.

    Raises DataError naming the line that is no bar, or not the next one; what came before it was told.
    """
    instrument_for(stream.bundle, None, symbol)
    reader = _LineReader(stream, "standard input", _JsonLines(stream.bundle.plan.sources))
    while chunk := _read_some(source):
        reader.feed(chunk, tell)
    reader.end(tell)


def _read_some(source: BinaryIO) -> bytes:
    """What is there, without waiting for more: a bar on a pipe must not wait for the next one."""
    return source.read1(1 << 16) if isinstance(source, io.BufferedReader) else source.readline()


def follow_file(
    stream: BundleStream,
    path: Path,
    tell: Tell,
    *,
    symbol: str | None = None,
    with_history: bool = False,
    until_idle: float | None = None,
    clock: Clock | None = None,
) -> None:
    """Forecast each bar that is appended to a file.

    Parameters
    ----------
    path : CSV or lines of JSON that grow, or Parquet that is replaced; what it holds at first is history
    with_history : forecast the history too, instead of warming up on it alone
    until_idle : seconds without a new bar after which to end; None goes on until interrupted
    clock : for tests

    Raises DataError naming the line (or the file) that is wrong; what came before it was told.
    """
    instrument_for(stream.bundle, path, symbol)
    clock = clock or SystemClock()
    tail: _Tail = _ParquetTail(stream, path, symbol) if path.suffix.lower() == ".parquet" else _TextTail(stream, path)
    for row in tail.history().frame.iter_rows(named=True):
        if with_history:
            tell(row)
    last = clock.now()
    while until_idle is None or clock.now() - last < until_idle:
        if tail.poll(tell):
            last = clock.now()
        else:
            clock.wait(POLL_SECONDS)


class _Tail(Protocol):
    """A file that grows."""

    def history(self) -> Forecast: ...

    def poll(self, tell: Tell) -> bool: ...


@dataclass(frozen=True, slots=True)
class _JsonLines:
    """One object a line, with the `further` columns that the bundle's features read."""

    further: tuple[str, ...]

    def table(self, lines: Sequence[Line]) -> pl.DataFrame:
        return pl.DataFrame([_object(text, self.further) for _, text in lines], infer_schema_length=None)


def _object(text: str, further: tuple[str, ...]) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    absent = [key for key in (*_KEYS[:-1], *further) if key not in value]
    if absent:
        raise ValueError(f"it has no {', '.join(absent)}")
    return {key: value.get(key, 0.0) for key in (*_KEYS, *further)}


@dataclass(slots=True)
class _CsvLines:
    """A first line with the columns' names, then one bar a line."""

    header: str = ""

    def table(self, lines: Sequence[Line]) -> pl.DataFrame:
        separator = max(",;\t|", key=self.header.count)
        text = "\n".join([self.header, *(text for _, text in lines)])
        nulls = ["", "NaN", "nan", "NULL", "null"]
        return pl.read_csv(io.StringIO(text), separator=separator, infer_schema_length=None, null_values=nulls)


@dataclass(slots=True)
class _LineReader:
    """Turns bytes as they come into bars, and those into forecasts."""

    stream: BundleStream
    place: str
    form: _JsonLines | _CsvLines
    rest: bytes = b""
    number: int = field(default=0)

    def take(self, data: bytes) -> list[Line]:
        """The lines that `data` completes, without blank ones; a CSV's first line is its header."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        lines: list[Line] = []
        for raw in whole:
            self.number += 1
            try:
                text = raw.decode("utf-8-sig").strip()
            except UnicodeDecodeError as error:
                raise self.refusal(self.number, "is not UTF-8") from error
            if isinstance(self.form, _CsvLines) and not self.form.header:
                if not any(letter.isalpha() for letter in text):
                    raise self.refusal(
                        self.number, "holds no names of columns", "open_time,open,high,low,close,volume", "Begin the file with them."
                    )
                self.form.header = text
            elif text:
                lines.append((self.number, text))
        return lines

    def feed(self, data: bytes, tell: Tell) -> int:
        """Forecast the bars that `data` completes; returns how many."""
        lines = self.take(data)
        for number, bar in self.bars(lines):
            try:
                row = self.stream.push(bar)
            except DataError as error:
                raise self.refusal(number, f"{error.place} {error.found}", error.expected, error.mend) from error
            if row is not None:
                tell(row)
        return len(lines)

    def end(self, tell: Tell) -> None:
        """The source has ended: what is left is the last line."""
        if self.rest.strip():
            self.feed(b"\n", tell)

    def bars(self, lines: list[Line]) -> list[tuple[int, Bar]]:
        """The bars of `lines`, which are read together; if they cannot be, the first that cannot is named."""
        if not lines:
            return []
        try:
            return list(zip((number for number, _ in lines), self._parse(lines), strict=True))
        except (DataError, ValueError, TypeError, RecursionError, pl.exceptions.PolarsError) as error:
            if len(lines) > 1:
                return [pair for line in lines for pair in self.bars([line])]
            reason = error.found if isinstance(error, DataError) else (str(error).splitlines() or [""])[0]
            expected = _EXAMPLE if isinstance(self.form, _JsonLines) else f"values for {self.form.header}"
            raise self.refusal(lines[0][0], f"is no bar: {reason}", expected, "Correct the line.") from error

    def _parse(self, lines: list[Line]) -> list[Bar]:
        raw = self.read(lines)
        further = self.stream.bundle.plan.sources
        columns = [raw[name].cast(pl.Float64).fill_null(float("nan")).to_list() for name in (*_KEYS[1:], *further)]
        rows = zip(raw["open_time"].to_list(), zip(*columns, strict=True), strict=True)
        return [Bar(int(time), row[0], row[1], row[2], row[3], row[4], dict(zip(further, row[5:], strict=True))) for time, row in rows]

    def read(self, lines: Sequence[Line]) -> pl.DataFrame:
        """The bars of `lines` under our names and types, unchecked."""
        bundle = self.stream.bundle
        frame = read_unchecked(self.form.table(lines), instrument=bundle.instrument, timeframe=bundle.timeframe).frame
        absent = [name for name in (*_KEYS[:-1], *bundle.plan.sources) if name not in frame.columns]
        if absent:
            raise DataError(self.place, f"there is no column {', '.join(absent)}")
        return frame if "volume" in frame.columns else frame.with_columns(volume=pl.lit(0.0))

    def refusal(self, number: int, found: str, expected: str = "", mend: str = "") -> DataError:
        return DataError(f"{self.place} line {number}", found, expected=expected, mend=mend)


class _TextTail:
    """CSV or lines of JSON that grow."""

    def __init__(self, stream: BundleStream, path: Path) -> None:
        self._path, self._stream, self._read_to = path, stream, 0
        self._reader = _LineReader(
            stream, str(path), _CsvLines() if path.suffix.lower() in (".csv", ".txt") else _JsonLines(stream.bundle.plan.sources)
        )

    def history(self) -> Forecast:
        """Warm up on the whole lines that are there, which are checked as a file is."""
        lines = self._reader.take(self._new())
        bundle = self._stream.bundle
        if len(lines) < 2:  # too few to be checked as a file: the stream checks them one by one
            for number, bar in self._reader.bars(lines):
                try:
                    self._stream.push(bar)
                except DataError as error:
                    raise self._reader.refusal(number, f"{error.place} {error.found}", error.expected, error.mend) from error
            return Forecast(pl.DataFrame(), len(lines))
        pairs = self._reader.bars(lines)
        bars = [bar for _, bar in pairs]
        columns = dict(zip(_KEYS, zip(*(bar[:6] for bar in bars), strict=True), strict=True))
        columns |= {name: tuple(bar.extra[name] for bar in bars) for name in bundle.plan.sources}
        try:
            return self._stream.extend(
                Bars.read(pl.DataFrame(columns), instrument=bundle.instrument, timeframe=bundle.timeframe, time_unit="ms")
            )
        except DataError as error:
            text = str(error).replace("the frame", str(self._path))
            raise DataError("", text.rstrip(".")) from error

    def poll(self, tell: Tell) -> bool:
        data = self._new()
        return bool(data) and self._reader.feed(data, tell) > 0

    def _new(self) -> bytes:
        """What was appended since the last look."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, io.SEEK_END)
                if size < self._read_to:
                    found = f"became shorter, from {self._read_to} to {size} bytes"
                    raise DataError(str(self._path), found, mend="Append bars to the file; do not rewrite it while it is followed.")
                file.seek(self._read_to)
                data = file.read()
        except FileNotFoundError as error:
            raise DataError(str(self._path), "there is no such file", mend="Look at the path.") from error
        except OSError as error:
            raise DataError(str(self._path), f"cannot be read: {error.strerror}") from error
        self._read_to += len(data)
        return data


class _ParquetTail:
    """A Parquet file that is replaced by one with more bars."""

    def __init__(self, stream: BundleStream, path: Path, symbol: str | None) -> None:
        self._stream, self._path, self._symbol = stream, path, symbol
        self._seen: tuple[int, ...] = ()
        self._failed: tuple[int, ...] = ()

    def history(self) -> Forecast:
        self._seen = self._state()
        return self._stream.extend(read_bars_for(self._stream.bundle, self._path, self._symbol))

    def poll(self, tell: Tell) -> bool:
        state = self._state()
        if state == self._seen:
            return False
        try:
            bars = read_bars_for(self._stream.bundle, self._path, self._symbol)
        except DataError:
            if self._failed == state:
                raise
            self._failed = state  # perhaps it is being written at this moment: look once more
            return False
        self._seen = state
        last = self._stream.last_open_time
        first = 0 if last is None else int(bars.open_time.searchsorted(last, side="right"))
        for row in range(first, len(bars)):
            forecast = self._stream.push(bars.bar(row))
            if forecast is not None:
                tell(forecast)
        return first < len(bars)

    def _state(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_ino, status.st_size, status.st_mtime_ns


__all__ = ["POLL_SECONDS", "Clock", "SystemClock", "follow_file", "follow_lines"]
