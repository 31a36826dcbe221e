"""From a source to columns under our names, with the instrument and the length of the bars; nothing is judged yet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from barmill.errors import DataError, InstrumentError
from barmill.market.buckets import Anchor
from barmill.market.columns import normalise
from barmill.market.instrument import Instrument, builtin_symbols
from barmill.market.sources import Source, open_source
from barmill.market.timeframe import Timeframe

_MONTH_CODE = r"[FGHJKMNQUVXZ]\d{1,2}"  # of a single futures contract: 6EH4 is a 6E


@dataclass(frozen=True, slots=True)
class UncheckedBars:
    """What a source holds under our names, before the checks; `volume` may be absent, `timeframe` unknown."""

    place: str
    frame: pl.DataFrame
    instrument: Instrument
    timeframe: Timeframe | None
    notes: tuple[str, ...]
    anchor: Anchor = "epoch"


def read_unchecked(
    source: Any,
    symbol: str | None = None,
    instrument: Instrument | None = None,
    timeframe: Timeframe | str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
) -> UncheckedBars:
    """The part of `Bars.read` before the checks; parameters as there."""
    opened = open_source(source)
    wanted = symbol or (instrument.symbol if instrument else None)
    rows, symbol_found = rows_of(opened, wanted)
    made = normalise(rows, opened.place, columns, time_unit)
    notes = [*opened.notes, *made.notes]
    if instrument is None:
        instrument = Instrument.builtin(symbol_found or _symbol_of(opened))
    elif symbol is not None and instrument.symbol != symbol:
        raise InstrumentError(f"symbol '{symbol}'", f"the instrument given is {instrument.symbol}", mend="Give one of the two.")
    length = Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe
    if length is None and opened.timeframe:
        length = Timeframe.parse(opened.timeframe)
    if length is None:
        length = usual_step(made.frame)
        if length is not None:
            notes.append(f"timeframe {length}, the most common step")
    if "volume" not in made.frame.columns and "close" in made.frame.columns:
        notes.append("no volume column; volume is 0")
    anchor = "session" if opened.anchor == "session" else "epoch"
    return UncheckedBars(opened.place, made.frame, instrument, length, tuple(notes), anchor)


def rows_of(opened: Source, wanted: str | None) -> tuple[pl.DataFrame, str | None]:
    """The rows of one symbol where the file has a symbol column, and the symbol if it is known."""
    column = next((name for name in opened.frame.columns if name.lower() in ("symbol", "ticker")), None)
    if column is None or opened.frame.schema[column] != pl.String:
        return opened.frame, wanted
    there = [str(name) for name in opened.frame[column].unique(maintain_order=True).drop_nulls()]
    if wanted is None and len(there) == 1:
        return opened.frame, there[0] if there[0] in builtin_symbols() else None
    listed = ", ".join(there[:30]) + (f" and {len(there) - 30} more" if len(there) > 30 else "")
    if wanted is None:
        raise DataError(opened.place, f"bars of {len(there)} symbols: {listed}", mend="Choose one with symbol (--symbol).")
    if wanted not in there:
        if len(there) == 1:
            return opened.frame, wanted  # a renamed single symbol: what was asked for wins
        raise DataError(opened.place, f"no rows of symbol '{wanted}'", expected=f"one of {listed}")
    return opened.frame.filter(pl.col(column) == wanted), wanted


def _symbol_of(opened: Source) -> str:
    """The symbol that the file states or that its name starts with. Raises DataError asking for it."""
    if opened.symbol:
        return opened.symbol
    word = re.split(r"[_ .]", opened.stem)[0]
    known = builtin_symbols()
    for candidate in (word, word.upper(), re.sub(f"{_MONTH_CODE}$", "", word.upper())):
        if candidate in known:
            return candidate
    found = f"the name '{opened.stem}' starts with no built-in symbol" if opened.stem else "a frame names no symbol"
    raise DataError(opened.place, found, mend="Say what it is with symbol (--symbol), such as BTCUSDT.")


def usual_step(frame: pl.DataFrame) -> Timeframe | None:
    """The most common step between neighbouring open times; the smaller where two are as common."""
    if "open_time" not in frame.columns:
        return None
    steps = np.diff(np.unique(frame["open_time"].drop_nulls().to_numpy()))
    if not steps.size:
        return None
    values, counts = np.unique(steps, return_counts=True)
    step = int(values[np.argmax(counts)])
    return Timeframe.of_ms(step) if step % 60_000 == 0 else None
