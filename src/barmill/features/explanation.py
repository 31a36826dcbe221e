"""The explanation of one value of a feature, as values: what `explaining` finds and the command line prints."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barmill.artefacts import without_nan
from barmill.features.arithmetic import Written
from barmill.features.spec import Feature
from barmill.market import Timeframe

_ONE_NUMBER = re.compile(
    r"(bars|values) seen|last( \w+){1,3}|(fast|slow|signal) mean|mean( \w+){0,2}|(mean|sums?|number) of .+"
    r"|on-balance volume|-?.?(DM|TR)|high|low|close|sign"
)


@dataclass(frozen=True, slots=True)
class ShownBar:
    """One bar of the feature's own timeframe.

    open_time, close_time : ms UTC
    columns : what the feature reads of it
    arguments : what each argument was at its close
    influence : how much the value changes when `Explanation.moved` of this bar moves
    """

    open_time: int
    close_time: int
    columns: Mapping[str, float]
    arguments: Mapping[str, float]
    influence: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a feature has the value that it has.

    Parameters
    ----------
    feature : Feature
    row, open_time, known_at : the base bar at whose close the value is known; ms UTC
    timeframe : of the bars that it is computed from
    value : NaN while it waits
    waiting : why it has no value yet; empty where it has one
    bars : the bars shown, oldest first, all closed by `known_at`
    n_bars : how many bars of the timeframe there were
    running : what the kernel remembers after the last bar, and its other outputs, by name
    written : the arithmetic with its numbers; None where there is no way of writing it
    recomputed : the value from the bars shown alone
    weight_before : for recursions, about how much weight lies on the bars before those shown; None where there is none
    bars_needed : how many of the last bars give the value to the bit; None where it has no value
    moved : what the influence of a bar is of, such as "close by 0.01"
    """

    feature: Feature
    row: int
    open_time: int
    known_at: int
    timeframe: Timeframe
    value: float
    waiting: str
    bars: tuple[ShownBar, ...]
    n_bars: int
    running: Mapping[str, float]
    written: Written | None
    recomputed: float
    weight_before: float | None
    bars_needed: int | None
    moved: str

    @property
    def same_bits(self) -> bool:
        """Whether the bars shown alone give the value to the bit."""
        return self.recomputed == self.value

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes null."""
        spec, last = self.feature.spec, self.bars[-1] if self.bars else None
        head = {
            "feature": self.feature.name,
            "formula": spec.formula,
            "params": self.feature.params.model_dump(),
            "unit": spec.unit,
            "version": spec.version,
            "source": spec.source,
            "timeframe": str(self.timeframe),
        }
        where = {"row": self.row, "open_time": self.open_time, "known_at": self.known_at, "value": self.value, "waiting": self.waiting}
        written = self.written and {"formula": self.written.formula, "terms": dict(self.written.terms), "filled": self.written.filled}
        made = {
            "arguments": dict(last.arguments) if last else {},
            "running": dict(self.running),
            "arithmetic": written,
            "recomputed_from_shown": self.recomputed,
            "same_bits": self.same_bits,
            "weight_before": self.weight_before,
            "bars_needed": self.bars_needed,
            "bars_of_timeframe": self.n_bars,
            "influence_of": self.moved,
        }
        names = ("open_time", "close_time", "columns", "arguments", "influence")
        return without_nan({**head, **where, **made, "bars": [{name: getattr(bar, name) for name in names} for bar in self.bars]})


def running_names(docstring: str) -> list[tuple[int, str]]:
    """The cells of a kernel's state that hold one number each, as its docstring lists them after `state:`, up to the first
    that is a ring or that is described in other words.

    Returns
    -------
    list of (cell, name), without those that are of no meaning outside the kernel
    """
    _, found, text = docstring.partition("state: ")
    if not found:
        return []
    plain = re.split(r"[.;]", re.sub(r" \([^)]*\)", "", " ".join(text.split())))[0]
    names: list[tuple[int, str]] = []
    for cell, name in enumerate(word.strip() for word in plain.split(",")):
        if name in ("-", "place"):
            continue
        if not _ONE_NUMBER.fullmatch(name):
            break
        names.append((cell, name))
    return names


__all__ = ["Explanation", "ShownBar", "running_names"]
