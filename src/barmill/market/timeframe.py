"""The length of a bar."""

import re
from dataclasses import dataclass
from typing import Self

from barmill.errors import InstrumentError

MINUTE_MS = 60_000
_UNITS = {"m": 1, "min": 1, "t": 1, "h": 60, "d": 1440, "w": 10_080}
_EXPECTED = "a number and a unit, such as 1m, 5m, 1h or 1d"


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """A bar length in whole minutes; `60m` and `1h` are the same value, printed as `1h`.

    Parameters
    ----------
    minutes : int, at least 1

    Examples
    --------
    >>> Timeframe.parse("60m")
    Timeframe.parse('1h')
    >>> Timeframe.parse("5m") < Timeframe.parse("1h")
    True
    """

    minutes: int

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise InstrumentError("timeframe", f"{self.minutes} minutes", expected="at least 1")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The timeframe that `text` names. Raises InstrumentError."""
        place = f"timeframe '{text}'"
        match = re.fullmatch(r"\s*(\d{1,6})\s*([A-Za-z]+)\s*", text)
        if match is None:
            raise InstrumentError(place, "this names no timeframe", expected=_EXPECTED)
        count, unit = int(match[1]), match[2]
        if unit == "M" or unit.lower() in ("mo", "mon", "month", "months", "y"):
            raise InstrumentError(place, "months and years have no fixed length", expected=_EXPECTED)
        if unit.lower() in ("s", "sec", "ms"):
            raise InstrumentError(place, "bars shorter than a minute are not supported", expected="at least 1m")
        if unit.lower() not in _UNITS:
            raise InstrumentError(place, f"there is no unit '{unit}'", expected=_EXPECTED)
        if count == 0:
            raise InstrumentError(place, "a bar of no length", expected="at least 1m")
        return cls(count * _UNITS[unit.lower()])

    @classmethod
    def of_ms(cls, step_ms: int) -> Self:
        """The timeframe of bars `step_ms` milliseconds apart. Raises InstrumentError unless whole minutes."""
        if step_ms <= 0 or step_ms % MINUTE_MS:
            raise InstrumentError("timeframe", f"bars {step_ms / 1000:g} s apart", expected="a whole number of minutes")
        return cls(step_ms // MINUTE_MS)

    @property
    def ms(self) -> int:
        """Length in milliseconds."""
        return self.minutes * MINUTE_MS

    def __str__(self) -> str:
        if self.minutes % 1440 == 0:
            return f"{self.minutes // 1440}d"
        return f"{self.minutes // 60}h" if self.minutes % 60 == 0 else f"{self.minutes}m"

    def __repr__(self) -> str:
        return f"Timeframe.parse('{self}')"
