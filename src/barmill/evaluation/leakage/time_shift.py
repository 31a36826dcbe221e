"""The time-shift test: a column's link to the future must not exceed what its link to the past explains.

What the honest past explains of a column is taken away, and what is left is held against the returns and the volatility that came
after. An honest column leaves next to nothing that knows the future: on markets whose oracle has an AUC of 0.7 it leaves a correlation
below 0.2. A column that sees one bar ahead leaves that bar. It is asked twice: as it stands, and without what its own value at the
decision before explains, which lays bare the newest bar of a long window.
"""

from dataclasses import dataclass

import numpy as np

from barmill.evaluation.leakage.check import Looked, Missing, finding, need, need_values
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.honest_past import directions, honest_past, local_volatility, log_moves, unexplained
from barmill.evaluation.leakage.linkage import FEWEST, Links, Turning, links, plain_link, steady
from barmill.evaluation.leakage.report import LeakageFinding, Severity
from barmill.evaluation.leakage.sampling import filled, sampled, used_rows
from barmill.evaluation.leakage.settings import LeakageSettings

HORIZONS = (1, 2, 5, 15, 60, 240)
LATER = ((5, 5), (5, 10), (15, 15), (15, 30), (15, 45), (60, 60), (60, 120))  # bars, and those that pass before they begin
SHORT = 2  # bars: within so few, volatility says little of itself that the past has not said
FEWEST_CHANGES, MOST_CHANGES = 40, 0.5  # of a column that changes now and then; a count and a share of the rows
STEADY = 0.5  # of a correlation, that must be there in the middle one of four parts in time
REACH = 5.0  # sigmas at which a future return is held
COLUMNS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a correlation that the past does not explain may be, three of its noises taken off: to look at, and to stop at."""

    odd: float
    impossible: float


# Measured on honest sets of 44 to 205 columns, of real bars and of simulated ones whose oracle has an AUC of 0.6 to 0.7: the most that was
# left was 0.08 of returns (0.14 where only closes are known, so that flow is no part of the past), and 0.10 of volatility.
RETURNS = Bounds(0.10, 0.15)
RETURNS_BY_CLOSE = Bounds(0.15, 0.20)
VOLATILITY = Bounds(0.15, 0.25)
NEXT_VOLATILITY = Bounds(0.10, 0.15)
NOISES = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Future:
    """Something that came after each decision, and what a column may know of it."""

    words: str
    values: Float64Array
    bounds: Bounds
    spans: float
    is_volatility: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Spans:
    """Orthonormal columns that span the past of the sampled decisions: all of it, and what forgets within hours."""

    all: Float64Array
    fast: Float64Array


@dataclass(frozen=True, slots=True)
class _Worst:
    """The worst of a column so far; its size is in units of what is impossible, `at` a row of the sample."""

    size: float
    future: str
    rho: float
    p: float
    at: int
    severity: Severity


def look_at_time_shift(dossier: Dossier, settings: LeakageSettings) -> Looked:
    """Columns that know more of what comes than all that came before can tell."""
    need(dossier, "t0")
    need_values(dossier)
    close = dossier.prices
    if close is None:
        raise Missing("needs the closes of the bars, which nobody gave")
    assert dossier.t0 is not None
    rows = used_rows(dossier)
    rows = sampled(rows[dossier.t0[rows] + 1 < close.size], settings)
    if rows.size < FEWEST:
        raise Missing(f"needs {FEWEST} decisions or more")
    bars = dossier.t0[rows]
    fast, slow = honest_past(close, bars, dossier.close_times, dossier.bars)
    # A slow column that is fitted by slow ones on its own rows leaves a rest that turns back to 0, as if it knew the future; what
    # forgets within hours has no room for that. So the whole of a column is freed of the fast past alone, its newest part of all.
    spans = _Spans(directions(np.hstack([fast, slow])), directions(fast))
    futures = _futures(dossier, close, rows, bars)
    n_asked = len(dossier.columns) * len(futures) * 3
    worst: dict[int, _Worst] = {}
    for start in range(0, len(dossier.columns), COLUMNS_AT_ONCE):
        values, usable = filled(dossier, rows, slice(start, start + COLUMNS_AT_ONCE))
        numbers = np.flatnonzero(usable)
        if numbers.size:
            _ask(values[:, numbers], numbers + start, spans, futures, settings.family_error / n_asked, worst)
    past = _past(close, bars)
    findings = [_tell(dossier, rows, number, worst[number], past) for number in sorted(worst)]
    return Looked(f"{len(dossier.columns)} columns know nothing of what comes that the past does not tell", tuple(findings))


def _ask(values: Float64Array, numbers: Int64Array, spans: _Spans, futures: list[Future], most_p: float, worst: dict[int, _Worst]) -> None:
    """Hold what is left of some columns against every future: as it stands, its newest part, and that where the column changes."""
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    lagged = np.vstack([standard[:1], standard[:-1]])
    left, before = unexplained(standard, spans.all), unexplained(lagged, spans.all)
    own = (left * before).sum(axis=0) / np.maximum((before * before).sum(axis=0), 1e-300)
    newest, whole = left - own * before, unexplained(standard, spans.fast)
    changes = standard != lagged
    stepping = np.flatnonzero((changes.sum(axis=0) >= FEWEST_CHANGES) & (changes.mean(axis=0) <= MOST_CHANGES)).tolist()
    every = np.arange(len(standard))
    turning_newest, turning_whole = Turning.of(newest), Turning.of(whole)
    for future in futures:
        after_all, after_fast = (unexplained(future.values[:, None], span)[:, 0] for span in (spans.all, spans.fast))
        asked = ((turning_newest, newest, after_all), (turning_whole, whole, after_fast))
        for turning, rest, series in asked[:1] if future.is_volatility else asked:
            found = turning.against(series, future.spans)
            odd = (found.at_least(NOISES) >= future.bounds.odd) & found.beyond_chance(most_p)
            for k in np.flatnonzero(odd).tolist():
                _keep(worst, int(numbers[k]), future, found.one(k), rest[:, k], series, every)
        for k in () if future.is_volatility else stepping:
            rows = np.flatnonzero(changes[:, k])
            column, series = newest[rows, k], after_all[rows]
            found = plain_link(column, series, future.spans)
            if found.at_least(NOISES)[0] >= future.bounds.odd and found.p_values()[0] <= most_p:
                _keep(worst, int(numbers[k]), future, found, column, series, rows)


def _keep(
    worst: dict[int, _Worst], number: int, future: Future, found: Links, column: Float64Array, series: Float64Array, rows: Int64Array
) -> None:
    """Remember a link if it is the column's worst so far, and there at all times."""
    rho, size = float(found.rho[0]), float(found.at_least(NOISES)[0]) / future.bounds.impossible
    if (number in worst and worst[number].size >= size) or steady(column, series) * np.sign(rho) < STEADY * abs(rho):
        return
    at = int(rows[np.argmax(column * series * np.sign(rho))])
    worst[number] = _Worst(size, future.words, rho, float(found.p_values()[0]), at, "critical" if size >= 1.0 else "info")


def _futures(dossier: Dossier, close: Float64Array, rows: Int64Array, bars: Int64Array) -> list[Future]:
    """Returns and volatility of the next bars, in units of the volatility known at the decision, and the label's own outcome."""
    x, volatility = np.log(close), local_volatility(close)[bars]
    total = np.concatenate([[0.0], np.cumsum(np.abs(log_moves(close)))])
    returns = RETURNS if dossier.bars is not None else RETURNS_BY_CLOSE
    label = 1 if dossier.t1 is None else max(1, int(np.median((dossier.t1 - _bars_of(dossier))[rows])))
    spacing = max(1.0, float(np.median(np.diff(bars))))

    def spans(length: int) -> float:
        return rows.size / max(1.0, length / spacing)

    def move(length: int, gap: int = 0) -> Float64Array:
        begin, end = (np.minimum(bars + after, close.size - 1) for after in (gap, gap + length))
        return np.clip((x[end] - x[begin]) / volatility / np.sqrt(length), -REACH, REACH)

    futures: list[Future] = []
    for length in sorted({*HORIZONS, label}):
        end = np.minimum(bars + length, close.size - 1)
        size = np.log((total[end + 1] - total[bars + 1]) / length / volatility + 0.05)
        words = "the next bar" if length == 1 else f"the next {length} bars"
        allowed = NEXT_VOLATILITY if length <= SHORT else VOLATILITY
        futures += [
            Future(f"the return of {words}", move(length), returns, spans(length)),
            Future(f"the volatility of {words}", size, allowed, spans(length), is_volatility=True),
        ]
    for length, gap in LATER:  # what is stamped too early tells of a time that is still to come, and nothing of the next bars
        futures.append(Future(f"the return of {length} bars from bar {gap} on", move(length, gap), returns, spans(length)))
    if dossier.outcome is not None:
        futures.append(Future("the label's outcome", _held(dossier.outcome[rows] / volatility), returns, spans(label)))
    return [future for future in futures if np.ptp(future.values) > 0]


def _bars_of(dossier: Dossier) -> Int64Array:
    """t0, where it is known to be there."""
    assert dossier.t0 is not None
    return dossier.t0


def _held(values: Float64Array) -> Float64Array:
    kept = np.where(np.isfinite(values), values, 0.0)
    spread = float(np.std(kept)) or 1.0
    return np.clip(kept, -REACH * spread, REACH * spread)


def _past(close: Float64Array, bars: Int64Array) -> Float64Array:
    """Returns up to each decision over the same spans: float64 (n, n_spans)."""
    x = np.log(close)
    return np.column_stack([x[bars] - x[np.maximum(bars - span, 0)] for span in HORIZONS])


def _tell(dossier: Dossier, rows: Int64Array, number: int, worst: _Worst, past: Float64Array) -> LeakageFinding:
    values, _ = filled(dossier, rows, slice(number, number + 1))
    to_past = max((abs(float(links(values, series).rho[0])) for series in past.T if np.ptp(series) > 0), default=0.0)
    bar = int(_bars_of(dossier)[rows[worst.at]])
    times = dossier.decision_times
    reason = f"what the past does not explain of it has a correlation of {worst.rho:+.2f} with {worst.future}; " + (
        "no honest column knows so much" if worst.severity == "critical" else "that is more than honest columns usually know"
    )
    evidence: dict[str, float | int | str] = {
        "correlation_left": worst.rho,
        "future": worst.future,
        "p_value": worst.p,
        "link_to_past": to_past,
        "rows": int(rows.size),
    }
    time = None if times is None else int(times[rows[worst.at]])
    return finding("L209", worst.severity, dossier.columns[number], reason, bar=bar, time_ms=time, evidence=evidence)


__all__ = ["look_at_time_shift"]
