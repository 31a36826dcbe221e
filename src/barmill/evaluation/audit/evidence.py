"""Comparing a table of features with one made of fewer bars or of another future, and keeping what tells leaks apart."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation.audit.cuts import LATE

if TYPE_CHECKING:
    from barmill.market import Bars

Values = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]

ROWS_AT_ONCE = 65_536  # two tables of a million rows are held; masks of them are not
LOOKED_AT = 4_096  # rows that are looked at to tell what a leak is
_EARLY = 1 / 4  # a late cut that changes a value in the first quarter of a sample changes it from afar


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When two values are the same: the same bits where rtol is 0, else within rtol of the larger or of the column's usual size.

    floor : float64 (n_features,), rtol times the size that 9 of 10 values of a column keep below
    """

    rtol: float
    floor: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rtol: float, values: Values) -> "Tolerance":
        """For a table of `values` (n_rows, n_features)."""
        sizes = np.abs(values[:: max(1, len(values) // LOOKED_AT)].astype(np.float64))
        sizes[~np.isfinite(sizes)] = 0.0
        return cls(rtol, rtol * np.quantile(sizes, 0.9, axis=0) if len(sizes) else np.zeros(values.shape[1]))

    def differ(self, ours: Values, theirs: Values, columns: Any = slice(None)) -> BoolArray:
        """Where two arrays (n, n_features) differ; NaN is the same as NaN. columns : which of the features they are."""
        other = ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
        if self.rtol and other.any():
            with np.errstate(invalid="ignore"):
                near = self.rtol * np.maximum(np.abs(ours), np.abs(theirs)) + self.floor[columns]
                other &= ~((np.abs(ours - theirs) <= near) & np.isfinite(near))
        return other


@dataclass(frozen=True, slots=True)
class Shape:
    """How a feature's values before a cut differ from those of the whole sample.

    n_changed : rows
    unbroken : whether they are the last rows before the cut
    missing : whether there is no value without the future
    constant : whether the whole has one value on all of them
    fading : whether the difference dies away going back from the cut
    affine : whether one is the other times a factor plus a constant
    n_levels : distinct values of the whole, up to 65
    """

    n_changed: int
    unbroken: bool
    missing: bool
    constant: bool
    fading: bool
    affine: bool
    n_levels: int


@dataclass(slots=True)
class Trace:
    """What a sample tells of one feature that changed.

    first_row, first_cut : the earliest value that changed, and on how many bars it was another one
    with_future, without_future : that value
    reach_row, reach_cut : where it was seen to reach furthest: value `reach_row` was not final given `reach_cut` bars
    shape : of the change at that cut
    pairs : for each cut that changed it, the cut and the first row that changed
    from_afar : whether a late cut changed values of the sample's first quarter
    n_truncated, n_altered : cuts, and other futures, that changed it
    """

    first_row: int
    first_cut: int
    with_future: float
    without_future: float
    reach_row: int
    reach_cut: int
    shape: Shape
    pairs: list[tuple[int, int]]
    from_afar: bool = False
    n_truncated: int = 0
    n_altered: int = 0

    @property
    def reach(self) -> int:
        """Bars ahead that it is known to need."""
        return self.reach_cut - self.reach_row


@dataclass(slots=True)
class Sample:
    """Consecutive bars with the table made of them, and what was learnt there.

    start : row of its first bar in the bars audited
    """

    start: int
    bars: "Bars"
    values: Values
    tolerance: Tolerance
    traces: dict[int, Trace]

    def compare(self, cut: int, made: Values, *, altered: bool) -> None:
        """Note which values of the rows before `cut` are others in `made`, a table of the bars up to it or with another future."""
        for feature, (first, last, count) in self._changed(cut, made).items():
            shape = self._shape(feature, first, last, count, cut, made)
            trace = self.traces.get(feature)
            ours, theirs = float(self.values[first, feature]), float(made[first, feature])
            if trace is None:
                trace = self.traces[feature] = Trace(first, cut, ours, theirs, first, cut, shape, [])
            if first < trace.first_row:
                trace.first_row, trace.first_cut, trace.with_future, trace.without_future = first, cut, ours, theirs
            if cut - first > trace.reach:
                trace.reach_row, trace.reach_cut = first, cut
                trace.shape = trace.shape if altered and trace.n_truncated else shape  # what is missing shows at a cut alone
            trace.from_afar |= self._is_from_afar(feature, first, cut)
            if altered:
                trace.n_altered += 1
            else:
                trace.n_truncated += 1
                trace.pairs.append((cut, first))

    def _changed(self, cut: int, made: Values) -> dict[int, tuple[int, int, int]]:
        """For each feature that changed: its first and last changed row, and how many there are."""
        found: dict[int, tuple[int, int, int]] = {}
        for start in range(0, cut, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, cut)
            mask = self.tolerance.differ(self.values[start:stop], made[start:stop])
            for feature in np.flatnonzero(mask.any(axis=0)).tolist():
                rows = np.flatnonzero(mask[:, feature]) + start
                first, _, count = found.get(feature, (int(rows[0]), 0, 0))
                found[feature] = first, int(rows[-1]), count + rows.size
        return found

    def _is_from_afar(self, feature: int, first: int, cut: int) -> bool:
        if cut < len(self.bars) * (1 - LATE) - 1:
            return False
        begins = first
        for start in range(0, first, ROWS_AT_ONCE):
            finite = np.isfinite(self.values[start : min(start + ROWS_AT_ONCE, first), feature])
            if finite.any():
                begins = start + int(np.argmax(finite))
                break
        return first - begins <= (cut - begins) * _EARLY

    def _shape(self, feature: int, first: int, last: int, count: int, cut: int, made: Values) -> Shape:
        rows = np.unique(np.linspace(first, cut - 1, min(LOOKED_AT, cut - first)).astype(np.int64))
        ours = self.values[rows, feature].astype(np.float64)
        theirs = made[rows, feature].astype(np.float64)
        changed = self.tolerance.differ(ours[:, None], theirs[:, None], [feature])[:, 0]
        return Shape(
            n_changed=count,
            unbroken=last == cut - 1 and count == cut - first,
            missing=bool(np.isnan(theirs[changed]).all()),
            constant=bool((ours[changed] == ours[-1]).all()),
            fading=_fades(np.abs(ours - theirs)),
            affine=_is_affine(ours, theirs),
            n_levels=int(np.unique(ours[np.isfinite(ours)])[:65].size),
        )


def _fades(difference: npt.NDArray[np.float64]) -> bool:
    """Whether it grows towards the cut, over orders of magnitude."""
    recent = difference[-64:]
    if recent.size < 8 or not np.isfinite(recent).all() or recent.max() == 0.0:
        return False
    halves = recent[: recent.size // 2].max(), recent[recent.size // 2 :].max()
    return bool(difference[0] < 1e-3 * recent.max() and halves[0] < 0.5 * halves[1])


def _is_affine(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> bool:
    both = np.isfinite(ours) & np.isfinite(theirs)
    if both.sum() < 8 or np.ptp(ours[both]) == 0.0:
        return False
    slope, constant = np.polyfit(ours[both], theirs[both], 1)
    rest = theirs[both] - (slope * ours[both] + constant)
    return bool(np.abs(rest).max() <= 1e-6 * np.ptp(theirs[both])) and slope != 0.0


__all__ = ["Sample", "Shape", "Tolerance", "Trace"]
