"""Labels as a value: what became of each decision, and how they are seen by a classifier."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError, ShapeError

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]

BARRIERS = ("stop", "time", "profit")  # what the codes of `Labels.barrier` number
CLASS_NAMES: Mapping[int, tuple[str, ...]] = {2: ("not up", "up"), 3: ("down", "neither", "up")}


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Outcomes of decisions, each known and in the order of t0; arrays of shape (n_labels,).

    Parameters
    ----------
    t0 : int64, position of the bar at whose close the decision fell; the entry is the open of bar t0 + 1
    t1 : int64, position of the bar of the exit, at whose close the outcome is known. A label spans t0 .. t1, both included,
        for purging and for uniqueness: what the decision saw at t0 is part of it
    side : int8, +1 long, -1 short
    label : int8, +1 profit, -1 stop, 0 time; at a fixed horizon the sign of the net return
    barrier : int8, number in BARRIERS of what ended the trade
    entry_price, exit_price, atr, cost : float64, price units; cost is of the whole round trip; atr is NaN where a fixed
        horizon did without
    gross_return, net_return : float64, simple returns from entry to exit
    weight : float64, average uniqueness, scaled to mean 1 over these labels
    n_bars : int, number of bars from which they were made
    excluded : reason to number of decisions that were set aside
    """

    t0: Int64Array
    t1: Int64Array
    side: Int8Array
    label: Int8Array
    barrier: Int8Array
    entry_price: Float64Array
    exit_price: Float64Array
    atr: Float64Array
    cost: Float64Array
    gross_return: Float64Array
    net_return: Float64Array
    weight: Float64Array
    n_bars: int
    excluded: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        for name, dtype in _COLUMNS.items():
            array = getattr(self, name)
            if array.shape != self.t0.shape or array.dtype != dtype:
                found = f"an array of shape {array.shape} and type {array.dtype}"
                raise ShapeError(f"Labels.{name}", found, expected=f"{dtype} of shape {self.t0.shape}")

    def __len__(self) -> int:
        return len(self.t0)

    def shuffled(self, seed: int) -> "Labels":
        """These labels with their outcomes dealt out anew: `label`, `barrier` and both returns of a trade go to another decision.

        When and where trades begin and end stays, so that purging, weights and prices are those of the real labels. Nothing known
        at a decision says anything of the outcome that it was dealt: a model of these labels that does better than chance has
        them from elsewhere.
        """
        dealt = np.random.default_rng(seed).permutation(len(self))
        return replace(self, **{name: getattr(self, name)[dealt] for name in ("label", "barrier", "gross_return", "net_return")})

    @property
    def net_log_return(self) -> Float64Array:
        """ln(1 + net_return), float64 of shape (n_labels,). Raises LabelError where a trade lost all it had."""
        if len(self) and self.net_return.min() <= -1:
            at = int(np.argmin(self.net_return))
            raise LabelError(
                f"label {at} (bar {self.t0[at]})",
                f"a net return of {self.net_return[at]:.4g}, the whole stake or more, which has no logarithm",
                mend="Use a stop (triple_barrier) or a shorter horizon.",
            )
        return np.log1p(self.net_return)

    def classes(self, n_classes: int) -> Int8Array:
        """Class index of each label, int8 of shape (n_labels,).

        Two classes: 1 for a profit touch, or a time exit with a positive net return; else 0. Three: 0 stop, 1 time, 2 profit
        (at a fixed horizon by the sign of the net return).
        """
        if n_classes == 2:
            return ((self.label == 1) | ((self.label == 0) & (self.net_return > 0))).astype(np.int8)
        if n_classes == 3:
            return (self.label + 1).astype(np.int8)
        raise LabelError("n_classes", f"{n_classes}", expected="2 or 3")

    def take(self, positions: npt.ArrayLike) -> "Labels":
        """The labels numbered `positions`; their weights are scaled to mean 1 again, `excluded` stays that of the whole."""
        chosen: dict[str, Any] = {name: getattr(self, name)[positions] for name in _COLUMNS}
        if chosen["weight"].size:
            chosen["weight"] = chosen["weight"] / chosen["weight"].mean()
        return Labels(**chosen, n_bars=self.n_bars, excluded=self.excluded)

    def to_columns(self) -> dict[str, npt.NDArray[Any]]:
        """Name to array, in a fixed order: what a stage writes; `from_columns` reads it back."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @classmethod
    def from_columns(cls, columns: Mapping[str, npt.NDArray[Any]], n_bars: int, excluded: Mapping[str, int]) -> "Labels":
        """The labels that `to_columns` gave. Raises ShapeError naming a missing or unknown column."""
        differing = sorted(set(_COLUMNS) ^ set(columns))
        if differing:
            raise ShapeError("Labels", f"columns that are missing or unknown: {', '.join(differing)}", expected=", ".join(_COLUMNS))
        return cls(**columns, n_bars=n_bars, excluded=dict(excluded))


_COLUMNS: Mapping[str, np.dtype[Any]] = {
    item.name: np.dtype(np.int64 if item.name in ("t0", "t1") else np.int8 if item.name in ("side", "label", "barrier") else np.float64)
    for item in fields(Labels)
    if item.name not in ("n_bars", "excluded")
}


def check_classes(y: npt.NDArray[np.int8], n_classes: int, place: str) -> None:
    """Raise LabelError, naming `place`, unless every class has at least one row.

    A classifier that never saw a class has nothing to say of it, and a block without one cannot be judged.
    """
    names = CLASS_NAMES[n_classes]
    counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=n_classes)
    missing = [names[number] for number in range(n_classes) if counts[number] == 0]
    if not missing:
        return
    told = ", ".join(f"{count} {name}" for name, count in zip(names, counts.tolist(), strict=True))
    raise LabelError(
        place,
        f"{y.size} labels, of which {told}",
        expected=f"at least one of each class ({', '.join(names)})",
        mend="Give more bars, or change labels.k_up, labels.k_down, labels.horizon or labels.classes so that every outcome happens.",
    )
