"""Where everything fitted was fitted, as records, and the check that none of it has seen what judges it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from barmill.artefacts import sha256
from barmill.errors import ProvenanceError, ShapeError

Int64Array = npt.NDArray[np.int64]


class LabelSpans(Protocol):
    """Labels, as far as they matter here: label i spans the bars t0[i] .. t1[i], both included."""

    @property
    def t0(self) -> Int64Array: ...

    @property
    def t1(self) -> Int64Array: ...


@dataclass(frozen=True, slots=True)
class Provenance:
    """One thing that was fitted, and the rows that it saw.

    what : str, such as "scaler" or "calibration"
    fitted_on : str, name of the slice
    first_bar, last_bar : int, the bars that its labels span, both included
    rows : int, number of labels
    digest : str, sha256 of their positions
    positions : int64 array, the positions among the labels, ascending; too long for a report, and what is checked
    """

    what: str
    fitted_on: str
    first_bar: int
    last_bar: int
    rows: int
    digest: str
    positions: Int64Array = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for reports and bundles: everything but the positions, which the digest stands for."""
        return {
            "what": self.what,
            "fitted_on": self.fitted_on,
            "first_bar": self.first_bar,
            "last_bar": self.last_bar,
            "rows": self.rows,
            "digest": self.digest,
        }


def provenance(what: str, fitted_on: str, positions: npt.ArrayLike, labels: LabelSpans) -> Provenance:
    """Record that `what` was fitted on the labels at `positions` of the slice `fitted_on`.

    Parameters
    ----------
    positions : integers of shape (n,), positions among the labels, each once; at least one
    labels : with t0 and t1, int64 of shape (n_labels,)

    Raises: ShapeError for positions that are not there, repeated, or none.
    """
    rows = _ascending(positions, labels, f"{what} fitted on {fitted_on}")
    rows.setflags(write=False)
    first, last = int(labels.t0[rows].min()), int(labels.t1[rows].max())
    return Provenance(what, fitted_on, first, last, rows.size, _digest(rows), rows)


def check_provenance(items: Iterable[Provenance], judged: npt.ArrayLike, labels: LabelSpans, judged_by: str = "test") -> None:
    """Raise ProvenanceError if anything in `items` saw a row that judges it, or a label that overlaps such a row's.

    Both label intervals are closed, so touching is overlapping, as in `purge_embargo`. The same call checks any pair: the model's own
    record against the calibration slice says that the calibrator's rows did not train the model.

    Parameters
    ----------
    items : records made by `provenance` from the same labels
    judged : integers of shape (n,), positions among the labels on which the items are judged
    labels : with t0 and t1
    judged_by : str, name of the judging slice, for the message

    Raises: ProvenanceError that gathers every item at fault, naming what, where it was fitted, how many of its rows are
    at fault, and the first of them; also if a record's positions no longer are those that it was made from.
    Cost: n log n, no pairs are formed.
    """
    rows = _ascending(judged, labels, judged_by)
    order = np.argsort(labels.t0[rows], kind="stable")
    starts = labels.t0[rows][order]
    latest_end = np.maximum.accumulate(labels.t1[rows][order])
    problems: list[ProvenanceError] = []
    for item in items:
        if _digest(item.positions) != item.digest:
            found = "the record's positions are not those that it was made from"
            problems.append(ProvenanceError(item.what, found, mend="Record the positions on which it is really fitted."))
            continue
        fitted = _ascending(item.positions, labels, item.what)
        shared = np.isin(fitted, rows, assume_unique=True)
        # of the judged labels that start at or before this one's end, does any end at or after its start?
        n_before = np.searchsorted(starts, labels.t1[fitted], side="right")
        overlapping = (n_before > 0) & (latest_end[n_before - 1] >= labels.t0[fitted])
        if shared.any() or overlapping.any():
            problems.append(_fault(item, fitted, shared, overlapping & ~shared, labels, judged_by))
    if problems:
        raise ProvenanceError.gathered(problems)


def _fault(
    item: Provenance,
    fitted: Int64Array,
    shared: npt.NDArray[np.bool_],
    overlapping: npt.NDArray[np.bool_],
    labels: LabelSpans,
    judged_by: str,
) -> ProvenanceError:
    place = f"{item.what} (fitted on {item.fitted_on})"
    kinds = ((shared, "rows are in"), (overlapping, "labels overlap those of"))
    told = [f"{int(mask.sum())} of its {fitted.size} {verb} the {judged_by} block that judges it" for mask, verb in kinds if mask.any()]
    first = int(fitted[np.argmax(shared | overlapping)])
    found = f"{' and '.join(told)}, first the label at bars {int(labels.t0[first])} to {int(labels.t1[first])}"
    return ProvenanceError(place, found, mend="Fit it on rows whose labels end before the block or start after it: purge them.")


def _ascending(positions: npt.ArrayLike, labels: LabelSpans, place: str) -> Int64Array:
    array = np.asarray(positions)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ShapeError(place, f"positions of shape {array.shape} and type {array.dtype}", expected="one or more integers")
    rows = np.sort(array).astype(np.int64)
    n_labels = labels.t0.size
    if rows[0] < 0 or rows[-1] >= n_labels or (np.diff(rows) == 0).any():
        raise ShapeError(place, f"positions from {rows[0]} to {rows[-1]}", expected=f"each once, from 0 to {n_labels - 1}")
    return rows


def _digest(positions: Int64Array) -> str:
    return sha256(np.ascontiguousarray(positions, dtype="<i8").tobytes())


__all__ = ["LabelSpans", "Provenance", "check_provenance", "provenance"]
