"""The checks that bars pass on their way in. All run; each says what it found with a stable code.

Errors are what no model may be trained on; warnings and infos are true of many honest sources and are kept with the bars.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.market.buckets import Anchor, buckets_of
from barmill.market.calendar import Calendar
from barmill.market.findings import Finding, finding
from barmill.market.timeframe import Timeframe
from barmill.market.times import PLAUSIBLE_MS, utc_text

REQUIRED = ("open_time", "open", "high", "low", "close")
PRICES = ("open", "high", "low", "close")
OUTLIER_SIGMAS = 40.0  # a 1m crypto bar of a real crash reaches 30; a price with a slipped digit exceeds 100
FLAT_RUN = 60  # an hour of minutes without any movement
MIXED_RUN = 20  # so many equal steps in a row are another timeframe, not missing bars
TAKER_TOLERANCE = 1e-9  # relative; sums of volumes are rounded
ABS_TO_SIGMA = 1.4826  # 1 / norm.ppf(0.75): median |x| of a normal variable times this is its sigma

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns under check as arrays; `time` only where every open time is a number."""

    frame: pl.DataFrame
    time: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array | None

    @property
    def n(self) -> int:
        return self.frame.height

    def when(self, row: int) -> str | None:
        return utc_text(int(self.time[row])) if self.time.size else None

    def at(self, code: str, bad: npt.NDArray[np.bool_], say: str, mend: str) -> Iterator[Finding]:
        """An error finding for the rows where `bad`; `say` may name {open}, {high}, {low}, {close} and {volume}."""
        count = int(np.count_nonzero(bad))
        if count:
            row = int(np.argmax(bad))
            values = {name: _number(getattr(self, name)[row]) for name in (*PRICES, "volume") if getattr(self, name) is not None}
            yield finding(code, "error", count, say.format(**values) + _more(count), row=row, time=self.when(row), mend=mend)


def check_frame(frame: pl.DataFrame, timeframe: Timeframe | None, calendar: Calendar, anchor: Anchor = "epoch") -> tuple[Finding, ...]:
    """Run every check on normalised columns.

    Parameters
    ----------
    frame : open_time (int64, ms UTC), open, high, low, close, volume (float64; volume may be absent), and extras
    timeframe : length of the bars, or None if it could not be told (then checks that need it are left out)
    calendar : when the market is open

    Returns
    -------
    Findings by code: errors, warnings and infos. Linear in the number of rows; a million take a few tenths of a second.
    """
    absent = [name for name in REQUIRED if name not in frame.columns]
    if absent:
        return (_missing_columns(frame, absent),)
    if frame.height == 0:
        return (finding("D015", "error", 0, "there are no rows", mend="Give a file with bars."),)
    columns = _columns(frame)
    found = [*_numbers(columns), *_prices(columns), *_volumes(columns), *_extras(columns)]
    if columns.time.size:
        found += [*_times(columns), *_order(columns)]
        if not any(each.code in ("D003", "D004", "D008") for each in found):
            found += [*_steps(columns, timeframe, calendar, anchor), *_closed(columns, calendar)]
            found += _close_time(columns, timeframe, calendar, anchor)
    if not any(each.code in ("D002", "D007") for each in found):
        found += [*_returns(columns), *_ranges(columns)]
    return tuple(sorted(found, key=lambda each: each.code))


def _columns(frame: pl.DataFrame) -> _Columns:
    time = frame["open_time"]
    arrays = [frame[name].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy() for name in PRICES]
    volume = frame["volume"].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy() if "volume" in frame.columns else None
    times = np.empty(0, dtype=np.int64) if time.null_count() else time.cast(pl.Int64).to_numpy()
    return _Columns(frame, times, arrays[0], arrays[1], arrays[2], arrays[3], volume)


def _missing_columns(frame: pl.DataFrame, absent: list[str]) -> Finding:
    found = f"no column {', '.join(absent)} (the columns are {', '.join(frame.columns) or 'none'})"
    sides = [side for side in ("bid", "ask") if all(f"{side}_{name}" in frame.columns for name in PRICES)]
    if sides:
        mend = f"These are {' and '.join(sides)} bars: choose a side with columns such as open={sides[0]}_open, high={sides[0]}_high."
    elif "funding_rate" in frame.columns:
        mend = "This is a funding-rate series, not bars."
    else:
        mend = "Name the columns of your source, such as open=OpenPrice."
    return finding("D001", "error", len(absent), found, mend=mend)


def _numbers(columns: _Columns) -> Iterator[Finding]:
    if not columns.time.size:
        absent = columns.frame["open_time"].is_null().to_numpy()
        row, count = int(np.argmax(absent)), int(absent.sum())
        mend = "Correct the file, or import it with --repair drop-nan."
        yield finding("D002", "error", count, f"open_time is empty or no time{_more(count)}", row=row, mend=mend)
    names = [*PRICES, *(["volume"] if columns.volume is not None else [])]
    bad = {name: ~np.isfinite(getattr(columns, name)) for name in names}
    rows = np.logical_or.reduce(list(bad.values()))
    count = int(np.count_nonzero(rows))
    if count:
        row = int(np.argmax(rows))
        named = ", ".join(f"{name} is {_number(getattr(columns, name)[row])}" for name in names if bad[name][row])
        mend = "Correct the file, or import it with --repair drop-nan."
        yield finding("D002", "error", count, f"{named}{_more(count)}", row=row, time=columns.when(row), mend=mend)


def _prices(columns: _Columns) -> Iterator[Finding]:
    mend = "Correct the file, or let the import set the row aside (--repair drop-invalid-ohlc)."
    high, low = columns.high, columns.low
    kinds = [
        ("high {high} is below low {low}", high < low),
        ("high {high} is below open {open}", high < columns.open),
        ("high {high} is below close {close}", high < columns.close),
        ("low {low} is above open {open}", low > columns.open),
        ("low {low} is above close {close}", low > columns.close),
    ]
    rows = np.logical_or.reduce([bad for _, bad in kinds])
    if rows.any():
        first = int(np.argmax(rows))
        yield from columns.at("D005", rows, next(say for say, bad in kinds if bad[first]), mend)
    lowest = np.minimum(np.minimum(columns.open, columns.close), np.minimum(high, low))
    not_positive = lowest <= 0
    if not_positive.any():
        first = int(np.argmax(not_positive))
        name = next(name for name in PRICES if getattr(columns, name)[first] <= 0)
        mend = "Returns of such prices do not exist: correct the file, or import it with --repair drop-non-positive-prices."
        yield from columns.at("D007", not_positive, f"{name} is {{{name}}}, and prices must be above 0", mend)


def _volumes(columns: _Columns) -> Iterator[Finding]:
    volume = columns.volume
    if volume is None:
        yield finding("D019", "warning", 1, "there is no volume column; volume is taken as 0 and features of volume say nothing")
        return
    mend = "Correct the file, or import it with --repair clip-negative-volume or drop-negative-volume."
    yield from columns.at("D006", volume < 0, "volume {volume} is negative", mend)
    zero = volume == 0
    count = int(np.count_nonzero(zero))
    if count == columns.n:
        yield finding("D014", "warning", count, "volume is 0 in every bar; features of volume say nothing")
    elif count:
        row = int(np.argmax(zero))
        yield finding("D014", "info", count, f"volume is 0 in {_share(count, columns.n)} of the bars", row=row, time=columns.when(row))
    if "taker_buy_base" in columns.frame.columns:
        taker = columns.frame["taker_buy_base"].cast(pl.Float64, strict=False).fill_null(0.0).to_numpy()
        bad = taker > volume * (1 + TAKER_TOLERANCE)
        if bad.any():
            row = int(np.argmax(bad))
            say = f"taker_buy_base {_number(taker[row])} is above volume {{volume}}"
            yield from columns.at("D017", bad, say, "Correct the file, or import it with --repair drop-invalid-taker.")


def _extras(columns: _Columns) -> Iterator[Finding]:
    core = {*REQUIRED, "volume", "close_time"}
    for name in columns.frame.columns:
        if name in core or not columns.frame.schema[name].is_numeric():
            continue
        values = columns.frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        bad = ~np.isfinite(values)
        count = int(np.count_nonzero(bad))
        if count:
            row = int(np.argmax(bad))
            found = f"{name} is missing in {_share(count, columns.n)} of the bars"
            yield finding("D022", "warning", count, found, row=row, time=columns.when(row))


def _times(columns: _Columns) -> Iterator[Finding]:
    bad = (columns.time < PLAUSIBLE_MS[0]) | (columns.time >= PLAUSIBLE_MS[1])
    mend = "Say the unit of the times: --time-unit s, ms, us or ns."
    yield from columns.at("D008", bad, "the time lies outside 1970 to 2100: is the unit right?", mend)


def _order(columns: _Columns) -> Iterator[Finding]:
    step = np.diff(columns.time)
    back = np.concatenate([[False], step < 0])
    if back.any():
        row = int(np.argmax(back))
        say = f"the bar lies before the one above it ({columns.when(row - 1)})"
        yield from columns.at("D003", back, say, "Sort the file, or import it with --repair sort.")
    times = np.sort(columns.time, kind="stable") if back.any() else columns.time
    repeated = int(np.count_nonzero(np.diff(times) == 0))
    if repeated:
        order = np.argsort(columns.time, kind="stable")
        again = np.zeros(columns.n, dtype=bool)
        again[order[1:][np.diff(times) == 0]] = True
        mend = "Correct the file, or import it with --repair drop-duplicates, which keeps the first of each time."
        yield from columns.at("D004", again, "the same open time as an earlier bar", mend)


def _steps(columns: _Columns, timeframe: Timeframe | None, calendar: Calendar, anchor: Anchor) -> Iterator[Finding]:
    if columns.n == 1:
        yield finding("D016", "error", 1, "there is one bar only", time=columns.when(0), mend="Give at least two bars.")
        return
    if timeframe is None:
        return
    if anchor == "session":
        yield from _anchored(columns, timeframe, calendar)
        return
    step = np.diff(columns.time)
    mixed = _longest_other_run(step, timeframe.ms)
    if mixed is not None:
        row, length, other = mixed
        found = f"from here {length} bars are {_length(other)} apart, in a file of {timeframe} bars"
        mend = "Give one timeframe a file, or resample the finer bars first."
        yield finding("D009", "error", length, found, row=row, time=columns.when(row), mend=mend)
        return
    yield from _grid(columns, timeframe)
    gaps = calendar.gaps(columns.time, timeframe)
    if len(gaps):
        lengths, word = gaps[:, 2], "gaps" if len(gaps) > 1 else "gap"
        longest = int(np.argmax(lengths))
        row = int(np.searchsorted(columns.time, gaps[0, 0]))
        found = (
            f"{lengths.sum():,} bars that the calendar {calendar.name} expects are absent, in {len(gaps):,} {word}; "
            f"the longest lasts {lengths[longest]:,} {'bar' if lengths[longest] == 1 else 'bars'}, from {utc_text(int(gaps[longest, 0]))}"
        )
        yield finding("D011", "warning", len(gaps), found, row=row, time=utc_text(int(gaps[0, 0])))


def _grid(columns: _Columns, timeframe: Timeframe) -> Iterator[Finding]:
    offset = columns.time % timeframe.ms
    if not offset.any():
        return
    values, counts = np.unique(offset, return_counts=True)
    usual = int(values[np.argmax(counts)])
    off = offset != usual
    if off.any() and timeframe.minutes < 1440:
        row = int(np.argmax(off))
        mend = "Correct the file, or import it with --repair drop-off-grid."
        yield from columns.at("D010", off, f"the open time is not on the grid of {timeframe} on which the other bars lie", mend)
    elif usual or off.any():
        row = int(np.argmax(offset != 0))
        late = _length(usual or int(offset[row]))
        found = f"bars open {late} after the grid of {timeframe} in UTC; resampling to longer bars needs bars on the grid"
        severity = "info" if timeframe.minutes >= 1440 else "warning"
        yield finding("D010", severity, int(np.count_nonzero(offset)), found, row=row, time=columns.when(row))


def _anchored(columns: _Columns, timeframe: Timeframe, calendar: Calendar) -> Iterator[Finding]:
    """Bars of unequal length: only where each may begin can be judged."""
    off = columns.time != buckets_of(columns.time, timeframe, calendar).start
    mend = "Resample the shorter bars again, with the instrument that they are to be read with."
    yield from columns.at("D010", off, f"no bar of {timeframe} that is counted from the open of a session begins here", mend)


def _longest_other_run(step: Int64Array, usual: int) -> tuple[int, int, int] | None:
    """First row, length and step of the longest run of equal steps other than `usual`, if it is MIXED_RUN or more."""
    if step.size < MIXED_RUN or (step == usual).all():
        return None
    edges = np.flatnonzero(np.concatenate([[True], step[1:] != step[:-1]]))
    lengths = np.diff(np.append(edges, step.size))
    lengths[step[edges] == usual] = 0
    # A finer or an intraday coarser timeframe; daily bars with their weekends, and one bar a day of a session, are not mixed.
    best = int(np.argmax(lengths))
    if lengths[best] < MIXED_RUN:
        return None
    return int(edges[best]), int(lengths[best]), int(step[edges[best]])


def _closed(columns: _Columns, calendar: Calendar) -> Iterator[Finding]:
    if calendar.name == "24/7" or columns.n < 2 or int(np.median(np.diff(columns.time))) >= 86_400_000:
        return
    shut = ~calendar.is_open(columns.time)
    count = int(np.count_nonzero(shut))
    if count:
        row = int(np.argmax(shut))
        found = f"{count:,} bars open while the calendar {calendar.name} says that the market is closed"
        yield finding("D020", "warning", count, found, row=row, time=columns.when(row))


def _close_time(columns: _Columns, timeframe: Timeframe | None, calendar: Calendar, anchor: Anchor) -> Iterator[Finding]:
    if timeframe is None or "close_time" not in columns.frame.columns:
        return
    close = columns.frame["close_time"].cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
    end = buckets_of(columns.time, timeframe, calendar).end if anchor == "session" else columns.time + timeframe.ms
    bad = (close != end) & (close != end - 1)  # Binance writes the last millisecond
    if bad.any():
        row = int(np.argmax(bad))
        say = f"close_time {utc_text(int(close[row]))} is not {timeframe} after open_time"
        yield from columns.at("D018", bad, say, "Correct the file, or leave the close_time column out.")


def _returns(columns: _Columns) -> Iterator[Finding]:
    if columns.n < 100:
        return
    returns = np.diff(np.log(columns.close))
    size = np.abs(returns)
    moved = size[size > 0]
    if moved.size < 50:
        return
    sigma = ABS_TO_SIGMA * float(np.median(moved))
    far = size > OUTLIER_SIGMAS * sigma
    count = int(np.count_nonzero(far))
    if count:
        row = int(np.argmax(far)) + 1
        found = f"the close moved by {100 * returns[row - 1]:+.2f}%, {size[row - 1] / sigma:.0f} robust sigmas{_more(count)}"
        yield finding("D012", "warning", count, found, row=row, time=columns.when(row), mend="Look whether the price is real.")


def _ranges(columns: _Columns) -> Iterator[Finding]:
    flat = columns.high == columns.low
    count = int(np.count_nonzero(flat))
    if not count:
        return
    row = int(np.argmax(flat))
    yield finding("D013", "info", count, f"high equals low in {_share(count, columns.n)} of the bars", row=row, time=columns.when(row))
    still = flat[1:] & (columns.close[1:] == columns.close[:-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(np.int8), [0]])))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    long = np.flatnonzero(lengths >= FLAT_RUN)
    if long.size:
        row = int(starts[long[0]]) + 1
        mend = "Look whether the source filled missing bars."
        found = f"the price stands still for {int(lengths.max())} bars at the longest; {long.size} such runs of {FLAT_RUN} bars or more"
        yield finding("D021", "warning", int(long.size), found, row=row, time=columns.when(row), mend=mend)


def _number(value: float) -> str:
    return "missing" if np.isnan(value) else f"{value:.10g}"


def _more(count: int) -> str:
    return f" (and {count - 1:,} more {'row' if count == 2 else 'rows'})" if count > 1 else ""


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.2g}%)"


def _length(step_ms: int) -> str:
    return str(Timeframe(step_ms // 60_000)) if step_ms >= 60_000 and step_ms % 60_000 == 0 else f"{step_ms / 1000:g} s"
