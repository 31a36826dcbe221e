"""The explanation of one label, as values: what `explaining` finds and the command line prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barmill.artefacts import without_nan
from barmill.labels.config import LabelConfig


@dataclass(frozen=True, slots=True)
class Step:
    """One line of arithmetic.

    name : what is computed
    formula : in letters
    filled : the same with its numbers, in Python's words: evaluated in float64 it gives `value`, to the last digit
    """

    name: str
    formula: str
    filled: str
    value: float


@dataclass(frozen=True, slots=True)
class TestedBar:
    """A bar between the decision and the exit, and what the rule said of it; `open_time` in ms UTC."""

    row: int
    open_time: int
    open: float
    high: float
    low: float
    close: float
    tested: str


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """What became of the decision.

    label : +1 profit, -1 stop, 0 time; at a fixed horizon the sign of the net return
    barrier : "profit", "stop" or "time"
    exit_row, exit_time : the bar of the exit, at whose close the outcome is known; ms UTC of its open
    class_name : what a classifier learns
    """

    label: int
    barrier: str
    exit_row: int
    exit_time: int
    exit_price: float
    gross_return: float
    net_return: float
    class_name: str


@dataclass(frozen=True, slots=True)
class LabelWeight:
    """How much the label counts in a fit: its uniqueness over the mean of all labels of these bars.

    alive : number of labels alive at each of its bars, from the decision to the exit, both included
    uniqueness : the mean of 1/alive
    """

    alive: tuple[int, ...]
    uniqueness: float
    mean_uniqueness: float
    weight: float
    n_labels: int


@dataclass(frozen=True, slots=True)
class LabelExplanation:
    """Why a decision has the label that it has, or has none.

    Parameters
    ----------
    symbol, config : what was traded, and the parameters of the label
    row, open_time, decided_at : the bar at whose close the decision fell; ms UTC
    why_not : why there is no label; empty where there is one
    entry_row, entry_time, entry_price : the next bar, at whose open the trade begins; None without one
    steps : the arithmetic up to the levels, then that of the returns
    bars : those after the decision until the exit, or until the data end
    outcome : None where there is no label
    as_made : whether `make_labels`, its rule and its functions, gives the same exit, prices and returns, to the last digit
    weight : None where it was not asked for or there is no label
    """

    symbol: str
    config: LabelConfig
    row: int
    open_time: int
    decided_at: int
    why_not: str
    entry_row: int | None
    entry_time: int | None
    entry_price: float | None
    steps: tuple[Step, ...]
    bars: tuple[TestedBar, ...]
    outcome: LabelOutcome | None
    as_made: bool
    weight: LabelWeight | None

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes null."""
        entry = None if self.entry_row is None else {"row": self.entry_row, "open_time": self.entry_time, "price": self.entry_price}
        return without_nan(
            {
                "symbol": self.symbol,
                "config": self.config.model_dump(mode="json"),
                "decision": {"row": self.row, "open_time": self.open_time, "decided_at": self.decided_at},
                "why_not": self.why_not,
                "entry": entry,
                "arithmetic": [_plain(step) for step in self.steps],
                "bars": [_plain(bar) for bar in self.bars],
                "outcome": None if self.outcome is None else _plain(self.outcome),
                "as_made": self.as_made,
                "weight": None if self.weight is None else _plain(self.weight),
            }
        )


def _plain(value: Step | TestedBar | LabelOutcome | LabelWeight) -> Mapping[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


__all__ = ["LabelExplanation", "LabelOutcome", "LabelWeight", "Step", "TestedBar"]
