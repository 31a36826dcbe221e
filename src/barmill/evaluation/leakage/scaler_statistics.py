"""A scaler's own numbers against those of the rows that it may have seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from barmill.errors import InputError, ShapeError
from barmill.evaluation.leakage.dossier import Float64Array

RTOL = 1e-6  # sums in another order, and float32
NEARER = 0.1
"""A number that is neither that of training nor that of all rows has seen test rows if it is ten times as near to all rows."""

_STATISTICS: dict[str, Callable[[Float64Array], Float64Array]] = {
    "mean_": lambda X: np.nanmean(X, axis=0),
    "var_": lambda X: np.nanvar(X, axis=0),
    "center_": lambda X: np.nanmedian(X, axis=0),
    "center": lambda X: np.nanmedian(X, axis=0),
    "data_min_": lambda X: np.nanmin(X, axis=0),
    "data_max_": lambda X: np.nanmax(X, axis=0),
    "max_abs_": lambda X: np.nanmax(np.abs(X), axis=0),
}
_WORDS = {"mean_": "mean", "var_": "variance", "center_": "median", "center": "median", "data_min_": "minimum"} | {
    "data_max_": "maximum",
    "max_abs_": "largest size",
}


@dataclass(frozen=True, slots=True)
class ScalerMismatch:
    """A number of a scaler that is not that of the training rows.

    column : place of the column; statistic : in words
    held, of_train, of_all : what the scaler holds, and what the training rows and all rows have
    has_seen_test : whether the test rows explain the difference
    """

    column: int
    statistic: str
    held: float
    of_train: float
    of_all: float
    has_seen_test: bool

    @property
    def words(self) -> str:
        """What it means."""
        if self.has_seen_test:
            return (
                f"that of the training rows is {self.of_train:.6g}, that of training and test {self.of_all:.6g}: the scaler has seen test"
            )
        return f"training rows have {self.of_train:.6g}: the scaler was fitted on other rows"


def compare_scaler(scaler: object, train: Float64Array, test: Float64Array) -> list[ScalerMismatch]:
    """The numbers of `scaler` that are not those of `train`, worst first; the blocks may be scaled already.

    Raises: InputError for a scaler without numbers that are known; ShapeError where its columns differ.
    """
    held = {name: np.asarray(value, dtype=np.float64) for name in _STATISTICS if (value := getattr(scaler, name, None)) is not None}
    if not held:
        expected = "a fitted StandardScaler, RobustScaler, MinMaxScaler or MaxAbsScaler, or one with such attributes"
        raise InputError("scaler", f"{type(scaler).__name__} has no numbers to look at", expected=expected)
    for name, values in held.items():
        if values.shape != (train.shape[1],):
            raise ShapeError(f"scaler.{name}", f"has shape {values.shape}", expected=f"({train.shape[1]},), as the columns")
    as_given = _mismatches(held, train, test)
    undone = _undone(scaler, train), _undone(scaler, test)
    if undone[0] is None or undone[1] is None:
        return as_given
    before = _mismatches(held, undone[0], undone[1])
    # the blocks are what was scaled, or what came of it: the reading that fits better is the right one
    return min((as_given, before), key=lambda found: (len(found), sum(not one.has_seen_test for one in found)))


def _mismatches(held: dict[str, Float64Array], train: Float64Array, test: Float64Array) -> list[ScalerMismatch]:
    every = np.vstack([train, test])
    spread = np.nanstd(every, axis=0)
    found: list[ScalerMismatch] = []
    for name, values in held.items():
        own, whole = _STATISTICS[name](train), _STATISTICS[name](every)
        unit = spread**2 if name == "var_" else spread
        allowed = RTOL * np.maximum(np.abs(own), unit) + 1e-15
        for k in np.flatnonzero(~(np.abs(values - own) <= allowed)).tolist():
            to_whole, to_own = abs(float(values[k] - whole[k])), abs(float(values[k] - own[k]))
            seen = to_whole <= float(allowed[k]) or to_whole < NEARER * to_own
            found.append(ScalerMismatch(k, _WORDS[name], float(values[k]), float(own[k]), float(whole[k]), seen))
    return sorted(found, key=lambda one: (not one.has_seen_test, one.column))


def _undone(scaler: object, values: Float64Array) -> Float64Array | None:
    """The values before scaling, if the scaler can tell."""
    inverse = getattr(scaler, "inverse_transform", None)
    return None if inverse is None else np.asarray(inverse(values), dtype=np.float64)


__all__ = ["ScalerMismatch", "compare_scaler"]
