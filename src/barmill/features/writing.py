"""Features of a history that does not fit in memory, straight to a file."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from barmill.artefacts import new_file
from barmill.errors import InputError
from barmill.features.computing import CHUNK, Dtype, advance_over, check_bars, new_reader, new_scan
from barmill.market import Bars
from barmill.progress import Progress

if TYPE_CHECKING:
    from barmill.features.plan import FeaturePlan

Write = Callable[[int, npt.NDArray[np.floating]], None]  # the first row of some rows, and their values


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A file of features.

    ready : bool of shape (n_bars,), the rows of which every feature is finite
    """

    path: Path
    ready: npt.NDArray[np.bool_]


def write_features(
    plan: "FeaturePlan",
    bars: Bars,
    path: Path,
    *,
    dtype: Dtype = "float64",
    progress: Progress | None = None,
    threads: int | None = None,
) -> WrittenTable:
    """Compute the features of `bars` chunk by chunk, and write each before the next.

    Parameters
    ----------
    path : `.parquet`: open_time, close_time (int64, ms UTC) and a column per feature; `.npy`: the values alone, (n_bars,
        n_features), to be mapped with `numpy.load(path, mmap_mode="r")`
    dtype : of the values; the arithmetic is float64 in either case

    The file takes its name when it is whole. What is held in memory does not grow with the history.
    Raises: as `FeaturePlan.compute`; InputError for another kind of file; StorageError.
    """
    scan, reader = new_scan(plan), new_reader(plan)
    check_bars(plan, bars)
    if path.suffix not in _FORMATS:
        raise InputError(str(path), f"a '{path.suffix}' file", expected=" or ".join(_FORMATS))
    ready = np.empty(len(bars), dtype=bool)
    buffer = np.empty((min(CHUNK, len(bars)), len(plan.names)), dtype=dtype)
    with new_file(path) as beside, _FORMATS[path.suffix](beside, plan, bars, dtype) as write:
        for start in range(0, len(bars), CHUNK):
            stop = min(start + CHUNK, len(bars))
            values = buffer[: stop - start]
            advance_over(scan, reader, bars, values, start, progress, threads)
            ready[start:stop] = np.isfinite(values).all(axis=1)
            write(start, values)
    return WrittenTable(path, ready)


@contextlib.contextmanager
def _parquet(path: Path, plan: "FeaturePlan", bars: Bars, dtype: Dtype) -> Generator[Write]:
    """A row group for each chunk."""
    times = [pa.field(name, pa.int64()) for name in ("open_time", "close_time")]
    columns = [pa.field(name, pa.from_numpy_dtype(np.dtype(dtype))) for name in plan.names]
    schema = pa.schema([*times, *columns], {"barmill.schema_hash": plan.schema_hash})

    def write(start: int, values: npt.NDArray[np.floating]) -> None:
        times = [pa.array(times[start : start + len(values)]) for times in (bars.open_time, bars.close_time)]
        columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
        writer.write_batch(pa.record_batch([*times, *columns], schema=schema))

    # a dictionary of floats that hardly repeat costs time and saves nothing
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        yield write


@contextlib.contextmanager
def _npy(path: Path, plan: "FeaturePlan", bars: Bars, dtype: Dtype) -> Generator[Write]:
    """NumPy's own format, which can be mapped."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (len(bars), len(plan.names))}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda _, values: values.tofile(file)


_FORMATS = {".parquet": _parquet, ".npy": _npy}

__all__ = ["WrittenTable", "write_features"]
