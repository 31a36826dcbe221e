"""Rows of columns that stand in two blocks to the bit: copies, unless the columns are so coarse that rows repeat anyway.

And decisions before which the market moved, for an hour of bars, exactly as it did before another: bars that stand twice.
"""

import numpy as np

from barmill.evaluation.leakage.check import Looked, Missing, finding, need, need_values
from barmill.evaluation.leakage.dossier import Dossier, Int64Array
from barmill.evaluation.leakage.repeated_bars import LENGTH, repeated_stretches
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where

COARSE = 0.2  # share of training rows that repeat within training, beyond which a repetition says nothing
FEWEST = 3
_CHUNK = 2_048


def look_at_repeated_rows(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Judging rows that are copies of training rows, and judging decisions on bars that training has under another time."""
    need(dossier, "blocks")
    training = [rows for _, rows in dossier.named_blocks(dossier.trained_on)]
    judging = [(name, rows) for name, rows in dossier.named_blocks(dossier.judged_by)]
    if not training or not judging:
        raise Missing("needs a training block and one that judges")
    train = np.unique(np.concatenate(training))
    bars = _copied_bars(dossier, train, judging) if dossier.prices is not None and dossier.t0 is not None else []
    if not dossier.has_values and dossier.prices is None:
        need_values(dossier)
    rows = _copied_rows(dossier, train, judging, told=bool(bars)) if dossier.has_values else []
    return Looked(f"no row of the judging blocks is a copy of one of {train.size:,} training rows", tuple(rows + bars))


def _copied_bars(dossier: Dossier, train: Int64Array, judging: list[tuple[str, Int64Array]]) -> list[LeakageFinding]:
    """A finding for each judging block with a decision at the end of a stretch of bars that training has too."""
    assert dossier.prices is not None
    assert dossier.t0 is not None
    ends, twins = repeated_stretches(dossier.prices)
    if not ends.size:
        return []
    in_train = np.zeros(len(dossier.prices), dtype=bool)
    in_train[dossier.t0[train]] = True
    twin_of = np.full(len(dossier.prices), -1, dtype=np.int64)
    twin_of[ends] = twins
    known = np.cumsum(np.concatenate([[0], in_train]))
    findings: list[LeakageFinding] = []
    for name, judged in judging:
        twin = twin_of[dossier.t0[judged]]
        # the twin's own hour must hold a training decision, or nobody has learned from it
        copied = (twin >= 0) & (known[twin + 1] > known[np.maximum(twin - LENGTH, 0)])
        if not copied.any():
            continue
        at, count = int(judged[np.argmax(copied)]), int(copied.sum())
        reason = (
            f"before {count:,} of the {judged.size:,} decisions of {name} the last {LENGTH} bars move as they did before, "
            f"up to bar {int(twin[np.argmax(copied)]):,}, where training has learned: bars stand twice, under two times"
        )
        evidence: dict[str, float | int | str] = {
            "rows": count,
            "share": float(copied.mean()),
            "first_twin_bar": int(twin[np.argmax(copied)]),
        }
        findings.append(finding("L205", "critical", name, reason, **where(dossier, at), evidence=evidence))
    return findings


def _copied_rows(dossier: Dossier, train: Int64Array, judging: list[tuple[str, Int64Array]], *, told: bool) -> list[LeakageFinding]:
    """Judging rows whose values all are, to the bit, those of a training row, oftener than rows repeat within training."""
    marks = _marks(dossier, train)
    values, first, counts = np.unique(marks, return_index=True, return_counts=True)
    within = float(counts[counts > 1].sum() / train.size)
    if within > COARSE:
        if told:
            return []
        raise Missing(f"{within:.0%} of the training rows repeat each other: the columns are too coarse to tell a copy")
    findings: list[LeakageFinding] = []
    for name, judged in judging:
        rows = np.setdiff1d(judged, train)
        if not rows.size:
            continue
        seen = np.searchsorted(values, judged_marks := _marks(dossier, rows))
        copied = values[np.minimum(seen, values.size - 1)] == judged_marks
        expected = within * rows.size
        if copied.sum() < FEWEST + 2 * expected + 5 * np.sqrt(expected):
            continue
        at = int(np.argmax(copied))
        twin, count = int(train[first[seen[at]]]), int(copied.sum())
        reason = (
            f"{count:,} of the {rows.size:,} rows of {name} are copies of training rows, every column to the bit, the first of row "
            f"{twin:,}; within training {within:.2%} of the rows repeat"
        )
        evidence: dict[str, float | int | str] = {
            "rows": count,
            "share": float(copied.mean()),
            "share_within_training": within,
            "first_row": int(rows[at]),
            "first_twin": twin,
        }
        findings.append(finding("L205", "critical", name, reason, **where(dossier, int(rows[at])), evidence=evidence))
    return findings


def _marks(dossier: Dossier, rows: Int64Array) -> np.ndarray:
    """A 64-bit mark of each row's bits: multiply and mix, column by column."""
    marks = np.empty(rows.size, dtype=np.uint64)
    for start in range(0, rows.size, _CHUNK):
        part = dossier.rows(rows[start : start + _CHUNK]) + 0.0  # a negative zero is a zero
        bits = np.ascontiguousarray(part.T).view(np.uint64)  # a column at a time
        mixed = np.full(len(part), 0x9E3779B97F4A7C15, dtype=np.uint64)
        for column in bits:
            mixed = (mixed ^ column) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
        marks[start : start + _CHUNK] = mixed
    return marks


__all__ = ["look_at_repeated_rows"]
