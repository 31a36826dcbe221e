"""Bars read for a bundle: its own instrument, unless the file says that they are of another."""

import re
from pathlib import Path

import polars as pl

from barmill.bundles.bundle import Bundle
from barmill.errors import DataError
from barmill.market import Bars, Instrument, builtin_symbols
from barmill.market.npz_file import symbol_in
from barmill.market.sources import SYMBOL_KEY


def read_bars_for(bundle: Bundle, path: Path, symbol: str | None = None) -> Bars:
    """The bars in `path`, checked, which must be of the bundle's instrument and timeframe.

    symbol : what they are of, where the file's name or metadata says something else, or nothing
    Raises DataError, also for a file that says that it holds another symbol.
    """
    bars = Bars.read(path, instrument=instrument_for(bundle, path, symbol))
    bundle.check_bars(bars)
    return bars


def instrument_for(bundle: Bundle, path: Path | None, symbol: str | None) -> Instrument:
    """The bundle's instrument, if `symbol` (or else the file itself) does not name another. Raises DataError."""
    said = symbol or (_stated_symbol(path) if path else None)
    wanted = bundle.instrument.symbol
    if said is not None and said != wanted:
        mend = f"Give bars of {wanted}." if symbol else f"Give bars of {wanted}, or say --symbol {wanted} if these are."
        raise DataError(
            str(path or "bars"), f"bars of {said}", expected=f"{wanted}, which bundle '{bundle.manifest.name}' was trained on", mend=mend
        )
    return bundle.instrument


def _stated_symbol(path: Path) -> str | None:
    """The symbol in the metadata of our own Parquet and NPZ files, or a built-in one that the name starts with."""
    if path.suffix.lower() == ".npz" and (stated := symbol_in(path)):
        return stated
    if path.suffix.lower() == ".parquet" and path.is_file():
        try:
            stated = pl.read_parquet_metadata(path).get(SYMBOL_KEY)
        except (OSError, pl.exceptions.PolarsError):
            return None  # Bars.read will say what is wrong with the file
        if stated:
            return stated
    word = re.split(r"[_ .]", path.stem)[0].upper()
    return word if word in builtin_symbols() else None


__all__ = ["instrument_for", "read_bars_for"]
