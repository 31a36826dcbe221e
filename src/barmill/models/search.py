"""Where a tuner looks for a parameter: declared beside the parameter's own range, which is wider."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Search:
    """Values that a tuner tries, as the annotation of a parameter: `Annotated[int, Search(8, 256, log=True)]`.

    low, high : ends of the range, both tried; integers for a parameter that is one
    log : bool, the logarithm is spread evenly, so that 0.001 to 0.01 gets as many trials as 0.1 to 1
    step : distance between the values tried, counted from `low`; None for every value
    choices : tuple, the values themselves, instead of a range
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    def __str__(self) -> str:
        if self.choices:
            return ", ".join("none" if choice is None else str(choice) for choice in self.choices)
        how = ", log" if self.log else f" by {self.step:g}" if self.step is not None else ""
        return f"{self.low:g} to {self.high:g}{how}"
