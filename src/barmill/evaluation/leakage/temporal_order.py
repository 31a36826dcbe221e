"""Time: decisions in order, each at the close of its bar, blocks one after another."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from barmill.evaluation.leakage.check import Looked, Missing, finding, need
from barmill.evaluation.leakage.dossier import Dossier, Int64Array
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings


def look_at_order(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Decisions whose times do not rise, and blocks that begin before the one before them has ended."""
    times = dossier.decision_times if dossier.decision_times is not None else dossier.t0
    if times is None:
        raise Missing("needs the times of the decisions (known_at, or t0), which nobody gave")
    findings = [_backwards(dossier, times)] if times.size > 1 and (np.diff(times) <= 0).any() else []
    if dossier.blocks and dossier.in_time_order:
        findings += _blocks_out_of_order(dossier, times)
    n_blocks = len(dossier.blocks or {})
    return Looked(f"the times of {times.size:,} decisions rise, and {n_blocks} blocks follow each other", tuple(findings))


def _backwards(dossier: Dossier, times: Int64Array) -> LeakageFinding:
    """Out of order; or at the same time, as rows of two instruments honestly are, and rows that training draws twice.

    A row that stands twice on two sides of a border is no matter of order: the borders and the label spans tell.
    """
    steps = np.diff(times)
    wrong = steps < 0 if (steps < 0).any() else steps <= 0
    at, count = int(np.argmax(wrong)) + 1, int(wrong.sum())
    severity = "critical" if steps[at - 1] < 0 else "info"
    what = "before the one before them: rows are out of order" if severity == "critical" else "together with another"
    reason = f"{count:,} decisions fall {what}"
    return finding("L201", severity, "", reason, **where(dossier, at), evidence={"rows": count, "first_row": at})


def _blocks_out_of_order(dossier: Dossier, times: Int64Array) -> Iterator[LeakageFinding]:
    named = list(dossier.named_blocks(dossier.blocks or {}))
    for (name, rows), (later, later_rows) in pairwise(named):
        last, first = int(times[rows].max()), int(times[later_rows].min())
        if first > last:
            continue
        at = int(later_rows[np.argmin(times[later_rows])])
        inside = int((times[rows] >= first).sum())
        reason = f"{later} begins before {name} has ended: {inside:,} of its {rows.size:,} rows lie at or after the first of {later}"
        evidence: dict[str, float | int | str] = {"block": name, "later": later, "rows": inside}
        yield finding("L201", "critical", later, reason, **where(dossier, at), evidence=evidence)


def look_at_clock(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Decisions that are not stamped with the close of their bar: a clock in another zone, or bars stamped with their open."""
    need(dossier, "known_at", "t0", "close_times")
    known, close = dossier.known_at, dossier.close_times
    assert known is not None
    assert close is not None
    assert dossier.t0 is not None
    off = known - close[dossier.t0]
    wrong = off != 0
    if not wrong.any():
        return Looked(f"each of {known.size:,} decisions falls at the close of its bar")
    at = int(np.argmax(wrong))
    slips, counts = np.unique(off[wrong], return_counts=True)
    slip = int(slips[np.argmax(counts)])
    count = int(wrong.sum())
    side = "before" if slip < 0 else "after"
    reason = (
        f"{count:,} of {known.size:,} decisions are stamped {abs(slip) / 60_000:g} minutes {side} the close of their bar: {_cause(slip)}"
    )
    # a stamp before the close claims to know the bar while it forms; a later stamp is odd and harms nobody by itself
    severity = "critical" if slip < 0 or slip % 3_600_000 == 0 else "warning"
    evidence: dict[str, float | int | str] = {"rows": count, "slip_minutes": slip / 60_000, "share": count / known.size}
    return Looked(
        "", (finding("L202", severity, "", reason, bar=int(dossier.t0[at]), time_ms=int(close[dossier.t0[at]]), evidence=evidence),)
    )


def _cause(slip: int) -> str:
    if slip % 3_600_000 == 0 and slip:
        return "a clock of another time zone, or of summer time"
    return "bars are stamped with their open, or rows were shifted" if slip < 0 else "rows were shifted"


def where(dossier: Dossier, row: int) -> dict[str, int | None]:
    """Bar and time of a decision, as `finding` takes them."""
    times = dossier.decision_times
    bar = None if dossier.t0 is None else int(dossier.t0[row])
    return {"bar": bar, "time_ms": None if times is None else int(times[row])}


__all__ = ["look_at_clock", "look_at_order", "where"]
