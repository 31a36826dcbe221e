"""Which bar may follow another in a stream: numbers that are a bar, in time order, on the grid of the first one."""

import math

from barmill.errors import DataError
from barmill.market import Timeframe
from barmill.market.times import PLAUSIBLE_MS

_AGAIN = "Send the bar again as it closed."


class BarOrder:
    """The order of bars of one timeframe."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe, self._step = timeframe, timeframe.ms
        # Daily bars may open at the hour of a session, which moves with the clocks; others lie on the grid of the first one.
        self._on_grid = timeframe.minutes < 1440

    def check(self, last: int | None, open_time: int, open_: float, high: float, low: float, close: float, volume: float) -> None:
        """Raise DataError unless this bar may follow the one that opened at `last`, None for the first."""
        finite = math.isfinite(open_) and math.isfinite(high) and math.isfinite(low) and math.isfinite(close) and math.isfinite(volume)
        if not (finite and 0 < low <= open_ <= high and low <= close <= high and volume >= 0):
            raise _no_bar(open_time, open_, high, low, close, volume)
        if not PLAUSIBLE_MS[0] <= open_time < PLAUSIBLE_MS[1]:
            found, expected = "lies outside 1970 to 2100", "the open time in UTC milliseconds"
            raise DataError(f"bar {open_time}", found, expected=expected, mend="Send it in that unit.")
        if last is None:
            return
        if self._on_grid and (open_time - last) % self._step:
            expected = f"steps of {self._step} ms ({self._timeframe}) from the bars before, the last at {last}"
            mend = "Send bars of one timeframe, with their open times."
            raise DataError(f"bar {open_time}", "is off the grid", expected=expected, mend=mend)
        if open_time <= last:
            found = "was sent before" if open_time == last else f"is older than the last bar, {last}"
            raise DataError(f"bar {open_time}", found, mend="Send each closed bar once, in time order.")


def _no_bar(open_time: int, open_: float, high: float, low: float, close: float, volume: float) -> DataError:
    """Why these numbers are no bar."""
    place, shown = f"bar {open_time}", f"open {open_}, high {high}, low {low}, close {close}, volume {volume}"
    if not all(map(math.isfinite, (open_, high, low, close, volume))):
        return DataError(place, f"{shown} is not all finite", expected="five finite numbers", mend=_AGAIN)
    prices = (open_, high, low, close)
    if min(prices) <= 0 or high < max(prices) or low > min(prices):
        return DataError(place, shown, expected="0 < low <= open, close <= high", mend=_AGAIN)
    return DataError(place, f"volume {volume}", expected="0 or more", mend=_AGAIN)


__all__ = ["BarOrder"]
