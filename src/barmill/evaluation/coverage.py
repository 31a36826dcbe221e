"""Does a band hold the share of outcomes that it says? Over all rows, within regimes, where it is wild, and through time."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.auc_interval import Interval
from barmill.evaluation.comparison.band_scores import band_coverage, coverage_band, winkler_score
from barmill.uncertainty.checked import at_least_one_row, vector

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CONFIDENCE = 0.95  # with which all figures of one kind lie in their bands, were the level true in every group
DECILES = 10
_WINDOW_OUTCOMES = 100  # outcomes of their own that a window holds unless the caller says how many rows
_MOST_WINDOWS = 200


@dataclass(frozen=True, slots=True)
class CoverageFigure:
    """What a band did on some rows.

    group : which rows; n_rows : how many, overlapping ones included
    coverage : share of outcomes inside, both ends in
    chance : where that share lies by chance if the band holds what it says, exact binomial; NaN with less than one outcome of its own
    mean_width, winkler : in the unit of the outcome
    """

    group: str
    n_rows: int
    coverage: float
    chance: Interval
    mean_width: float
    winkler: float

    @property
    def holds(self) -> bool | None:
        """Whether chance explains the coverage; None where there are too few rows to say."""
        return _within(self.coverage, self.chance)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        figures = {"group": self.group, "n_rows": self.n_rows, "coverage": self.coverage, "chance": list(self.chance)}
        return without_nan({**figures, "mean_width": self.mean_width, "winkler": self.winkler, "holds": self.holds})


@dataclass(frozen=True, slots=True)
class RollingCoverage:
    """Coverage of windows of `window` rows, each ending `step` rows after the one before; the last ends with the last row.

    last_row : of each window, a position; time_ms : its time, where the caller gave times; coverage : of each window
    chance : where all of these shares lie by chance together
    """

    window: int
    step: int
    last_row: tuple[int, ...]
    time_ms: tuple[int, ...] | None
    coverage: tuple[float, ...]
    chance: Interval

    @property
    def holds(self) -> bool | None:
        """Whether chance explains every window; None where a window holds too few rows to say."""
        return _within(min(self.coverage), self.chance) and _within(max(self.coverage), self.chance)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        times = None if self.time_ms is None else list(self.time_ms)
        where = {"window": self.window, "step": self.step, "last_row": list(self.last_row), "time_ms": times}
        return without_nan({**where, "coverage": list(self.coverage), "chance": list(self.chance), "holds": self.holds})


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """How a band of level `level` did on rows that calibration did not see.

    overlap : rows that share one outcome; a group's band of chance is that of its rows divided by it
    overall; by_regime, by_volatility : empty where none was given; rolling : through time
    """

    level: float
    overlap: float
    overall: CoverageFigure
    by_regime: tuple[CoverageFigure, ...]
    by_volatility: tuple[CoverageFigure, ...]
    rolling: RollingCoverage

    @property
    def holds(self) -> bool | None:
        """Whether chance explains the coverage overall, in every group and in every window; None where nothing can be said overall."""
        parts = [figure.holds for figure in (*self.by_regime, *self.by_volatility)] + [self.rolling.holds]
        return None if self.overall.holds is None else self.overall.holds and False not in parts

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return {
            "level": self.level,
            "overlap": self.overlap,
            "overall": self.overall.to_json(),
            "by_regime": [figure.to_json() for figure in self.by_regime],
            "by_volatility": [figure.to_json() for figure in self.by_volatility],
            "rolling": self.rolling.to_json(),
            "holds": self.holds,
            "words": coverage_words(self),
        }


def coverage_report(
    y: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    alpha: float = 0.1,
    *,
    regime: npt.ArrayLike | None = None,
    volatility: npt.ArrayLike | None = None,
    overlap: float = 1.0,
    window: int | None = None,
    times_ms: npt.ArrayLike | None = None,
) -> CoverageReport:
    """Judge the (1 - alpha) band [lower, upper] on rows that neither trained the model, nor calibrated it, nor made the band.

    Of ten groups one falls outside its own 95 % interval by chance in four reports of ten. So the intervals of a kind (regimes, deciles,
    windows) are made for all of them together, by Bonferroni: with 95 % or more none falls outside if the band holds everywhere.

    Parameters
    ----------
    y, lower, upper : float64 of shape (n,), in time order and in one unit; lower <= upper
    alpha : in (0, 1), the share that is to fall outside
    regime : whole numbers of shape (n,), known at the decision; None judges no regimes
    volatility : float64 of shape (n,), known at the decision; its deciles are those of these rows, and equal values fall into one
    overlap : rows that share one outcome, at least 1: labels of 60 bars at every 15th bar, 4
    window : rows of the rolling coverage; None: as many as hold 100 outcomes of their own, at most a quarter of all
    times_ms : int64 of shape (n,), for the axis of a chart

    Raises: ShapeError for arrays that do not fit, no rows, crossing ends, or arguments out of range.
    Source: `coverage_band` (binomial), `winkler_score`; Bonferroni: Dunn (1961), JASA 56.
    """
    if not (0 < alpha < 1 and overlap >= 1):
        raise ShapeError("coverage_report", f"alpha {alpha}, overlap {overlap}", expected="alpha between 0 and 1, overlap at least 1")
    came = vector(y, "y")
    at_least_one_row(came.size, "y")
    rows = _Rows(came, vector(lower, "lower", came.size), vector(upper, "upper", came.size), alpha, overlap)
    regimes = () if regime is None else _regimes(vector(regime, "regime", rows.n))
    deciles = () if volatility is None else _deciles(vector(volatility, "volatility", rows.n))
    overall = rows.figure("all rows", np.ones(rows.n, dtype=bool), CONFIDENCE)
    times = None if times_ms is None else vector(times_ms, "times_ms", rows.n).astype(np.int64)
    return CoverageReport(1 - alpha, overlap, overall, rows.figures(regimes), rows.figures(deciles), _rolling(rows, window, times))


def coverage_words(report: CoverageReport) -> str:
    """One sentence: what the band held, whether that is what it says, and where it fails most."""
    figure, (low, high) = report.overall, report.overall.chance
    said = f"The {100 * report.level:g} % band held {_percent(figure.coverage)} of {figure.n_rows:,} outcomes"
    if report.overlap > 1:
        said += f", {report.overlap:.3g} of which count as one"
    if figure.holds is None:
        return f"{said}: too few to judge it."
    chance = f"(by chance {_percent(low)} to {_percent(high)})"
    if figure.holds:
        said += f", as it says {chance}"
    else:
        said += f": it does not hold {chance}" if figure.coverage < low else f": it is wider than it says {chance}"
    failed = [group for group in (*report.by_regime, *report.by_volatility) if group.holds is False]
    failed.sort(key=lambda group: -abs(group.coverage - report.level))
    if failed:
        where = ", ".join(f"{group.group} ({_percent(group.coverage)})" for group in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        said += f"; {'but ' if figure.holds else ''}not in {where}{more}"
    rolling = report.rolling
    ran = f"over {rolling.window:,} rows at a time it ran from {_percent(min(rolling.coverage))} to {_percent(max(rolling.coverage))}"
    judged = {True: ", which chance explains", False: ", which chance does not explain", None: ""}[rolling.holds]
    return f"{said}; {ran}{judged}."


@dataclass(frozen=True, slots=True)
class _Rows:
    y: Float64Array
    lower: Float64Array
    upper: Float64Array
    alpha: float
    overlap: float

    @property
    def n(self) -> int:
        return self.y.size

    def figure(self, group: str, held: npt.NDArray[np.bool_], confidence: float) -> CoverageFigure:
        y, lower, upper = self.y[held], self.lower[held], self.upper[held]
        chance = coverage_band(y.size / self.overlap, 1 - self.alpha, confidence)
        width, score = float(np.mean(upper - lower)), winkler_score(y, lower, upper, self.alpha)
        return CoverageFigure(group, y.size, band_coverage(y, lower, upper), chance, width, score)

    def figures(self, groups: Iterable[tuple[str, npt.NDArray[np.bool_]]]) -> tuple[CoverageFigure, ...]:
        held = list(groups)
        return tuple(self.figure(name, rows, _of_each(len(held))) for name, rows in held)


def _regimes(regime: Float64Array) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    for number in np.unique(regime).tolist():
        if number != int(number):
            raise ShapeError("regime", f"holds {number:g}", expected="numbers of regimes, whole ones")
        yield f"regime {int(number)}", regime == number


def _deciles(volatility: Float64Array) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    edges = np.quantile(volatility, np.arange(1, DECILES) / DECILES, method="inverted_cdf")
    decile = np.searchsorted(edges, volatility, side="left")
    for number in np.unique(decile).tolist():
        yield f"volatility decile {number + 1}", decile == number


def _rolling(rows: _Rows, window: int | None, times: IntArray | None) -> RollingCoverage:
    size = max(1, min(math.ceil(_WINDOW_OUTCOMES * rows.overlap), rows.n // 4)) if window is None else window
    if not 1 <= size <= rows.n:
        raise ShapeError("window", f"is {size} rows", expected=f"1 to {rows.n}")
    step = max(1, size // 4, math.ceil((rows.n - size) / _MOST_WINDOWS))
    last = np.arange(rows.n - 1, size - 2, -step)[::-1]
    inside = np.concatenate(([0], np.cumsum((rows.y >= rows.lower) & (rows.y <= rows.upper))))
    shares = (inside[last + 1] - inside[last + 1 - size]) / size
    chance = coverage_band(size / rows.overlap, 1 - rows.alpha, _of_each(last.size))
    at = None if times is None else tuple(times[last].tolist())
    return RollingCoverage(size, step, tuple(last.tolist()), at, tuple(shares.tolist()), chance)


def _of_each(n_groups: int) -> float:
    """Confidence of each interval with which all of them hold together."""
    return 1 - (1 - CONFIDENCE) / max(1, n_groups)


def _within(coverage: float, chance: Interval) -> bool | None:
    return None if math.isnan(chance.low) else chance.low <= coverage <= chance.high


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


__all__ = ["CoverageFigure", "CoverageReport", "RollingCoverage", "coverage_report", "coverage_words"]
