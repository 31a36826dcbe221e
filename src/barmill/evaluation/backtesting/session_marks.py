"""Where sessions end, as the calendar knows it beforehand, for accounts that hold nothing over their end."""

import numpy as np
import numpy.typing as npt

from barmill.evaluation.backtesting.account_kernel import CLOSE_OUT, FIRST_OF_SESSION, NO_ENTRY
from barmill.market.bars import Bars

UInt8Array = npt.NDArray[np.uint8]
MINUTE_MS = 60_000


def session_marks(bars: Bars, minutes_before: int) -> UInt8Array:
    """uint8 (n_bars,), a sum of marks.

    The first bar of a session that closes `minutes_before` its end, or later, closes the position out at its close; from then on nothing
    is entered. If those bars are missing, what is still held is left at the first open of the next session, and an order that
    was not filled by then is dropped.
    """
    starts, ends = bars.calendar.session_bounds(bars.open_time)
    late = bars.close_time >= ends - minutes_before * MINUTE_MS
    new = np.diff(starts, prepend=starts[:1] - 1) != 0
    first_late = late & (new | ~np.concatenate([[False], late[:-1]]))
    marks = np.zeros(len(bars), dtype=np.uint8)
    marks[late] |= NO_ENTRY
    marks[first_late] |= CLOSE_OUT
    marks[new] |= FIRST_OF_SESSION
    return marks


__all__ = ["session_marks"]
