"""Columns of a higher timeframe: they may change only where one of its bars closes, and must show the last that has closed."""

from collections.abc import Iterator

import numpy as np

from barmill.errors import InputError
from barmill.evaluation.leakage.check import Looked, Missing, finding, need, need_values
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, HigherTimeframe, Int64Array
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.market.timeframe import MINUTE_MS

SAME = 1e-6  # relative difference at which a value is that of a bar: columns may come as float32
FEWEST = 3
LINEAR = 0.9999  # correlation at which a scaled column still tells whose values it shows


def look_at_higher_timeframes(dossier: Dossier, _: LeakageSettings) -> Looked:
    """Columns that change inside a bar of their timeframe, or show the value of a bar that has not closed."""
    need(dossier, "higher_timeframes")
    need_values(dossier)
    times = dossier.decision_times
    if times is None or dossier.higher_timeframes is None:
        raise Missing("needs the times of the decisions, which nobody gave")
    if not dossier.higher_timeframes:
        raise Missing("no column is of a higher timeframe")
    bars, rows = np.asarray(dossier.t0 if dossier.t0 is not None else np.arange(dossier.n)), np.arange(dossier.n)
    findings: list[LeakageFinding] = []
    for column, timeframe in dossier.higher_timeframes.items():
        if column not in dossier.columns:
            raise InputError(f"Dossier.higher_timeframes[{column!r}]", "there is no such column")
        number = dossier.columns.index(column)
        values = dossier.rows(rows, slice(number, number + 1))[:, 0]
        findings += _column(column, timeframe, values, times, bars)
    return Looked(f"{len(dossier.higher_timeframes)} columns change only where a bar of their timeframe closes", tuple(findings))


def _column(column: str, timeframe: HigherTimeframe, values: Float64Array, times: Int64Array, bars: Int64Array) -> Iterator[LeakageFinding]:
    closed = _n_closed(timeframe, times)
    changed = ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
    inside = np.flatnonzero(changed & (np.diff(closed) == 0)) + 1
    if inside.size:
        at = int(inside[0])
        reason = (
            f"it changes at {inside.size:,} decisions at which no bar of {timeframe.minutes} minutes has closed since the one before: "
            "it shows a bar while it forms, or is joined at the bar's label"
        )
        evidence: dict[str, float | int | str] = {
            "changes_inside": int(inside.size),
            "changes": int(changed.sum()),
            "minutes": timeframe.minutes,
        }
        yield finding("L215", "critical", column, reason, bar=int(bars[at]), time_ms=int(times[at]), evidence=evidence)
    elif timeframe.values is not None and timeframe.close_time is not None:
        yield from _against(column, timeframe.values, values, closed - 1, times, bars)


def _n_closed(timeframe: HigherTimeframe, times: Int64Array) -> Int64Array:
    """A number that grows by each close of the timeframe up to each time; some sources write a close a millisecond early."""
    if timeframe.close_time is None:
        return (times + 1) // (timeframe.minutes * MINUTE_MS)
    return np.searchsorted(timeframe.close_time, times + 1, side="right").astype(np.int64)


def _against(
    column: str, truth: Float64Array, values: Float64Array, last: Int64Array, times: Int64Array, bars: Int64Array
) -> Iterator[LeakageFinding]:
    """What it shows against the value of the last closed bar, and of the next, which has not closed."""
    inner = (last >= 0) & (last + 1 < truth.size) & np.isfinite(values)
    rows = np.flatnonzero(inner)
    if rows.size < FEWEST:
        return
    then, later, shown = truth[last[rows]], truth[last[rows] + 1], values[rows]
    early = _same(shown, later) & ~_same(shown, then)
    linked_then, linked_later = _linked(shown, then), _linked(shown, later)
    scaled = not early.any() and linked_later > LINEAR > linked_then
    if early.sum() < FEWEST and not scaled:
        return
    at = int(rows[np.argmax(early)]) if not scaled else int(rows[0])
    count = int(early.sum()) if not scaled else int(rows.size)
    reason = f"at {count:,} of {rows.size:,} decisions it shows the value of a bar that has not closed"
    evidence: dict[str, float | int | str] = {"rows": count, "link_to_closed": linked_then, "link_to_forming": linked_later}
    yield finding("L215", "critical", column, reason, bar=int(bars[at]), time_ms=int(times[at]), evidence=evidence)


def _same(one: Float64Array, other: Float64Array) -> np.ndarray:
    return np.abs(one - other) <= SAME * np.maximum(np.abs(one), np.abs(other))


def _linked(one: Float64Array, other: Float64Array) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < FEWEST or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return 0.0
    return float(abs(np.corrcoef(one[both], other[both])[0, 1]))


__all__ = ["look_at_higher_timeframes"]
