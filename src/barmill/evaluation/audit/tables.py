"""What can be audited: whatever makes a table of features from bars, a row per bar."""

import inspect
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from barmill.features import Feature, FeaturePlan
    from barmill.market import Bars


@dataclass(frozen=True, slots=True)
class MadeTable:
    """A table of features.

    names : tuple of str, no two alike
    values : float64 or float32 array of shape (n_rows, n_features); n_rows should be that of the bars, and is checked
    """

    names: tuple[str, ...]
    values: npt.NDArray[Any]


class FeatureMaker(Protocol):
    """Makes features from bars: a plan of Barmill's, a function or a program of somebody's.

    target : what messages call it
    exact : whether bits are compared, rather than numbers within a tolerance
    costly_start : whether each call costs much however few bars there are; it is then called less often
    """

    target: str
    exact: bool
    costly_start: bool

    def make(self, bars: "Bars") -> MadeTable:
        """The table of `bars`. Raises DataError if it cannot be made."""
        ...

    def source_of(self, feature: str) -> str:
        """File and line of what computes a column, or nothing."""
        ...


class PlanTable:
    """The features of a plan; its bits are compared, since its law is that a cut changes none.

    Parameters
    ----------
    plan : FeaturePlan, fitted where it has features that learn
    target : what messages call it
    """

    exact = True
    costly_start = False

    def __init__(self, plan: "FeaturePlan", target: str = "feature plan") -> None:
        self.plan = plan
        self.target = target

    def make(self, bars: "Bars") -> MadeTable:
        """See FeatureMaker. Raises SchemaError and DataError as `FeaturePlan.compute`."""
        table = self.plan.compute(bars)
        return MadeTable(table.names, table.values)

    def source_of(self, feature: str) -> str:
        """The kernel's file and first line, such as `barmill/features/kernels/wilder.py:17`."""
        return kernel_source(self.plan.features[self.plan.names.index(feature)])


def kernel_source(feature: "Feature") -> str:
    """File and first line of the kernel that computes a feature."""
    function = feature.spec.kernel.function
    file, line = inspect.getsourcefile(function), inspect.getsourcelines(function)[1]
    parts = Path(file or "").parts
    shown = Path(*parts[parts.index("barmill") :]) if "barmill" in parts else Path(file or "")
    return f"{shown.as_posix()}:{line}"


def unlike(names: Sequence[str]) -> str | None:
    """The first name that stands twice, or None."""
    return next((name for i, name in enumerate(names) if name in names[:i]), None)


def as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A column of any kind as floats: float32 stays, texts become a number each that does not depend on the others."""
    if values.dtype.kind == "f":
        return values if values.dtype.itemsize == 4 else values.astype(np.float64)
    if values.dtype.kind in "iub":
        return values.astype(np.float64)
    if values.dtype.kind in "mM":
        numbers = values.astype(np.int64).astype(np.float64)
        return np.where(np.isnat(values), np.nan, numbers)
    return np.array([_as_number(value) for value in values.tolist()], dtype=np.float64)


def _as_number(value: object) -> float:
    if value is None or str(value) in ("<NA>", "NaT"):
        return float("nan")
    if isinstance(value, int | float):
        return float(value)
    return float(zlib.crc32(str(value).encode()))


__all__ = ["FeatureMaker", "MadeTable", "PlanTable", "as_numbers", "kernel_source", "unlike"]
