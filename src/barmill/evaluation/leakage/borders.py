"""The borders between what trains and what judges: the embargo, and labels that reach across."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from barmill.evaluation.leakage.check import Looked, Missing, finding, need
from barmill.evaluation.leakage.dossier import Dossier, Int64Array
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where

NEVER = np.iinfo(np.int64).max


def look_at_embargo(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Rows within the embargo after a training block, or before a judging one."""
    need(dossier, "blocks", "t0", "t1", "embargo_bars")
    t0, t1, embargo = dossier.t0, dossier.t1, dossier.embargo_bars
    assert t0 is not None
    assert t1 is not None
    assert embargo is not None
    findings: list[LeakageFinding] = []
    narrowest: list[int] = []
    for earlier, rows, later, later_rows in _embargoed_pairs(dossier):
        gaps = _free_bars(_run_ends(np.unique(rows), t1), t0[later_rows])
        if not gaps.size or gaps.min() == NEVER:
            continue
        narrowest.append(int(gaps.min()))
        early = gaps < embargo
        if not early.any():
            continue
        at = int(later_rows[np.argmin(gaps)])
        reason = (
            f"{later} begins {narrowest[-1]:,} bars after the last label of {earlier} has ended, and the embargo is {embargo:,}: "
            f"{int(early.sum()):,} of its rows are too early"
        )
        evidence: dict[str, float | int | str] = {
            "gap_bars": narrowest[-1],
            "embargo_bars": embargo,
            "rows": int(early.sum()),
            "after": earlier,
        }
        findings.append(finding("L203", "critical", later, reason, **where(dossier, at), evidence=evidence))
    if not narrowest:
        raise Missing("no block follows a training block, or comes before a judging one")
    return Looked(f"{len(narrowest)} borders keep {min(narrowest):,} bars or more free; the embargo is {embargo:,}", tuple(findings))


def _run_ends(rows: Int64Array, t1: Int64Array) -> Int64Array:
    """The latest label end of each run of consecutive positions, ascending."""
    begins = np.flatnonzero(np.diff(rows, prepend=-2) > 1)
    return np.sort(np.maximum.reduceat(t1[rows], begins))


def _free_bars(ends: Int64Array, starts: Int64Array) -> Int64Array:
    """Bars between each start and the latest of `ends` before it; `NEVER` where there is none."""
    n_before = np.searchsorted(ends, starts, side="left")
    return np.where(n_before > 0, starts - ends[np.maximum(n_before, 1) - 1] - 1, NEVER)


def _embargoed_pairs(dossier: Dossier) -> Iterator[tuple[str, Int64Array, str, Int64Array]]:
    """Which block must keep away from which earlier one: whatever follows training, and the judge from what comes before it.

    Where training surrounds the test, it is the training rows after a test that keep away from it.
    """
    blocks = dossier.blocks or {}
    named = list(dossier.named_blocks(blocks))
    if dossier.in_time_order:
        for (name, rows), (later, later_rows) in pairwise(named):
            if name in dossier.trained_on or later in dossier.judged_by:
                yield name, rows, later, later_rows
    else:
        for judge, judge_rows in dossier.named_blocks(dossier.judged_by):
            for name, rows in dossier.named_blocks(dossier.trained_on):
                yield judge, judge_rows, name, rows


def look_at_overlap(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Rows of one block that another holds too, and labels that share a bar with a label of another block.

    All pairs are covered without forming them: of the labels of a block that begin no later than this one ends, the one that
    reaches farthest decides.
    """
    need(dossier, "blocks", "t0", "t1")
    t0, t1 = dossier.t0, dossier.t1
    assert t0 is not None
    assert t1 is not None
    named = list(dossier.named_blocks(dossier.blocks or {}))
    findings: list[LeakageFinding] = []
    for number, (name, rows) in enumerate(named):
        for later, later_rows in named[number + 1 :]:
            findings += _shared(dossier, name, np.unique(rows), later, np.unique(later_rows))
    return Looked(f"no label of {len(named)} blocks shares a bar with one of another block", tuple(findings))


def meeting(t0: Int64Array, t1: Int64Array, rows: Int64Array, others: Int64Array) -> npt.NDArray[np.bool_]:
    """Which labels of `rows` share a bar with any label of `others`: bool of shape (len(rows),), n log n."""
    order = others[np.argsort(t0[others], kind="stable")]
    reach = np.maximum.accumulate(t1[order])
    n_begun = np.searchsorted(t0[order], t1[rows], side="right")
    return (n_begun > 0) & (reach[np.maximum(n_begun, 1) - 1] >= t0[rows])


def _shared(dossier: Dossier, name: str, rows: Int64Array, later: str, later_rows: Int64Array) -> Iterator[LeakageFinding]:
    assert dossier.t0 is not None
    assert dossier.t1 is not None
    both = np.intersect1d(rows, later_rows, assume_unique=True)
    if both.size:
        reason = f"{both.size:,} rows are in {name} and in {later}"
        evidence: dict[str, float | int | str] = {"rows": int(both.size), "block": name, "other": later}
        yield finding("L204", "critical", later, reason, **where(dossier, int(both[0])), evidence=evidence)
    t0, t1 = dossier.t0, dossier.t1
    meets = meeting(t0, t1, rows, later_rows)
    meets &= ~np.isin(rows, both, assume_unique=True)
    if meets.any():
        at = int(rows[np.argmax(meets)])
        count = int(meets.sum())
        reason = (
            f"{count:,} labels of {name} share a bar with a label of {later}, first the label of bars {int(t0[at]):,} to {int(t1[at]):,}: "
            "they were not purged"
        )
        evidence = {"labels": count, "block": name, "other": later, "share": count / rows.size}
        yield finding("L204", "critical", name, reason, **where(dossier, at), evidence=evidence)


__all__ = ["look_at_embargo", "look_at_overlap", "meeting"]
