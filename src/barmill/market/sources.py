"""Tables from the places where bars are kept: files by their ending, and frames of other libraries."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from barmill.errors import DataError
from barmill.market.columns import CORE, EXTRAS
from barmill.market.npz_file import ToldBars, bars_frame, load_npz

READABLE = (".parquet", ".csv", ".txt", ".npz", ".arrow", ".feather", ".ipc")
_NULLS = ("", "NaN", "nan", "NULL", "null")
SYMBOL_KEY, TIMEFRAME_KEY, ANCHOR_KEY = "barmill.symbol", "barmill.timeframe", "barmill.anchor"
_BINANCE = (*CORE, *EXTRAS, "ignore")  # the order of its monthly files, some of which have no header


@dataclass(frozen=True, slots=True)
class Source:
    """A table as it was found.

    place : what messages call it
    stem : the name without its ending, which may begin with the symbol; empty for frames
    symbol, timeframe, anchor : what the file itself says, or None
    """

    place: str
    stem: str
    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    symbol: str | None = None
    timeframe: str | None = None
    anchor: str | None = None


def open_source(source: Any) -> Source:
    """Read a path (Parquet, CSV, NPZ, Arrow), a Polars or pandas frame, or a PyArrow table. Raises DataError."""
    if isinstance(source, str | Path):
        return _open_file(Path(source))
    if isinstance(source, pl.DataFrame):
        return Source("the frame", "", source)
    kind = type(source).__module__.split(".")[0]
    if kind == "pandas":
        return Source("the frame", "", _from_pandas(source))
    if kind == "pyarrow":
        made = pl.from_arrow(source)
        assert isinstance(made, pl.DataFrame)
        return Source("the table", "", made)
    raise DataError("bars", f"{type(source).__name__} cannot be read", expected="a path, a Polars or pandas frame, or a PyArrow table")


def _from_pandas(frame: Any) -> pl.DataFrame:
    """A pandas frame; an index of times is the open time."""
    if frame.index.dtype.kind == "M" or hasattr(frame.index.dtype, "tz"):
        frame = frame.rename_axis(frame.index.name or "open_time").reset_index()
    elif frame.index.name:
        frame = frame.reset_index()
    # moved to UTC here: Polars' own way through a time zone uses what pandas 3.1 deprecates
    zoned = [name for name in frame.columns if getattr(frame[name].dtype, "tz", None) is not None]
    if zoned:
        frame = frame.assign(**{name: frame[name].dt.tz_convert("UTC").dt.tz_localize(None) for name in zoned})
    return pl.from_pandas(frame).with_columns(pl.col(name).dt.replace_time_zone("UTC") for name in zoned)


def _open_file(path: Path) -> Source:
    place, ending = str(path), path.suffix.lower()
    if ending not in READABLE:
        raise DataError(place, f"files ending in '{ending}' are not read", expected=f"one of {' '.join(READABLE)}")
    if not path.is_file():
        raise DataError(place, "there is no such file" if not path.exists() else "this is a folder", mend="Look at the path.")
    if path.stat().st_size == 0:
        raise DataError(place, "the file is empty (0 bytes)", mend="Give a file with bars.")
    try:
        if ending == ".parquet":
            known = pl.read_parquet_metadata(path)
            frame = pl.read_parquet(path, hive_partitioning=False)
            return Source(
                place, path.stem, frame, symbol=known.get(SYMBOL_KEY), timeframe=known.get(TIMEFRAME_KEY), anchor=known.get(ANCHOR_KEY)
            )
        if ending in (".csv", ".txt"):
            frame, notes = _read_csv(path)
            return Source(place, path.stem, frame, notes)
        if ending == ".npz":
            frame, told = _read_npz(path)
            return Source(place, path.stem, frame, (), *((told.symbol, told.timeframe, told.anchor) if told else ()))
        return Source(place, path.stem, pl.read_ipc(path))
    except DataError:
        raise
    except pl.exceptions.PanicException as error:  # what Polars raises on some damaged bytes
        raise DataError(place, f"not a readable {ending[1:]} file", mend="Is it whole? Fetch or export it again.") from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(place, f"not a readable {ending[1:]} file: {reason}", mend="Is it whole? Fetch or export it again.") from error


def _read_csv(path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    with path.open("rb") as file:
        head = file.read(65_536)
    first = head.decode("utf-8-sig", errors="replace").splitlines()[0]
    separator = max(",;\t|", key=first.count)
    cells = [cell.strip() for cell in first.split(separator)]
    headless = len(cells) >= 5 and all(_is_number(cell) for cell in cells[1:]) and cells[0][:1].isdigit()
    frame = pl.read_csv(path, separator=separator, has_header=not headless, infer_schema_length=None, null_values=list(_NULLS))
    notes = () if separator == "," else (f"columns separated by {separator!r}",)
    if not headless:
        return frame, notes
    names = _BINANCE[: frame.width]
    if frame.width not in (5, 6, 11, 12):
        expected = "5, 6, 11 or 12 columns, or a first line with their names"
        raise DataError(str(path), f"no header and {frame.width} columns", expected=expected)
    frame.columns = list(names)
    return frame, (*notes, f"no header; columns taken as {', '.join(names)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npz(path: Path) -> tuple[pl.DataFrame, ToldBars | None]:
    """A column for each array; of a file that says which of its arrays are bars, these."""
    columns, metadata = load_npz(path)
    told = ToldBars.of(metadata)
    if told is not None:
        return bars_frame(columns, told, str(path)), told
    wrong = [name for name, values in columns.items() if values.ndim != 1]
    if wrong or len({values.size for values in columns.values()}) > 1:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in columns.items())
        raise DataError(str(path), f"arrays of shapes {shapes}", expected="one-dimensional arrays of equal length, one a column")
    return pl.DataFrame(columns), None
