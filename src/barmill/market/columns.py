"""From the column names and time formats of the world to ours: open_time in ms UTC, float64 prices. What was detected is said."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from barmill.errors import DataError

CORE = ("open_time", "open", "high", "low", "close", "volume")
EXTRAS = ("close_time", "quote_volume", "trades", "taker_buy_base", "taker_buy_quote")
TIME_UNITS = {"s": 1_000, "ms": 1, "us": 1_000, "ns": 1_000_000}
EARLIEST_MS = 315_532_800_000  # 1980-01-01: an earlier instant under a guessed unit is a row number or a wrong guess

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "open_time": (
        "open_time",
        "timestamp",
        "datetime",
        "date_time",
        "time",
        "date",
        "ts",
        "gmt_time",
        "open_timestamp",
        "start_time",
        "ts_event",
        "t",
    ),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price", "max"),
    "low": ("low", "l", "low_price", "min"),
    "close": ("close", "c", "close_price", "last"),
    "volume": ("volume", "vol", "v", "base_volume", "volume_base", "tick_volume", "tickvol"),
    "close_time": ("close_time", "close_timestamp", "end_time"),
    "quote_volume": ("quote_volume", "quote_asset_volume", "turnover"),
    "trades": ("trades", "number_of_trades", "num_trades", "n_trades", "trade_count", "count"),
    "taker_buy_base": ("taker_buy_base", "taker_buy_base_asset_volume", "taker_buy_base_volume", "taker_buy_volume"),
    "taker_buy_quote": ("taker_buy_quote", "taker_buy_quote_asset_volume", "taker_buy_quote_volume"),
    "symbol": ("symbol", "ticker"),
}
_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y.%m.%d %H:%M:%S",
    "%Y.%m.%d %H:%M",
    "%Y%m%d %H%M%S",
    "%Y%m%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S%.f",
)
_ZONED_FORMATS = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%dT%H:%M%#z")
_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")


@dataclass(frozen=True, slots=True)
class Normalised:
    """Columns under our names and types, and notes on how they got there."""

    frame: pl.DataFrame
    notes: tuple[str, ...]


def normalise(frame: pl.DataFrame, place: str, columns: Mapping[str, str] | None = None, time_unit: str | None = None) -> Normalised:
    """Rename, retype and order the columns of `frame`.

    Parameters
    ----------
    place : what messages call the source
    columns : our name to the source's name, where the source's is not recognised or a choice is to be made
    time_unit : "s", "ms", "us" or "ns" of integer times; None detects it

    Returns
    -------
    Normalised; required columns that are not there are left out (`check_frame` says so), text columns are dropped and said.
    Prices that are not numbers become null, to be found by the checks with their row.
    """
    if time_unit is not None and time_unit not in TIME_UNITS:
        raise DataError("time unit", f"there is no unit '{time_unit}'", expected="s, ms, us or ns")
    notes: list[str] = []
    frame = _join_date_and_time(_rename(frame, place, columns or {}, notes))
    made: list[pl.Series] = []
    if "open_time" in frame.columns:
        made.append(_as_ms(frame["open_time"], place, time_unit, notes))
    for name in CORE[1:]:
        if name in frame.columns:
            made.append(_as_float(frame[name]))
    if "close_time" in frame.columns:
        made.append(_as_ms(frame["close_time"], place, time_unit, []))
    dropped: list[str] = []
    others = [name for name in EXTRAS[1:] if name in frame.columns] + [name for name in frame.columns if name not in (*CORE, *EXTRAS)]
    for name in others:
        series = frame[name]
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            made.append(_as_float(series))
        elif name != "symbol":
            dropped.append(name)
    if dropped:
        notes.append(f"left out, as they hold no numbers: {', '.join(dropped)}")
    return Normalised(pl.DataFrame(made), tuple(notes))


def _rename(frame: pl.DataFrame, place: str, chosen: Mapping[str, str], notes: list[str]) -> pl.DataFrame:
    for ours, theirs in chosen.items():
        if theirs not in frame.columns:
            raise DataError(place, f"there is no column '{theirs}' (for {ours})", expected=f"one of {', '.join(frame.columns)}")
    names = {theirs: ours for ours, theirs in chosen.items()}
    plain = {column: _plain(column) for column in frame.columns}
    for ours, synonyms in _SYNONYMS.items():
        if ours in chosen:
            continue
        found = [column for synonym in synonyms for column in frame.columns if plain[column] == synonym and column not in names]
        if found and not (
            "time" in plain.values() and "date" in plain.values() and ours == "open_time" and plain[found[0]] in ("time", "date")
        ):
            names[found[0]] = ours
    taken = set(names.values())
    if clash := [column for column in frame.columns if column not in names and column in taken]:
        frame = frame.drop(clash)
        notes.append(f"left out, as another column was chosen for it: {', '.join(clash)}")
    mapped = [f"{theirs} as {ours}" for theirs, ours in names.items() if theirs != ours]
    if mapped:
        notes.append(f"columns read: {', '.join(mapped)}")
    unused = [column for column in frame.columns if plain[column] in ("ignore", "") and column not in names]
    return frame.drop(unused).rename(names)


def _plain(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip().strip("<>"))
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _join_date_and_time(frame: pl.DataFrame) -> pl.DataFrame:
    """MetaTrader and others write the date and the time of day in two columns."""
    by_name = {_plain(column): column for column in frame.columns}
    if "open_time" in frame.columns or not {"date", "time"} <= by_name.keys():
        return frame
    date, time = by_name["date"], by_name["time"]
    joined = pl.concat_str([pl.col(date).cast(pl.String), pl.col(time).cast(pl.String)], separator=" ").alias("open_time")
    return frame.with_columns(joined).drop(date, time)


def _as_float(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        series = series.str.strip_chars().replace("", None)
    elif series.dtype != pl.Boolean and not series.dtype.is_numeric():
        return pl.Series(series.name, [None] * len(series), dtype=pl.Float64)
    return series.cast(pl.Float64, strict=False)


def _as_ms(series: pl.Series, place: str, unit: str | None, notes: list[str]) -> pl.Series:
    """Times of any kind as int64 ms UTC; what cannot be read becomes null."""
    name, kind = series.name, series.dtype
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            notes.append(f"{name} has no time zone; taken as UTC")
            return series.dt.epoch("ms")
        if kind.time_zone != "UTC":
            notes.append(f"{name} converted from {kind.time_zone} to UTC")
        return series.dt.convert_time_zone("UTC").dt.epoch("ms")
    if kind == pl.Date:
        return series.cast(pl.Datetime("ms")).dt.epoch("ms")
    if kind == pl.String:
        numbers = series.str.strip_chars().cast(pl.Float64, strict=False)
        digits = series.drop_nulls().str.len_chars()
        if numbers.null_count() > series.null_count() or (len(digits) and digits.max() == 8):
            return _from_text(series, place, notes)
        whole = series.str.strip_chars().cast(pl.Int64, strict=False)
        series = whole if whole.null_count() == series.null_count() else numbers
    if not series.dtype.is_numeric():
        raise DataError(place, f"{name} is of type {kind}", expected="integers, date-times or ISO 8601 text")
    return _from_number(series, place, unit, notes)


def _from_number(series: pl.Series, place: str, unit: str | None, notes: list[str]) -> pl.Series:
    finite = series.drop_nulls().cast(pl.Float64, strict=False).drop_nans()
    if not len(finite):
        return pl.Series(series.name, [None] * len(series), dtype=pl.Int64)
    middle = float(finite.abs().median() or 0.0)  # type: ignore[arg-type]  # a number for a numeric series
    guessed = unit or ("s" if middle < 1e11 else "ms" if middle < 1e14 else "us" if middle < 1e17 else "ns")
    if guessed == "s":
        scaled = (series.cast(pl.Float64, strict=False).fill_nan(None) * 1000.0).round().cast(pl.Int64, strict=False)
    else:
        whole = series.fill_nan(None).cast(pl.Int64, strict=False) if series.dtype.is_float() else series.cast(pl.Int64, strict=False)
        scaled = whole // TIME_UNITS[guessed]
    if unit is None:
        if middle * (1000 if guessed == "s" else 1) < EARLIEST_MS and guessed == "s":
            found = f"{series.name} {middle:.10g} is no time: as seconds it lies before 1980"
            raise DataError(place, found, mend="Name the column of the open time, or say its unit with --time-unit.")
        if guessed != "ms":
            notes.append(f"{series.name} read as {_UNIT_NAMES[guessed]} since 1970, and kept in milliseconds")
    return scaled


_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def _from_text(series: pl.Series, place: str, notes: list[str]) -> pl.Series:
    text = series.str.strip_chars().str.replace(r"\s*(UTC|GMT)$", "Z").str.replace(r"Z$", "+00:00")
    wanted = text.drop_nulls()
    sample = wanted.head(1000)
    for formats, zoned in ((_ZONED_FORMATS, True), (_FORMATS, False), (_DATE_FORMATS, False)):
        for pattern in formats:
            parsed = _parse(sample, pattern, zoned)
            if parsed is not None and len(sample) and parsed.null_count() <= len(sample) // 2:
                whole = _parse(text, pattern, zoned)
                assert whole is not None
                if not zoned and formats is not _DATE_FORMATS:
                    notes.append(f"{series.name} has no time zone; taken as UTC")
                return whole.dt.epoch("ms").alias(series.name)
    shown = str(wanted[0]) if len(wanted) else ""
    mend = "Write times as ISO 8601 in UTC, such as 2023-03-14T14:30:00Z."
    if re.match(r"^\d{1,2}/\d{1,2}/\d{4}", shown):
        raise DataError(place, f"{series.name} '{shown}' may be day/month or month/day", mend=mend)
    raise DataError(place, f"{series.name} '{shown}' is in no format that is known", mend=mend)


def _parse(text: pl.Series, pattern: str, zoned: bool) -> pl.Series | None:
    try:
        if pattern in _DATE_FORMATS:
            return text.str.to_date(pattern, strict=False).cast(pl.Datetime("ms"))
        parsed = text.str.to_datetime(pattern, time_unit="ms", time_zone="UTC" if zoned else None, strict=False)
    except pl.exceptions.PolarsError:
        return None
    return parsed
