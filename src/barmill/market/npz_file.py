"""NumPy's .npz as an artefact: arrays that any program reads without pickle, and a line of JSON that says what they are.

The JSON is `metadata`, a text without a dimension. Where a file holds bars, it names under "bars" their symbol, timeframe and anchor, the
columns in their order, and what stands before each name.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import canonical_json, write_bytes
from barmill.errors import DataError

METADATA = "metadata"

Arrays = Mapping[str, npt.NDArray[Any]]


class ToldBars(NamedTuple):
    """What `metadata` says of the bars in a file."""

    symbol: str
    timeframe: str
    anchor: str
    columns: tuple[str, ...]
    prefix: str

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "ToldBars | None":
        """None where a file has no bars. Raises KeyError or TypeError where they are not told as they should be."""
        told = metadata.get("bars")
        if told is None:
            return None
        columns = tuple(str(name) for name in told["columns"])
        return cls(str(told["symbol"]), str(told["timeframe"]), str(told["anchor"]), columns, str(told["prefix"]))


def write_npz(path: Path | str, arrays: Arrays, metadata: Mapping[str, Any]) -> None:
    """Write a compressed .npz at once; the same content gives the same bytes. Raises DataError for an array of objects; StorageError."""
    for name, values in arrays.items():
        if values.dtype.hasobject:
            raise DataError(f"{path}: {name}", "an array of objects", expected="numbers or text", mend="Only pickle could hold it.")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **{METADATA: np.array(canonical_json(metadata).decode())})
    write_bytes(Path(path), buffer.getvalue())


def read_npz(path: Path | str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The arrays of a .npz and its `metadata`, {} without one; nothing that executes on load is read.

    Raises DataError for a file that is damaged, an array of objects, or a `metadata` that is no JSON.
    """
    try:
        return load_npz(Path(path))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(str(path), f"not a readable npz file: {error}", mend="Is it whole, and without pickled objects?") from error


def load_npz(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """As `read_npz`, with whatever error NumPy raises."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    told = arrays.pop(METADATA, None)
    return arrays, {} if told is None else _parsed(told, str(path))


def symbol_in(path: Path) -> str | None:
    """The symbol of the bars in a .npz of ours, None where it says nothing or cannot be read: whoever reads it whole says what is wrong."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            told = ToldBars.of(_parsed(stored[METADATA], str(path))) if METADATA in stored.files else None
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, DataError):
        return None
    return told and told.symbol


def bars_frame(arrays: Arrays, told: ToldBars, place: str) -> pl.DataFrame:
    """The columns of the bars in a file. Raises DataError where one is missing."""
    lost = [name for name in told.columns if f"{told.prefix}{name}" not in arrays]
    if lost:
        raise DataError(place, f"there is no array {', '.join(told.prefix + name for name in lost)}", mend="Write the file again.")
    return pl.DataFrame({name: arrays[f"{told.prefix}{name}"] for name in told.columns})


def _parsed(told: npt.NDArray[Any], place: str) -> dict[str, Any]:
    """The JSON of a `metadata` array. Raises DataError."""
    try:
        if told.ndim or told.dtype.kind != "U":
            raise ValueError(f"type {told.dtype}, shape {told.shape}")
        read = json.loads(told.item())
        if not isinstance(read, dict):
            raise ValueError(f"a {type(read).__name__}")
        return read
    except ValueError as error:
        raise DataError(f"{place}: {METADATA}", f"cannot be read: {error}", expected="a text that holds JSON") from error


__all__ = ["METADATA", "Arrays", "ToldBars", "bars_frame", "load_npz", "read_npz", "symbol_in", "write_npz"]
