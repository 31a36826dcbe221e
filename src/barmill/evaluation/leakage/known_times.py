"""Second series: what a column shows must have been known by then, revisions and releases included."""

from collections.abc import Iterator

import numpy as np

from barmill.errors import InputError, ShapeError
from barmill.evaluation.leakage.check import Looked, Missing, finding, need
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array, SecondSeries
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings

SAME = 1e-6
FEWEST = 1
MOST_AHEAD = 64  # rows of the series beyond the last known one in which a value is looked for


def look_at_known_times(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Columns that show a row of a second series before it was known."""
    need(dossier, "second_series")
    times = dossier.decision_times
    if times is None:
        raise Missing("needs the times of the decisions, which nobody gave")
    if not dossier.second_series:
        raise Missing("there is no second series")
    bars = np.asarray(dossier.t0 if dossier.t0 is not None else np.arange(dossier.n))
    findings = [told for series in dossier.second_series for told in _series(dossier, series, times, bars)]
    return Looked(f"{len(dossier.second_series)} second series show only what was known", tuple(findings))


def _series(dossier: Dossier, series: SecondSeries, times: Int64Array, bars: Int64Array) -> Iterator[LeakageFinding]:
    early, by = _shown_early(series, times) if series.shown is not None else _values_early(dossier, series, times)
    if early.sum() < FEWEST:
        return
    at, count = int(np.argmax(early)), int(early.sum())
    minutes = float(np.median(by[early])) / 60_000
    reason = (
        f"at {count:,} of {times.size:,} decisions it shows a row of its series that was known later, usually {minutes:,.0f} minutes later"
    )
    evidence: dict[str, float | int | str] = {"rows": count, "share": count / times.size, "minutes_early": minutes}
    yield finding("L216", "critical", series.column, reason, bar=int(bars[at]), time_ms=int(times[at]), evidence=evidence)


def _shown_early(series: SecondSeries, times: Int64Array) -> tuple[np.ndarray, Int64Array]:
    """From the numbers of the rows that are shown."""
    assert series.shown is not None
    if series.shown.shape != times.shape or (series.shown.size and series.shown.max() >= series.known_at.size):
        expected = f"a row from -1 to {series.known_at.size - 1} for each of {times.size} decisions"
        raise ShapeError(f"SecondSeries({series.column!r}).shown", "does not fit", expected=expected)
    by = series.known_at[np.maximum(series.shown, 0)] - times
    return (series.shown >= 0) & (by > 0), by


def _values_early(dossier: Dossier, series: SecondSeries, times: Int64Array) -> tuple[np.ndarray, Int64Array]:
    """From the values: those that are not the last known one's and are a later row's."""
    nothing = np.zeros(times.size, dtype=bool), np.zeros(times.size, dtype=np.int64)
    if series.values is None:
        return nothing
    if series.column not in dossier.columns:
        raise InputError(f"SecondSeries({series.column!r})", "there is no such column")
    order = np.lexsort((np.arange(series.known_at.size), series.known_at))
    known, truth = series.known_at[order], series.values[order]
    number = dossier.columns.index(series.column)
    shown = dossier.rows(np.arange(dossier.n), slice(number, number + 1))[:, 0]
    last = np.searchsorted(known, times, side="right") - 1
    wrong = np.flatnonzero(np.isfinite(shown) & ~((last >= 0) & _same(shown, truth[np.maximum(last, 0)])))
    for step in range(1, MOST_AHEAD + 1):  # an older row is late, and harms nobody
        wrong = wrong[~((last[wrong] >= step) & _same(shown[wrong], truth[np.maximum(last[wrong] - step, 0)]))]
    early, by = nothing
    for step in range(1, MOST_AHEAD + 1):
        later = last[wrong] + step
        inside = later < truth.size
        found = inside & _same(shown[wrong], truth[np.minimum(later, truth.size - 1)])
        early[wrong[found]] = True
        by[wrong[found]] = known[later[found]] - times[wrong[found]]
        wrong = wrong[~found & inside]
        if not wrong.size:
            break
    return early, by


def _same(one: Float64Array, other: Float64Array) -> np.ndarray:
    return np.abs(one - other) <= SAME * np.maximum(np.abs(one), np.abs(other))


__all__ = ["look_at_known_times"]
