"""Longer bars from shorter ones. Buckets lie on the grid of the Unix epoch, so a slice gives the same bars as the whole."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InstrumentError, ShapeError
from barmill.market.bars import Bars
from barmill.market.timeframe import MINUTE_MS, Timeframe
from barmill.market.times import utc_text

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_SUMMED = ("quote_volume", "trades", "taker_buy_base", "taker_buy_quote")


class ResampledBars(NamedTuple):
    """Columns of shape (n_buckets,): times int64 ms UTC, the rest float64."""

    open_time: Int64Array
    close_time: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array


def resample_ohlcv(
    open_time: npt.ArrayLike,
    open: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    volume: npt.ArrayLike,
    minutes: int,
    base_minutes: int = 1,
) -> ResampledBars:
    """First, highest, lowest, last and sum of the base bars in each bucket of `minutes`.

    Parameters
    ----------
    open_time : int64 (n_bars,), ms UTC, increasing
    open, high, low, close, volume : float64 (n_bars,)
    minutes : length of the buckets, a multiple of `base_minutes`
    base_minutes : length of the base bars

    A bucket without base bars gives no row; a bucket is emitted once a base bar has closed at or after its end, so the
    last one is left out while it is unfinished. Row i is known at close_time[i].

    Raises: InstrumentError if the lengths do not divide; ShapeError; DataError for times that do not increase.
    """
    times = np.asarray(open_time, dtype=np.int64)
    columns = [np.asarray(values, dtype=np.float64) for values in (open, high, low, close, volume)]
    if times.ndim != 1 or any(values.shape != times.shape for values in columns):
        raise ShapeError("resample_ohlcv", "columns of unequal length", expected=f"all of shape {times.shape}")
    if times.size > 1 and not (np.diff(times) > 0).all():
        row = int(np.argmax(np.diff(times) <= 0)) + 1
        raise DataError(f"row {row} ({utc_text(int(times[row]))})", "the bar is not after the one before it", mend="Sort the bars.")
    starts, complete = _buckets(times, minutes, base_minutes)
    buckets = times[starts] // (minutes * MINUTE_MS) * (minutes * MINUTE_MS)
    ends = np.append(starts[1:], times.size) - 1
    if not complete:
        empty = np.empty(0)
        return ResampledBars(times[:0], times[:0], empty, empty, empty, empty, empty)
    highest, lowest = np.maximum.reduceat(columns[1], starts), np.minimum.reduceat(columns[2], starts)
    total = np.add.reduceat(columns[4], starts)
    prices = (columns[0][starts], highest, lowest, columns[3][ends], total)
    return ResampledBars(buckets[:complete], buckets[:complete] + minutes * MINUTE_MS, *(values[:complete] for values in prices))


def resample(bars: Bars, timeframe: Timeframe | str) -> Bars:
    """`bars` at a longer timeframe; extras are summed (volumes and counts) or take their last value.

    See `resample_ohlcv` for which buckets are emitted. A source's close_time is left out: it would be that of a base bar.
    """
    longer = Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe
    if longer == bars.timeframe:
        return bars
    made = resample_ohlcv(
        bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume, longer.minutes, base_minutes=bars.timeframe.minutes
    )
    starts, complete = _buckets(bars.open_time, longer.minutes, bars.timeframe.minutes)
    ends = np.append(starts[1:], len(bars)) - 1
    extras: dict[str, Float64Array] = {}
    for name in bars.frame.columns[6:]:
        if name == "close_time":
            continue
        values = bars.column(name)
        gathered = np.add.reduceat(values, starts) if name in _SUMMED and starts.size else values[ends[: starts.size]]
        extras[name] = gathered[:complete]
    return Bars.from_columns(
        bars.instrument, longer, made.open_time, made.open, made.high, made.low, made.close, made.volume, **extras
    ).with_notes(*bars.notes, f"resampled from {bars.timeframe}")


def _buckets(times: Int64Array, minutes: int, base_minutes: int) -> tuple[npt.NDArray[np.intp], int]:
    """First base row of each bucket that has any, and how many of the buckets are complete."""
    if minutes < base_minutes or minutes % base_minutes:
        base, longer = Timeframe(base_minutes), Timeframe(minutes)
        raise InstrumentError(f"resampling to {longer}", f"the bars are of {base}", expected=f"a multiple of {base}")
    if times.size == 0:
        return np.empty(0, dtype=np.intp), 0
    step, base = minutes * MINUTE_MS, base_minutes * MINUTE_MS
    bucket = times // step
    straddling = (times + base - 1) // step != bucket
    if straddling.any():
        row = int(np.argmax(straddling))
        found = f"a bar of {Timeframe(base_minutes)} reaches over the end of a bucket of {Timeframe(minutes)}"
        raise DataError(f"row {row} ({utc_text(int(times[row]))})", found, mend="Resample bars that lie on the grid of their timeframe.")
    starts = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
    finished = int(times[-1]) + base >= (int(bucket[-1]) + 1) * step
    return starts, starts.size if finished else starts.size - 1
