"""Scaled columns: whose mean is 0 and whose deviation is 1? A coincidence to the sixth digit tells which rows a scaler has seen."""

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
_CHUNK_VALUES = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Mean, deviation and extremes of each column over some rows."""

    mean: Float64Array
    deviation: Float64Array
    low: Float64Array
    high: Float64Array

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
    training = [rows for _, rows in dossier.named_blocks(dossier.trained_on)]
    judging = list(dossier.named_blocks(dossier.judged_by))
    if not training or not judging:
        raise Missing("needs a training block and one that judges")
    train = np.unique(np.concatenate(training))
    sets = {name: rows for name, rows in _sets(dossier, train, judging) if rows.size >= FEWEST_ROWS}
    own = _moments(dossier, train)
    findings: list[LeakageFinding] = []
    told: set[int] = set()
    for words, rows in sets.items():
        seen = _moments(dossier, rows)
        standard = np.flatnonzero(seen.standard & ~own.standard)
        # a column of its own nature between 0 and 1 may reach both ends on later rows; most of a table at once does not
        scaled = seen.unit.sum() >= max(FEWEST_COLUMNS, MOST_OF_TABLE * (seen.high > seen.low).sum())
        unit = np.flatnonzero(seen.unit & ~own.unit & scaled)
        for numbers, shape in ((standard, "mean 0 and deviation 1"), (unit, "exactly the range from 0 to 1")):
            fresh = [k for k in numbers.tolist() if k not in told and _is_continuous(dossier, rows, k)]
            told |= set(fresh)
            findings += [_tell(dossier, k, words, rows, shape, own) for k in fresh]
    return Looked(f"no column of {len(dossier.columns)} is scaled by rows that judge", tuple(findings))


def _sets(dossier: Dossier, train: Int64Array, judging: list[tuple[str, Int64Array]]) -> Iterator[tuple[str, Int64Array]]:
    """The rows that a scaler should not have seen, largest first."""
    yield "all rows", np.arange(dossier.n, dtype=np.int64)
    blocks = np.unique(np.concatenate(list((dossier.blocks or {}).values())))
    if blocks.size < dossier.n:
        yield "all blocks", blocks
    for name, rows in judging:
        yield f"training and {name}", np.union1d(train, rows)
        yield name, np.unique(rows)


def _moments(dossier: Dossier, rows: Int64Array) -> _Moments:
    """One pass for the mean, one for the deviation around it, in chunks; what is not finite is left out."""
    width = len(dossier.columns)
    step = max(1, _CHUNK_VALUES // max(1, width))
    total, count = np.zeros(width), np.zeros(width)
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for start in range(0, rows.size, step):
        part = dossier.rows(rows[start : start + step])
        finite = np.isfinite(part)
        total += np.where(finite, part, 0.0).sum(axis=0)
        count += finite.sum(axis=0)
        low = np.minimum(low, np.where(finite, part, np.inf).min(axis=0))
        high = np.maximum(high, np.where(finite, part, -np.inf).max(axis=0))
    mean = total / np.maximum(count, 1.0)
    squares = np.zeros(width)
    for start in range(0, rows.size, step):
        apart = dossier.rows(rows[start : start + step]) - mean
        squares += np.where(np.isfinite(apart), apart * apart, 0.0).sum(axis=0)
    return _Moments(mean, np.sqrt(squares / np.maximum(count, 1.0)), low, high)


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
