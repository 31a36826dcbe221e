"""Bars: an immutable value. Read from any source through every check, sliced, appended, written, fingerprinted."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import write_bytes
from barmill.errors import DataError, ShapeError
from barmill.market.buckets import Anchor, buckets_of
from barmill.market.calendar import Calendar
from barmill.market.checks import check_frame
from barmill.market.columns import CORE
from barmill.market.findings import Finding, refuse
from barmill.market.instrument import Instrument
from barmill.market.reading import UncheckedBars, read_unchecked
from barmill.market.sources import ANCHOR_KEY, SYMBOL_KEY, TIMEFRAME_KEY
from barmill.market.timeframe import Timeframe
from barmill.market.times import utc_text

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

BAR_COLUMNS = ("open_time", "close_time", "open", "high", "low", "close", "volume")  # of a bar, in the order in which features read them


class Bar(NamedTuple):
    """One closed bar of the base timeframe; `open_time` in ms UTC, `extra` the further columns by name."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    extra: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Bars:
    """Checked bars of one instrument in time order.

    Parameters
    ----------
    instrument, timeframe : what and how long
    frame : Polars frame with open_time (int64, ms UTC), open, high, low, close, volume (float64), then the source's extras
    notes : what was detected when the bars were read
    findings : warnings and infos of the checks (errors were refused)
    anchor : "session" for bars that were counted from the open of each session, the last of which ends with it and may be shorter

    Every array handed out is read-only. Row t is known at `close_time[t]`.

    Examples
    --------
    >>> bars = Bars.from_columns(Instrument.builtin("SIM"), "1m", [0, 60_000], [1, 2], [2, 3], [1, 2], [2, 2], [5, 6])
    >>> len(bars), bars.bar(1).close
    (2, 2.0)
    """

    instrument: Instrument
    timeframe: Timeframe
    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    anchor: Anchor = "epoch"

    @classmethod
    def read(
        cls,
        source: Any,
        symbol: str | None = None,
        instrument: Instrument | None = None,
        timeframe: Timeframe | str | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        time_unit: str | None = None,
    ) -> "Bars":
        """Read and check bars.

        Parameters
        ----------
        source : path (.parquet .csv .txt .npz .arrow .feather .ipc), Polars or pandas frame, or PyArrow table
        symbol : built-in symbol, or the rows to take from a file with a symbol column. None: what the file says, or what
            its name starts with
        instrument : costs and calendar; None takes the built-in one of `symbol`
        timeframe : length of the bars; None takes the most common step
        columns : our name to the source's, where the source's is not recognised
        time_unit : "s", "ms", "us" or "ns" of integer times; None detects it, and `notes` say so

        Raises
        ------
        DataError telling everything that is wrong, with file, row and time; InstrumentError for an unknown symbol.
        """
        raw = read_unchecked(source, symbol, instrument, timeframe, columns=columns, time_unit=time_unit)
        findings = check_frame(raw.frame, raw.timeframe, Calendar.named(raw.instrument.calendar), raw.anchor)
        refuse(findings, raw.place)
        return finished(raw, raw.frame, findings)

    @classmethod
    def from_columns(
        cls,
        instrument: Instrument,
        timeframe: Timeframe | str,
        open_time: npt.ArrayLike,
        open: npt.ArrayLike,
        high: npt.ArrayLike,
        low: npt.ArrayLike,
        close: npt.ArrayLike,
        volume: npt.ArrayLike,
        **extra: npt.ArrayLike,
    ) -> "Bars":
        """Bars from arrays of shape (n_bars,): open_time in ms UTC, the rest float64. Order and lengths are checked, nothing else."""
        given = {"open": open, "high": high, "low": low, "close": close, "volume": volume, **extra}
        times = np.ascontiguousarray(open_time, dtype=np.int64)
        arrays = {name: np.array(values, dtype=np.int64 if name == "close_time" else np.float64) for name, values in given.items()}
        for name, values in arrays.items():
            if values.shape != times.shape or times.ndim != 1:
                raise ShapeError(f"bars:{name}", f"shape {values.shape}", expected=f"{times.shape}, that of open_time")
        if times.size > 1 and not (np.diff(times) > 0).all():
            row = int(np.argmax(np.diff(times) <= 0)) + 1
            raise DataError(f"bars row {row}", f"{utc_text(int(times[row]))} is not after the bar before it", mend="Sort the bars.")
        parsed = Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe
        return cls(instrument, parsed, pl.DataFrame({"open_time": times.copy(), **arrays}))

    def __len__(self) -> int:
        return self.frame.height

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bars) and self.instrument == other.instrument and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        span = f", {utc_text(int(self.open_time[0]))} to {utc_text(int(self.open_time[-1]))}" if len(self) else ""
        return f"Bars({self.instrument.symbol} {self.timeframe}, {len(self):,} bars{span})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Bars, (self.instrument, self.timeframe, self.frame, self.notes, self.findings, self.anchor)  # caches stay behind

    @cached_property
    def open_time(self) -> Int64Array:
        """int64 (n_bars,), ms UTC."""
        return _read_only(self.frame["open_time"].to_numpy())

    @cached_property
    def close_time(self) -> Int64Array:
        """int64 (n_bars,), ms UTC: when the bar is known."""
        if self.anchor == "session":
            return _read_only(buckets_of(self.open_time, self.timeframe, self.calendar).end)
        return _read_only(self.open_time + self.timeframe.ms)

    @cached_property
    def open(self) -> Float64Array:
        """float64 (n_bars,)."""
        return self.column("open")

    @cached_property
    def high(self) -> Float64Array:
        """float64 (n_bars,)."""
        return self.column("high")

    @cached_property
    def low(self) -> Float64Array:
        """float64 (n_bars,)."""
        return self.column("low")

    @cached_property
    def close(self) -> Float64Array:
        """float64 (n_bars,)."""
        return self.column("close")

    @cached_property
    def volume(self) -> Float64Array:
        """float64 (n_bars,), 0 where the source has none."""
        return self.column("volume")

    def column(self, name: str) -> Float64Array:
        """A float64 column by name, read-only, shape (n_bars,). Raises DataError with the names there are."""
        if name not in self.frame.columns:
            raise DataError(
                f"bars of {self.instrument.symbol}", f"there is no column '{name}'", expected=f"one of {', '.join(self.frame.columns)}"
            )
        return _read_only(self.frame[name].cast(pl.Float64).to_numpy())

    @cached_property
    def _extras(self) -> dict[str, Float64Array]:
        return {name: self.column(name) for name in self.frame.columns[6:] if name != "close_time"}

    @cached_property
    def has_volume(self) -> bool:
        """Whether any bar has volume."""
        return bool((self.volume > 0).any())

    @cached_property
    def calendar(self) -> Calendar:
        """The instrument's calendar."""
        return Calendar.named(self.instrument.calendar)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the logical content: symbol, timeframe, column names in order, little-endian values. No file format enters it."""
        anchored = f" of each {self.instrument.calendar} session" if self.anchor == "session" else ""
        digest = hashlib.sha256(f"{self.instrument.symbol}\n{self.timeframe}{anchored}\n{len(self)}\n".encode())
        for name in self.frame.columns:
            series = self.frame[name]
            whole = series.dtype == pl.Int64
            values = series.to_numpy() if whole else series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
            if not whole:
                values = np.where(np.isnan(values), np.nan, values)  # one bit pattern for every NaN
            digest.update(f"{name}:{'i8' if whole else 'f8'}\n".encode())
            digest.update(np.ascontiguousarray(values, dtype="<i8" if whole else "<f8").tobytes())
        return digest.hexdigest()

    def bar(self, row: int) -> Bar:
        """The bar at position `row`; negative counts from the end."""
        return Bar(
            int(self.open_time[row]),
            float(self.open[row]),
            float(self.high[row]),
            float(self.low[row]),
            float(self.close[row]),
            float(self.volume[row]),
            {name: float(values[row]) for name, values in self._extras.items()},
        )

    def slice(self, start: int, stop: int | None = None) -> "Bars":
        """Bars at positions [start, stop), as Python slices count."""
        first, last, _ = slice(start, stop).indices(len(self))
        return replace(self, frame=self.frame.slice(first, max(last - first, 0)), findings=())

    def checked(self, place: str) -> "Bars":
        """The same bars with what every check finds in them. Raises DataError at `place` where `read` would."""
        findings = check_frame(self.frame, self.timeframe, self.calendar, self.anchor)
        refuse(findings, place)
        return replace(self, findings=findings)

    def with_notes(self, *notes: str) -> "Bars":
        """The same bars with these notes."""
        return replace(self, notes=notes)

    def append(self, other: "Bars") -> "Bars":
        """These bars, then `other`, which must be of the same instrument, timeframe and columns, and later."""
        place = f"bars of {self.instrument.symbol}"
        if (self.instrument, self.timeframe) != (other.instrument, other.timeframe):
            found = f"{other.instrument.symbol} {other.timeframe} to append"
            raise DataError(place, found, expected=f"{self.instrument.symbol} {self.timeframe} with the same costs")
        if self.anchor != other.anchor:
            raise DataError(place, f"bars anchored to the {other.anchor} to append", expected=f"to the {self.anchor}")
        if self.frame.columns != other.frame.columns:
            raise DataError(place, f"columns {', '.join(other.frame.columns)} to append", expected=", ".join(self.frame.columns))
        if len(self) and len(other) and other.open_time[0] <= self.open_time[-1]:
            found = f"{utc_text(int(other.open_time[0]))} to append is not after the last bar, {utc_text(int(self.open_time[-1]))}"
            raise DataError(place, found, mend="Append bars that are newer.")
        return replace(self, frame=pl.concat([self.frame, other.frame]), findings=())

    def write(self, path: str | Path) -> None:
        """Write Parquet, at once; symbol and timeframe travel in its metadata. Raises StorageError."""
        buffer = io.BytesIO()
        named = {SYMBOL_KEY: self.instrument.symbol, TIMEFRAME_KEY: str(self.timeframe)}
        if self.anchor == "session":
            named[ANCHOR_KEY] = self.anchor
        self.frame.write_parquet(buffer, compression="zstd", metadata=named)
        write_bytes(Path(path), buffer.getvalue())


def finished(raw: UncheckedBars, frame: pl.DataFrame, findings: tuple[Finding, ...]) -> Bars:
    """`Bars` of a frame that has passed the checks. Raises DataError if the length of the bars cannot be told."""
    if raw.timeframe is None:  # one bar alone is refused by the checks, so the steps are no whole minutes
        raise DataError(raw.place, "the most common step between bars is no whole number of minutes", mend="Give the timeframe.")
    return Bars(raw.instrument, raw.timeframe, _with_volume(frame), raw.notes, findings, raw.anchor)


def _with_volume(frame: pl.DataFrame) -> pl.DataFrame:
    if "volume" not in frame.columns:
        frame = frame.with_columns(pl.lit(0.0).alias("volume"))
    rest = [name for name in frame.columns if name not in CORE]
    return frame.select(*CORE, *rest).rechunk()


def _read_only(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.flags.writeable:
        values.setflags(write=False)
    return values
