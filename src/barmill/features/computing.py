"""A plan's features of many bars: read in chunks, scanned, and written where the caller wants them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from barmill.errors import SchemaError, ShapeError
from barmill.features.rows import RowReader
from barmill.features.scan import Scan, usual_threads
from barmill.features.table import FeatureTable
from barmill.market import Bars
from barmill.progress import Progress

if TYPE_CHECKING:
    from barmill.features.plan import FeaturePlan

Dtype = Literal["float64", "float32"]
CHUNK = 65_536  # bars read at a time; what is held beside the output does not grow with the history


def new_scan(plan: "FeaturePlan") -> Scan:
    """A scan of the plan's features, before the first bar. Raises SchemaError if some have still to be fitted."""
    return Scan(plan.program)


def new_reader(plan: "FeaturePlan") -> RowReader:
    """What turns bars into the rows of the plan's scan."""
    return RowReader(plan.base, plan.further_inputs, plan.calendar)


def advance_over(
    scan: Scan,
    reader: RowReader,
    bars: Bars,
    values: npt.NDArray[np.floating],
    start: int = 0,
    progress: Progress | None = None,
    threads: int | None = None,
) -> None:
    """Advance `scan` over the bars from `start` on, as many as `values` (n, n_features) has rows."""
    threads = threads or usual_threads()
    rows = np.empty((reader.n_rows, min(CHUNK, len(values))))
    for first in range(0, len(values), CHUNK):
        last = min(first + CHUNK, len(values))
        chunk = rows[:, : last - first]
        reader.read(bars, start + first, start + last, chunk)
        for done in scan.advance(chunk, values[first:last], threads):
            if progress is not None:
                progress.update(start + first + done, len(bars), "features")


def check_bars(plan: "FeaturePlan", bars: Bars) -> None:
    """Raise SchemaError unless the bars are of the plan's timeframe and have its columns."""
    if bars.timeframe.ms != plan.base.ms:
        raise SchemaError(f"{bars.instrument.symbol} bars", f"timeframe {bars.timeframe}", expected=f"{plan.base}, which the plan is on")
    if bars.anchor == "session" and (timed := _reads_close_times(plan)):
        found = f"bars of {bars.timeframe} counted from the open of each session, and {timed} needs bars of one length"
        mend = 'Compute the plan, with anchor="session", on the bars that they were resampled from.'
        raise SchemaError(f"{bars.instrument.symbol} bars", found, mend=mend)
    missing = plan.missing(bars.frame.columns)
    if missing:
        mend = "Join a second series that has them, or leave those features out."
        raise SchemaError(f"{bars.instrument.symbol} bars", f"lack columns: {told(missing)}", mend=mend)


def _reads_close_times(plan: "FeaturePlan") -> str:
    """The first column of a higher timeframe, or of a feature that reads when a bar closes: the scan takes bars to be of one length."""
    for name, feature in zip(plan.names, plan.features, strict=True):
        if feature.reaches_higher or any("close_time" in one.spec.inputs for one in (feature, *feature.arguments)):
            return name
    return ""


def told(missing: Mapping[str, Sequence[str]]) -> str:
    """What `FeaturePlan.missing` found, as a message says it."""
    return "; ".join(f"{name} needs {', '.join(columns)}" for name, columns in missing.items())


def compute_table(
    plan: "FeaturePlan",
    scan: Scan,
    reader: RowReader,
    bars: Bars,
    progress: Progress | None = None,
    dtype: Dtype = "float64",
    out: npt.NDArray[np.floating] | None = None,
    threads: int | None = None,
) -> FeatureTable:
    """Advance `scan` over `bars` into a table of `plan`; see `FeaturePlan.compute`."""
    check_bars(plan, bars)
    shape = len(bars), len(plan.features)
    values = np.empty(shape, dtype=dtype) if out is None else out
    if values.shape != shape or str(values.dtype) not in ("float64", "float32") or not values.flags.c_contiguous:
        raise ShapeError("features: out", f"{values.dtype} of shape {values.shape}", expected=f"float64 or float32, C-contiguous, {shape}")
    advance_over(scan, reader, bars, values, progress=progress, threads=threads)
    return FeatureTable(plan.names, values, bars.open_time, bars.close_time, plan.schema_hash)


__all__ = ["CHUNK", "Dtype", "advance_over", "check_bars", "compute_table", "new_reader", "new_scan", "told"]
