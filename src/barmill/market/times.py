"""Instants as people read and write them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InputError

_EPOCH = datetime(1970, 1, 1)
PLAUSIBLE_MS = (0, 4_102_444_800_000)  # 1970-01-01 to 2100-01-01


def utc_text(time_ms: int) -> str:
    """`2023-03-14 14:30 UTC`; seconds and milliseconds only where there are any."""
    if not -62_135_596_800_000 <= time_ms < 253_402_300_800_000:
        return f"{time_ms} ms, beyond the calendar"
    moment = _EPOCH + timedelta(milliseconds=int(time_ms))
    clock = "%Y-%m-%d %H:%M" if time_ms % 60_000 == 0 else "%Y-%m-%d %H:%M:%S"
    millis = f".{time_ms % 1000:03d}" if time_ms % 1000 else ""
    return f"{moment.strftime(clock)}{millis} UTC"


def time_ms(text: str) -> int:
    """The instant that "2023-03-14T14:30" names, ms UTC; a time without a zone is UTC. Raises InputError if it names none."""
    try:
        moment = datetime.fromisoformat(text.strip().removesuffix("UTC").strip())
    except ValueError as error:
        raise InputError("time", f"is '{text}'", expected="a row, or a time such as 2023-03-14T14:30, UTC") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def row_at(close_time: npt.NDArray[np.int64], when: str | int) -> int:
    """The row that `when` names, or the last bar that has closed by that time.

    Parameters
    ----------
    close_time : int64 array of shape (n_bars,), ms UTC, ascending
    when : a row (negative counts from the end), or a time such as "2023-03-14T14:30"

    Raises: DataError if there is no such bar; InputError for what is neither.
    """
    n_bars = close_time.size
    if isinstance(when, int) or when.strip().lstrip("-").isdigit():
        row = int(when)
        if not -n_bars <= row < n_bars:
            raise DataError(f"row {row}", f"there are {n_bars:,} bars", expected=f"0 to {n_bars - 1}")
        return row % n_bars
    row = int(np.searchsorted(close_time, time_ms(when), side="right")) - 1
    if row < 0:
        raise DataError(when, "no bar has closed by then", mend="Give a time after the close of the first bar.")
    return row
