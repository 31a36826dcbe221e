"""One series of bars that lies in several files: put together in the order given, and checked as one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from barmill.errors import DataError
from barmill.market.bars import Bars
from barmill.market.instrument import Instrument
from barmill.market.timeframe import Timeframe
from barmill.market.times import utc_text


def read_in_order(
    paths: Sequence[Path | str], symbol: str | None = None, instrument: Instrument | None = None, timeframe: Timeframe | str | None = None
) -> Bars:
    """The bars of all `paths`, each file later than the one before it; other parameters as of `Bars.read`.

    What the checks find is found in the whole: a hole between two files is told as any other. `notes` say which file holds what.

    Raises
    ------
    DataError naming the file that begins before the one before it ends, or that holds another instrument, timeframe or columns.
    """
    if not paths:
        raise DataError("bars", "no file is named", mend="Name one or more.")
    whole, before, notes = None, "", list[str]()
    for path in paths:
        part = Bars.read(path, symbol, instrument, timeframe)
        notes += [f"{Path(path).name}: {note}" for note in (f"{len(part):,} bars of {part.timeframe}", *part.notes)]
        whole = part if whole is None else _appended(whole, part, str(path), before)
        before = str(path)
    assert whole is not None
    return replace(whole.checked(" and ".join(str(path) for path in paths)), notes=tuple(notes))


def _appended(whole: Bars, part: Bars, place: str, before: str) -> Bars:
    first, last = int(part.open_time[0]), int(whole.open_time[-1])
    if first <= last:
        found = f"begins at {utc_text(first)}, not after the end of {before} at {utc_text(last)}"
        raise DataError(place, found, mend="Name the files in the order of time, and let none overlap.")
    try:
        return whole.append(part)
    except DataError as error:
        raise DataError(place, f"{error.found}, after {before}", expected=error.expected, mend=error.mend) from error


__all__ = ["read_in_order"]
