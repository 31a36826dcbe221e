"""Out-of-fold forecasts put together into the rows on which an ensemble is fitted: each once, none missing, all finite.

That no model forecast what it had seen is proved by `splits.check_out_of_fold`, which knows the labels' spans. Here nothing is
known of spans: pieces become one table, or are refused in words that name member and rows. `fold_jumps` then tells whether the
forecasts give away which fold a row is from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import FitRows, Float64Array, Member, Said
from barmill.errors import BarmillError, ForecastError, ProvenanceError, ShapeError

Int64Array = npt.NDArray[np.int64]


class Piece(NamedTuple):
    """What one member, fitted for one fold, says of the rows that it did not see.

    positions : int64 of shape (n,), ascending, of the labels; said : of these rows; fold : int, its number
    """

    positions: Int64Array
    said: Said
    fold: int


class Outcomes(NamedTuple):
    """What came, of every label due: all of shape (n,), regimes (n, n_regimes) or None; see `FitRows`.

    positions : int64, ascending, of the labels that are to be forecast
    """

    positions: Int64Array
    y: Int64Array
    z: Float64Array
    weight: Float64Array
    regimes: Float64Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """The rows behind an ensemble's fit.

    rows : those that all members reach, in time order
    positions, fold : int64 of shape (n,), the label of each row, and the fold whose models forecast it
    unreached : of each member, how many of the labels due its window does not reach; `left_out` is how many some member does not
    """

    rows: FitRows
    positions: Int64Array
    fold: Int64Array
    unreached: Mapping[str, int]
    left_out: int

    def at(self, at: npt.NDArray[Any]) -> "OutOfFold":
        """Some of the rows, by ascending positions or a mask."""
        return OutOfFold(rows_at(self.rows, at), self.positions[at], self.fold[at], self.unreached, self.left_out)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for a report."""
        return {
            "rows": int(self.positions.size),
            "folds": int(np.unique(self.fold).size),
            "unreached": dict(self.unreached),
            "left_out": self.left_out,
        }


def put_together(
    members: Sequence[Member],
    pieces: Mapping[str, Sequence[Piece]],
    outcomes: Outcomes,
    unreached: Mapping[str, npt.ArrayLike] | None = None,
) -> OutOfFold:
    """The rows that every member forecast out of fold, from each member's pieces.

    Parameters
    ----------
    pieces : of each member, by label
    unreached : of a member, by label, the positions before which its window does not fit; its pieces must not hold them. A row that one
        member does not reach is left out of the fit for all of them, and counted

    Raises: ShapeError for a member without pieces or lengths that differ; ForecastError for a number that is not finite; ProvenanceError
    that gathers every label missing, forecast twice or not due, and labels that two members' folds hold apart.
    """
    due = np.asarray(outcomes.positions, dtype=np.int64)
    if due.size == 0 or (np.diff(due) <= 0).any():
        raise ShapeError("out-of-fold labels", f"{due.size} positions", expected="at least one, each once, in ascending order")
    for name in ("y", "z", "weight"):
        if getattr(outcomes, name).shape != due.shape:
            raise ShapeError(f"out-of-fold labels, {name}", f"has shape {getattr(outcomes, name).shape}", expected=f"({due.size},)")
    beyond = {member.label: np.asarray((unreached or {}).get(member.label, ()), dtype=np.int64) for member in members}
    faults: list[BarmillError] = []
    parts: list[tuple[Said, Int64Array]] = []
    for member in members:
        given = list(pieces.get(member.label, ()))
        if not given:
            raise ShapeError(f"member '{member.label}'", "has no out-of-fold forecasts", expected="a piece for each fold")
        for piece in given:
            _check_piece(member, piece)
        positions = np.concatenate([piece.positions for piece in given])
        wrong = _coverage_faults(member.label, positions, np.setdiff1d(due, beyond[member.label]))
        faults.extend(wrong)
        if not wrong:
            parts.append(_on(due, given, positions))
    if faults:
        raise ProvenanceError.gathered(faults)
    reached = np.logical_and.reduce([fold >= 0 for _, fold in parts])
    if not reached.any():
        raise ShapeError("out-of-fold rows", "no label is reached by all members", mend="Use shorter windows or more bars.")
    fold = parts[0][1][reached]
    for member, (_, other) in zip(members, parts, strict=True):
        _check_same_folds(members[0], member, due[reached], fold, other[reached])
    told = FitRows([said for said, _ in parts], outcomes.y, outcomes.z, outcomes.regimes, outcomes.weight)
    counts = {member.label: int(np.isin(beyond[member.label], due).sum()) for member in members}
    return OutOfFold(rows_at(told, np.flatnonzero(reached)), due[reached], fold, counts, int((~reached).sum()))


def rows_at(rows: FitRows, at: npt.NDArray[Any]) -> FitRows:
    """The rows of the given positions or mask."""
    said = [said_at(one, at) for one in rows.said]
    return FitRows(said, rows.y[at], rows.z[at], None if rows.regimes is None else rows.regimes[at], rows.weight[at])


def said_at(said: Said, at: npt.NDArray[Any]) -> Said:
    """What a member says of the given positions or mask."""
    return Said(said.p[at], None if said.expected is None else said.expected[at], said.quantiles[at])


def _check_piece(member: Member, piece: Piece) -> None:
    positions = np.asarray(piece.positions)
    if positions.ndim != 1 or positions.dtype.kind not in "iu" or positions.size == 0:
        found = f"positions of shape {positions.shape} and type {positions.dtype}"
        raise ShapeError(f"member '{member.label}', fold {piece.fold}", found, expected="one or more integers")
    _check_said(member, piece.said, positions.size, f", fold {piece.fold}", positions)


def _check_said(member: Member, said: Said, n: int, where: str = "", positions: Int64Array | None = None) -> None:
    place = f"member '{member.label}'{where}"
    if "E_r" in member.outputs and said.expected is None:
        raise ShapeError(place, "does not say E_r", expected="every output that it declares")
    for name, numbers in (("p_up", said.p), ("E_r", said.expected), ("quantiles", said.quantiles)):
        if numbers is None:
            continue
        if len(numbers) != n:
            raise ShapeError(place, f"says {name} of {len(numbers)} rows", expected=f"{n}")
        finite = np.isfinite(numbers) if numbers.ndim == 1 else np.isfinite(numbers).all(axis=1)
        if not finite.all():
            bad = np.flatnonzero(~finite)
            first = bad[0] if positions is None else positions[bad[0]]
            found = f"{name} of {bad.size} rows is not finite, first that of label {int(first)}"
            raise ForecastError(place, found, mend="Name the rows that its window does not reach, or leave the member out.")


def _coverage_faults(label: str, positions: Int64Array, due: Int64Array) -> list[BarmillError]:
    values, counts = np.unique(positions, return_counts=True)
    faults: list[BarmillError] = []
    for wrong, told in (
        (np.setdiff1d(due, values), "not forecast"),
        (values[counts > 1], "forecast more than once"),
        (np.setdiff1d(values, due), "forecast, and not due or out of reach"),
    ):
        if wrong.size:
            found = f"{wrong.size} labels are {told}, first label {int(wrong[0])}"
            faults.append(ProvenanceError(f"member '{label}'", found, expected=f"each of {due.size} labels forecast once"))
    return faults


def _on(due: Int64Array, pieces: Sequence[Piece], positions: Int64Array) -> tuple[Said, Int64Array]:
    """A member's pieces on the rows due, and the fold of each; rows out of reach hold NaN and fold -1."""
    at = np.searchsorted(due, positions)
    fold = np.full(due.size, -1, dtype=np.int64)
    fold[at] = np.concatenate([np.full(piece.positions.size, piece.fold) for piece in pieces])

    def joined(parts: list[Float64Array]) -> Float64Array:
        whole = np.full((due.size, *parts[0].shape[1:]), np.nan)
        whole[at] = np.concatenate(parts)
        return whole

    expected = [piece.said.expected for piece in pieces]
    there = [one for one in expected if one is not None]
    p, quantiles = joined([piece.said.p for piece in pieces]), joined([piece.said.quantiles for piece in pieces])
    return Said(p, joined(there) if len(there) == len(expected) else None, quantiles), fold


def _check_same_folds(first: Member, member: Member, positions: Int64Array, fold: Int64Array, other: Int64Array) -> None:
    apart = fold != other
    if apart.any():
        row = int(np.argmax(apart))
        found = f"{int(apart.sum())} labels are of another fold than '{first.label}' has them, first label {int(positions[row])}"
        raise ProvenanceError(f"member '{member.label}'", found, expected="the same folds for all members")


__all__ = ["OutOfFold", "Outcomes", "Piece", "put_together", "rows_at", "said_at"]
