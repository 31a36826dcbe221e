"""Scaled columns: whose mean is 0 and whose deviation is 1? A coincidence to the sixth digit tells which rows a scaler has seen."""

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.evaluation.leakage.check import Looked, Missing, finding, need, need_values
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where

EXACT = 1e-6  # of a deviation: what float32 and sums in another order leave of 0 and 1
BOUND = 1e-9  # of the range
FEWEST_ROWS = 50
FEWEST_VALUES = 100
FEWEST_COLUMNS, MOST_OF_TABLE = 3, 0.5  # that run from 0 to 1 where a scaler has made them do so
_CHUNK_VALUES = 1 << 18  # 2 MiB: they are gone over several times, in the cache


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Of each column over some rows, float64 (F,); those of two disjoint sets of rows make those of their union.

    squares : sum of the squared distances from the mean
    """

    count: Float64Array
    mean: Float64Array
    squares: Float64Array
    low: Float64Array
    high: Float64Array

    def __add__(self, other: "_Moments") -> "_Moments":
        """Of both (Chan, Golub and LeVeque 1979)."""
        count = self.count + other.count
        gap, share = other.mean - self.mean, other.count / np.maximum(count, 1.0)
        squares = self.squares + other.squares + gap * gap * self.count * share
        return _Moments(count, self.mean + gap * share, squares, np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    @property
    def deviation(self) -> Float64Array:
        return np.sqrt(self.squares / np.maximum(self.count, 1.0))

    @property
    def standard(self) -> npt.NDArray[np.bool_]:
        """Which columns have mean 0 and deviation 1 (of either kind of n) here."""
        return (np.abs(self.mean) <= EXACT) & (np.abs(self.deviation - 1.0) <= EXACT)

    @property
    def unit(self) -> npt.NDArray[np.bool_]:
        """Which columns run from exactly 0 to exactly 1, or from -1 to 1, here."""
        ends = (np.abs(self.low) <= BOUND) | (np.abs(self.low + 1.0) <= BOUND)
        return ends & (np.abs(self.high - 1.0) <= BOUND)


def look_at_scaling(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Columns that are standard, or run from 0 to 1, over rows that no scaler may see, and not over training."""
    need(dossier, "blocks")
    need_values(dossier)
    if not [*dossier.named_blocks(dossier.trained_on)] or not [*dossier.named_blocks(dossier.judged_by)]:
        raise Missing("needs a training block and one that judges")
    parts = _parts(dossier)
    in_train = [part for part in parts if part.names & set(dossier.trained_on)]
    own = _together(in_train)
    sets = {words: chosen for words, chosen in _sets(dossier, parts, in_train) if sum(part.rows.size for part in chosen) >= FEWEST_ROWS}
    findings: list[LeakageFinding] = []
    told: set[int] = set()
    for words, chosen in sets.items():
        seen, rows = _together(chosen), np.concatenate([part.rows for part in chosen])
        standard = np.flatnonzero(seen.standard & ~own.standard)
        # a column of its own nature between 0 and 1 may reach both ends on later rows; most of a table at once does not
        scaled = seen.unit.sum() >= max(FEWEST_COLUMNS, MOST_OF_TABLE * (seen.high > seen.low).sum())
        unit = np.flatnonzero(seen.unit & ~own.unit & scaled)
        for numbers, shape in ((standard, "mean 0 and deviation 1"), (unit, "exactly the range from 0 to 1")):
            fresh = [k for k in numbers.tolist() if k not in told and _is_continuous(dossier, rows, k)]
            told |= set(fresh)
            findings += [_tell(dossier, k, words, rows, shape, own) for k in fresh]
    return Looked(f"no column of {len(dossier.columns)} is scaled by rows that judge", tuple(findings))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows that are in the same blocks, and the moments of each column over them, from which those of any union follow."""

    names: frozenset[str]
    rows: Int64Array
    moments: _Moments


def _parts(dossier: Dossier) -> list[_Part]:
    """Every row once, by the blocks that it is in: one pass over the values, whatever sets are asked for later."""
    membership = np.zeros(dossier.n, dtype=np.int64)
    kinds: list[frozenset[str]] = [frozenset()]
    for name, rows in dossier.named_blocks(dossier.blocks or {}):
        for kind in np.unique(membership[rows]).tolist():
            kinds.append(kinds[kind] | {name})
            chosen = np.unique(rows[membership[rows] == kind])
            membership[chosen] = len(kinds) - 1
    chosen = [(names, np.flatnonzero(membership == kind)) for kind, names in enumerate(kinds)]
    return [_Part(names, rows, _moments(dossier, rows)) for names, rows in chosen if rows.size]


def _sets(dossier: Dossier, parts: list[_Part], in_train: list[_Part]) -> Iterator[tuple[str, list[_Part]]]:
    """The rows that a scaler should not have seen, largest first."""
    yield "all rows", parts
    if any(not part.names for part in parts):
        yield "all blocks", [part for part in parts if part.names]
    for name, _ in dossier.named_blocks(dossier.judged_by):
        judging = [part for part in parts if name in part.names]
        yield f"training and {name}", [*in_train, *(part for part in judging if part not in in_train)]
        yield name, judging


def _moments(dossier: Dossier, rows: Int64Array) -> _Moments:
    """In chunks, each added to what is there already; what is not finite is left out."""
    width = len(dossier.columns)
    step = max(1, _CHUNK_VALUES // max(1, width))
    nothing = np.zeros(width)
    total = _Moments(nothing, nothing, nothing, np.full(width, np.inf), np.full(width, -np.inf))
    for start in range(0, rows.size, step):
        values = dossier.rows(rows[start : start + step])
        finite = np.isfinite(values)
        count = finite.sum(axis=0).astype(np.float64)
        low, high = np.where(finite, values, np.inf).min(axis=0), np.where(finite, values, -np.inf).max(axis=0)
        values[~finite] = 0.0
        mean = values.sum(axis=0) / np.maximum(count, 1.0)
        values -= mean
        values[~finite] = 0.0
        total += _Moments(count, mean, np.einsum("ij,ij->j", values, values), low, high)
    return total


def _together(parts: list[_Part]) -> _Moments:
    return functools.reduce(operator.add, [part.moments for part in parts])


def _is_continuous(dossier: Dossier, rows: Int64Array, k: int) -> bool:
    """Whether a column takes many values: as many +1 as -1 are standard by nature."""
    return np.unique(dossier.rows(rows[: 10 * FEWEST_VALUES], slice(k, k + 1))).size >= FEWEST_VALUES


def _tell(dossier: Dossier, k: int, words: str, rows: Int64Array, shape: str, own: _Moments) -> LeakageFinding:
    reason = (
        f"over {words} it has {shape}, over the training rows mean {own.mean[k]:.3g}, deviation {own.deviation[k]:.3g} and range "
        f"{own.low[k]:.3g} to {own.high[k]:.3g}: its scaler has seen rows that judge"
    )
    evidence: dict[str, float | int | str] = {
        "scaled_over": words,
        "rows": int(rows.size),
        "training_mean": float(own.mean[k]),
        "training_deviation": float(own.deviation[k]),
    }
    return finding("L210", "critical", dossier.columns[k], reason, **where(dossier, int(rows[0])), evidence=evidence)


__all__ = ["look_at_scaling"]
