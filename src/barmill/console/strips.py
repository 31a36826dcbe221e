"""Little pictures inside a line of text: a value, its interval and a reference, on a scale shared by all models."""

from collections.abc import Sequence
from dataclasses import dataclass

MARGIN = 0.06  # of the scale, on both sides, so that no mark touches an end


@dataclass(frozen=True, slots=True)
class Scale:
    """A stretch of values that a strip shows from its left to its right end."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float | None]) -> "Scale | None":
        """The scale that holds `values`; None if there are no two different finite ones."""
        known = [value for value in values if value is not None and abs(value) < float("inf")]
        if not known or min(known) == max(known):
            return None
        room = (max(known) - min(known)) * MARGIN
        return cls(min(known) - room, max(known) + room)

    def place(self, value: float) -> float:
        """Where `value` lies, in percent from the left, kept within the ends."""
        return round(min(100.0, max(0.0, 100.0 * (value - self.low) / (self.high - self.low))), 2)


@dataclass(frozen=True, slots=True)
class Strip:
    """Places in percent from the left. `said` is what a screen reader says."""

    band_left: float
    band_width: float
    dot: float
    reference: float
    said: str


def strip(
    scale: Scale | None, interval: tuple[float | None, float | None], value: float | None, reference: float, said: str
) -> Strip | None:
    """A strip, or None where any of its figures is unknown or infinite."""
    low, high = interval
    if scale is None or low is None or high is None or value is None:
        return None
    left = scale.place(low)
    return Strip(left, round(scale.place(high) - left, 2), scale.place(value), scale.place(reference), said)
