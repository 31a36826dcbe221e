"""Longer bars from shorter ones, and what a base bar knows of them."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InstrumentError, ShapeError
from barmill.market.bars import Bars
from barmill.market.buckets import Anchor, Buckets, buckets_of
from barmill.market.calendar import Calendar
from barmill.market.timeframe import Timeframe
from barmill.market.times import utc_text

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]

# As `features.columns` has it: what was traded is added up, everything else is as of the last bar.
SUMMED = ("quote_volume", "trades", "taker_buy_base", "taker_buy_quote", "long_liquidations", "short_liquidations")


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
    calendar: Calendar | None = None,
) -> ResampledBars:
    """First, highest, lowest, last and sum of the base bars in each bucket of `minutes`.

    Parameters
    ----------
    open_time : int64 (n_bars,), ms UTC, increasing
    open, high, low, close, volume : float64 (n_bars,)
    minutes : length of the buckets, a multiple of `base_minutes`
    base_minutes : length of the base bars
    calendar : counts the buckets from the open of each of its sessions, the last one ending with the session; None counts them
        from the Unix epoch. Either way a slice gives the same bars as the whole

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
    found, firsts, lasts = _closed(times, Timeframe(minutes), Timeframe(base_minutes), calendar)
    return _gathered(found, firsts, lasts, columns)


def resample(bars: Bars, timeframe: Timeframe | str, anchor: Anchor = "epoch") -> Bars:
    """`bars` at a longer timeframe; what was traded is summed, other extras take their last value.

    Parameters
    ----------
    timeframe : a multiple of that of the bars
    anchor : whether buckets are counted from the Unix epoch or from the open of each session of the instrument's calendar. Where
        sessions lie on the epoch's grid, as those of Globex do for 15m, the two are the same, and the bars say "epoch"

    See `resample_ohlcv` for which buckets are emitted. A source's close_time is left out: it would be that of a base bar.
    """
    longer = Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe
    if longer == bars.timeframe and anchor == bars.anchor:
        return bars
    calendar = bars.calendar if anchor == "session" else None
    found, firsts, lasts = _closed(bars.open_time, longer, bars.timeframe, calendar)
    made = _gathered(found, firsts, lasts, [bars.open, bars.high, bars.low, bars.close, bars.volume])
    extras = {
        name: _sums(bars.column(name), firsts, lasts) if name in SUMMED else bars.column(name)[lasts]
        for name in bars.frame.columns[6:]
        if name != "close_time"
    }
    regular = bool(((found.start % longer.ms == 0) & (found.end - found.start == longer.ms)).all())
    whole = Bars.from_columns(bars.instrument, longer, made.open_time, made.open, made.high, made.low, made.close, made.volume, **extras)
    return replace(whole, notes=(*bars.notes, f"resampled from {bars.timeframe}"), anchor="epoch" if regular else anchor)


def mtf_align(base_close_time: npt.ArrayLike, htf_close_time: npt.ArrayLike, htf_value: npt.ArrayLike) -> Float64Array:
    """What each base bar knows of a higher timeframe: the value of its last bar that has closed.

    Parameters
    ----------
    base_close_time : int64 (n_bars,), ms UTC
    htf_close_time : int64 (n_higher,), ms UTC, increasing
    htf_value : float64 (n_higher,), known at `htf_close_time`

    Returns
    -------
    float64 array of shape (n_bars,): of the last higher bar with close_time at or before the base bar's; NaN before the first

    A higher bar is visible at the base bar that closes together with it, and at none before.
    Raises: ShapeError; DataError for higher bars out of order.
    """
    base, higher = np.asarray(base_close_time, dtype=np.int64), np.asarray(htf_close_time, dtype=np.int64)
    values = np.asarray(htf_value, dtype=np.float64)
    if base.ndim != 1 or higher.ndim != 1 or values.shape != higher.shape:
        raise ShapeError(
            "mtf_align", f"shapes {base.shape}, {higher.shape} and {values.shape}", expected="one axis; as many values as times"
        )
    if higher.size > 1 and not (np.diff(higher) > 0).all():
        row = int(np.argmax(np.diff(higher) <= 0)) + 1
        found = f"row {row} ({utc_text(int(higher[row]))})"
        raise DataError(f"mtf_align: htf_close_time {found}", "is not after the one before it", mend="Sort the higher bars.")
    last = np.searchsorted(higher, base, side="right")
    return np.concatenate([[np.nan], values])[last]


def _closed(times: Int64Array, longer: Timeframe, base: Timeframe, calendar: Calendar | None) -> tuple[Buckets, Rows, Rows]:
    """The buckets that have closed and have base bars, and the first and the last base row of each."""
    if longer < base or longer.minutes % base.minutes:
        raise InstrumentError(f"resampling to {longer}", f"the bars are of {base}", expected=f"a multiple of {base}")
    of_bar = buckets_of(times, longer, calendar)
    ends = times + base.ms if calendar is None else np.minimum(times + base.ms, calendar.session_bounds(times)[1])
    straddling = ends > of_bar.end
    if straddling.any():
        row = int(np.argmax(straddling))
        found = f"a bar of {base} reaches over the end of a bucket of {longer}"
        raise DataError(f"row {row} ({utc_text(int(times[row]))})", found, mend="Resample bars that lie on the grid of their timeframe.")
    firsts = np.flatnonzero(np.diff(of_bar.start, prepend=np.int64(-1)))
    lasts = np.append(firsts[1:], times.size) - 1 if times.size else firsts
    if times.size and times[-1] + base.ms < of_bar.end[-1]:
        firsts, lasts = firsts[:-1], lasts[:-1]
    return Buckets(of_bar.start[firsts], of_bar.end[firsts]), firsts, lasts


def _gathered(buckets: Buckets, firsts: Rows, lasts: Rows, columns: list[Float64Array]) -> ResampledBars:
    open_, high, low, close, volume = columns
    if not firsts.size:
        empty = np.empty(0)
        return ResampledBars(*buckets, empty, empty, empty, empty, empty)
    highest, lowest = (extreme.reduceat(values[: lasts[-1] + 1], firsts) for extreme, values in ((np.maximum, high), (np.minimum, low)))
    return ResampledBars(*buckets, open_[firsts], highest, lowest, close[lasts], _sums(volume, firsts, lasts))


def _sums(values: Float64Array, firsts: Rows, lasts: Rows) -> Float64Array:
    """Sum of each stretch, bar after bar as the scan adds them: NumPy's own sums come in another order, and differ in a bit."""
    total, length = values[firsts], lasts - firsts
    by_length = np.argsort(-length, kind="stable")
    counts = np.cumsum(np.bincount(length)[::-1])[::-1]  # of stretches with i further bars or more
    for i in range(1, counts.size):
        longer = by_length[: counts[i]]
        total[longer] += values[firsts[longer] + i]
    return total


__all__ = ["SUMMED", "ResampledBars", "mtf_align", "resample", "resample_ohlcv"]
