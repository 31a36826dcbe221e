"""Bars that came from outside, checked before anything is computed from them: every refusal names the bar and the field."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.bundles import Bundle
from barmill.errors import nearest
from barmill.features.columns import COLUMNS
from barmill.market import Bar, Bars
from barmill.market.calendar import Calendar
from barmill.market.times import PLAUSIBLE_MS, utc_text
from barmill.serving.answers import Float64Array, Int64Array, RawBars
from barmill.serving.refusals import Refusal
from barmill.serving.settings import PlaneSettings

FIELDS = ("open", "high", "low", "close", "volume")
_DAY_MINUTES = 1440


def checked_bars(raw: RawBars, bundle: Bundle, settings: PlaneSettings, now_ms: int) -> tuple[Bars, tuple[str, ...]]:
    """`raw` as bars of the bundle's instrument, and what the asker ought to know of them.

    now_ms : of this machine's clock, by which no bar may close in the future

    Raises Refusal naming the first bar that is not finite, not ordered, negative, given twice, out of time order, off the grid, or not
    closed yet.
    """
    _check_shapes(raw, bundle, settings)
    _check_values(raw)
    _check_order(raw.open_time, bundle)
    _check_clock(raw.open_time, bundle, settings, now_ms)
    columns = [np.ascontiguousarray(column) for column in raw.values.T]
    further = {name: raw.further[name] for name in bundle.plan.sources}
    bars = Bars.from_columns(bundle.instrument, bundle.timeframe, raw.open_time, *columns, **further)
    note = _gaps(bars)
    return bars, (note,) if note else ()


def checked_prices(raw: RawBars, bundle: Bundle) -> Float64Array:
    """Open, high, low and close of bars that are drawn and nothing else, float64 (n, 4); whether they are old or new does not matter.

    Raises Refusal as `checked_bars`.
    """
    _check_array("open_time", raw.open_time, np.int64, (None,))
    _check_array("values", raw.values, np.float64, (len(raw.open_time), len(FIELDS)))
    if not len(raw.open_time):
        raise Refusal("invalid", "no_bars", "bars", "there is none", expected="at least one")
    _check_values(raw)
    _check_order(raw.open_time, bundle)
    return np.ascontiguousarray(raw.values[:, :4])


def check_fresh(raw: RawBars, bundle: Bundle, settings: PlaneSettings, now_ms: int) -> None:
    """Raise Refusal where the last bar closed too long ago."""
    if is_stale(int(raw.open_time[-1]), bundle, settings, now_ms):
        found = f"the last bar, of {_when(raw.open_time[-1])}, closed more than {settings.max_bar_age_seconds:g} seconds ago"
        raise Refusal("invalid", "stale_bars", f"bars[{len(raw.open_time) - 1}].open_time", found, expected="bars up to now")


def check_bar(bar: Bar, bundle: Bundle, settings: PlaneSettings, now_ms: int) -> None:
    """The same of one bar. Raises Refusal naming the field, as "bar.high"."""
    _, open_, high, low, close, volume, extra = bar
    further = tuple(extra.get(name, math.nan) for name in bundle.plan.sources)
    ordered = 0 < low <= open_ <= high and low <= close <= high and volume >= 0  # false where one of them is NaN, as `min` need not be
    if ordered and high + volume < math.inf and all(map(math.isfinite, further)) and _is_timely(bar.open_time, bundle, settings, now_ms):
        return
    values = np.array([bar[1:6]], dtype=np.float64)
    given = {name: np.array([extra[name]], dtype=np.float64) for name in bundle.plan.sources if name in extra}
    try:
        checked_bars(RawBars(np.array([bar.open_time], dtype=np.int64), values, given), bundle, settings, now_ms)
    except Refusal as refusal:
        place = refusal.place.replace("bars[0]", "bar").replace("bars.", "bar.")
        raise Refusal(refusal.kind, refusal.code, place, refusal.found, expected=refusal.expected, mend=refusal.mend) from None


def is_stale(last_open_time: int, bundle: Bundle, settings: PlaneSettings, now_ms: int) -> bool:
    """Whether a bar closed longer ago than the settings let a forecast of now be made from it."""
    oldest = settings.max_bar_age_seconds
    return oldest is not None and now_ms - last_open_time - bundle.timeframe.ms > 1000 * oldest


def _is_timely(open_time: int, bundle: Bundle, settings: PlaneSettings, now_ms: int) -> bool:
    closes_by = now_ms + 1000 * settings.future_seconds
    return PLAUSIBLE_MS[0] <= open_time < PLAUSIBLE_MS[1] and open_time + bundle.timeframe.ms <= closes_by


def _check_shapes(raw: RawBars, bundle: Bundle, settings: PlaneSettings) -> None:
    _check_array("open_time", raw.open_time, np.int64, (None,))
    n_bars = len(raw.open_time)
    if not n_bars:
        raise Refusal("invalid", "no_bars", "bars", "there is none", expected="at least one")
    if n_bars > settings.max_bars:
        raise Refusal("too_large", "too_many_bars", "bars", f"{n_bars:,} bars", expected=f"at most {settings.max_bars:,}")
    _check_array("values", raw.values, np.float64, (n_bars, len(FIELDS)))
    for name, column in raw.further.items():
        if name not in COLUMNS:
            raise Refusal(
                "invalid", "unknown_column", f"bars.{name[:64]}", "no column of a bar is called so", mend=nearest(name[:64], COLUMNS)
            )
        _check_array(name, column, np.float64, (n_bars,))
    for name, needs in bundle.plan.missing(raw.further).items():
        found = f"is missing, and the feature '{name}' reads it"
        raise Refusal(
            "invalid", "missing_column", f"bars.{needs[0]}", found, expected=f"a number for each bar: {', '.join(bundle.plan.sources)}"
        )


def _check_array(name: str, values: Any, dtype: type[np.generic], shape: tuple[int | None, ...]) -> None:
    kind = np.dtype(dtype)
    if not isinstance(values, np.ndarray) or values.dtype != kind:
        found = f"of type {values.dtype if isinstance(values, np.ndarray) else type(values).__name__}"
        raise Refusal("invalid", "wrong_dtype", f"bars.{name}", found, expected=str(kind))
    fits = values.ndim == len(shape) and all(wanted in (None, length) for wanted, length in zip(shape, values.shape, strict=True))
    if not fits:
        expected = str([length if length is not None else "bars" for length in shape])
        raise Refusal("invalid", "wrong_shape", f"bars.{name}", f"of shape {list(values.shape)}", expected=expected)


def _check_values(raw: RawBars) -> None:
    finite = np.isfinite(raw.values)
    if not finite.all():
        row, column = (int(number) for number in np.argwhere(~finite)[0])
        found = f"is {raw.values[row, column]}"
        raise Refusal("invalid", "not_finite", f"bars[{row}].{FIELDS[column]}", found, expected="a finite number")
    for name, column in raw.further.items():
        _refuse_first(~np.isfinite(column), "not_finite", name, lambda row, column=column: f"is {column[row]}", "a finite number")
    open_, high, low, close, volume = raw.values.T
    for name, prices in zip(FIELDS[:4], (open_, high, low, close), strict=True):
        _refuse_first(prices <= 0, "price_not_positive", name, _shows(prices), "a price above 0")
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    _refuse_first(high < np.maximum(top, low), "price_outside_bar", "high", _shows(high), "at least open, low and close")
    _refuse_first(low > bottom, "price_outside_bar", "low", _shows(low), "at most open, high and close")
    _refuse_first(volume < 0, "negative_volume", "volume", _shows(volume), "0 or more")


def _check_order(times: Int64Array, bundle: Bundle) -> None:
    outside = (times < PLAUSIBLE_MS[0]) | (times >= PLAUSIBLE_MS[1])
    _refuse_first(outside, "implausible_time", "open_time", _shows(times), "UTC milliseconds between 1970 and 2100")
    step = np.diff(times, prepend=times[0] - 1)
    _refuse_first(step == 0, "duplicate_bar", "open_time", lambda row: f"{_when(times[row])} is given twice", "each bar once")
    _refuse_first(step < 0, "bars_out_of_order", "open_time", lambda row: f"{_when(times[row])} is before the bar above it", "time order")
    length = bundle.timeframe.ms
    if bundle.timeframe.minutes < _DAY_MINUTES:  # daily bars may open at the hour of a session, which moves with the clocks
        expected = f"steps of {bundle.timeframe} from the first bar"
        off = (times - times[0]) % length != 0
        _refuse_first(off, "off_the_grid", "open_time", lambda row: f"{_when(times[row])} is off the grid", expected)


def _check_clock(times: Int64Array, bundle: Bundle, settings: PlaneSettings, now_ms: int) -> None:
    length = bundle.timeframe.ms
    late = times + length > now_ms + int(1000 * settings.future_seconds)
    expected = f"bars that have closed by {utc_text(now_ms)}"
    _refuse_first(late, "bar_not_closed", "open_time", lambda row: f"the bar of {_when(times[row])} closes in the future", expected)


def _refuse_first(bad: npt.NDArray[np.bool_], code: str, field: str, found: Callable[[int], str], expected: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise Refusal("invalid", code, f"bars[{row}].{field}", found(row), expected=expected)


def _shows(values: Float64Array | Int64Array) -> Callable[[int], str]:
    return lambda row: f"is {values[row]}"


def _when(time_ms: np.int64) -> str:
    return utc_text(int(time_ms))


def _gaps(bars: Bars) -> str:
    """How many bars the calendar misses between the first and the last, in words; empty if none."""
    if int(bars.open_time[-1] - bars.open_time[0]) == (len(bars) - 1) * bars.timeframe.ms:
        return ""
    gaps = Calendar.named(bars.instrument.calendar).gaps(bars.open_time, bars.timeframe)
    if not len(gaps):
        return ""
    return f"{int(gaps[:, 2].sum())} bars are missing in {len(gaps)} gap{'s' if len(gaps) > 1 else ''}, the first from {_when(gaps[0, 0])}"


__all__ = ["FIELDS", "check_bar", "check_fresh", "checked_bars", "checked_prices", "is_stale"]
