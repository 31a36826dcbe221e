"""How long purge and embargo are where nobody says: shares of the sample by how often a bar comes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from barmill.errors import SplitError, nearest
from barmill.splits.ranges import Int64Array

if TYPE_CHECKING:
    from barmill.market import Timeframe

FrequencyKind = Literal["daily", "hourly", "minute", "tick"]

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_ROUNDING = 1e-9  # 0.29 of 100 is 29, not 28


@dataclass(frozen=True, slots=True)
class FrequencyDefaults:
    """The usual purge and embargo at one frequency, as shares of the sample.

    kind : "daily", "hourly", "minute" or "tick"
    low, high : float, the range in use
    embargo, purge : float, the middle of it, which is what "auto" takes
    """

    kind: FrequencyKind
    low: float
    high: float

    @property
    def embargo(self) -> float:
        return (self.low + self.high) / 2

    @property
    def purge(self) -> float:
        return (self.low + self.high) / 2


_TABLE: dict[FrequencyKind, FrequencyDefaults] = {
    "daily": FrequencyDefaults("daily", 0.01, 0.02),
    "hourly": FrequencyDefaults("hourly", 0.005, 0.01),
    "minute": FrequencyDefaults("minute", 0.001, 0.005),
    "tick": FrequencyDefaults("tick", 0.0001, 0.001),
}


def frequency_defaults(frequency: "Timeframe | FrequencyKind") -> FrequencyDefaults:
    """The shares for a timeframe, or for a kind by its name.

    Bars of a day and longer are daily, of an hour and longer hourly, of a minute and longer minute; anything shorter is tick.
    Raises: SplitError for a kind that is not there.
    """
    if isinstance(frequency, str):
        if frequency not in _TABLE:
            raise SplitError("frequency", f"there is no frequency '{frequency}'", mend=nearest(frequency, _TABLE))
        return _TABLE[frequency]
    return _of_step(frequency.ms)


def share_of(share: float, n: int) -> int:
    """A share of the sample in base bars: floor(share * n)."""
    return int(share * n + _ROUNDING)


def auto_bars(which: Literal["purge", "embargo"], n: int, times: Int64Array | None) -> int:
    """What "auto" means for `n` labels at `times` (ms, ascending): the share for their median distance. SplitError without times."""
    if times is None or times.size < 2:
        raise SplitError(
            which, "'auto' without the times of the rows", expected="times, which say how often a bar comes", mend="Give times=, or bars."
        )
    return share_of(getattr(_of_step(float(np.median(np.diff(times)))), which), n)


def _of_step(step_ms: float) -> FrequencyDefaults:
    if step_ms >= _DAY_MS:
        return _TABLE["daily"]
    if step_ms >= _HOUR_MS:
        return _TABLE["hourly"]
    return _TABLE["minute"] if step_ms >= _MINUTE_MS else _TABLE["tick"]


__all__ = ["FrequencyDefaults", "frequency_defaults"]
