"""Which calibration is worth keeping, if any: fitted on the first part of the calibration rows, judged on the later part.

It stands here and not beside the calibrators, because it judges: `uncertainty` lies below `evaluation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError, SplitError
from barmill.evaluation.calibration_gain import ALPHA, CalibrationGain, calibration_gain
from barmill.evaluation.comparison.holm import holm_adjusted
from barmill.splits import OrderedSpans, purge
from barmill.uncertainty import Calibration, fit_calibration
from barmill.uncertainty.calibration import check_methods
from barmill.uncertainty.checked import class_indices, logit_array

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
_Rows: TypeAlias = tuple[Float64Array, Int64Array]  # logits and classes

CANDIDATES = (("temperature_scaling",), ("platt",), ("beta",), ("isotonic",), ("isotonic", "temperature_scaling"))
LEAST_INDEPENDENT = 20  # later rows over their overlap: with fewer, a test that knows of so few outcomes is wrong too often


@dataclass(frozen=True, slots=True)
class TriedCalibration:
    """One chain on the rows after those that it was fitted on.

    methods : the chain
    gain : what it did to the later rows, or None where it was not tried
    p_value : one-sided, of the log loss not being lower than without calibration, Holm's over the chains; NaN where undefined
    kept_out : why it is not kept, or "" for the one that is
    """

    methods: tuple[str, ...]
    gain: CalibrationGain | None
    p_value: float
    kept_out: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        gain = None if self.gain is None else self.gain.to_json()
        return without_nan({"methods": list(self.methods), "gain": gain, "p_value": self.p_value, "kept_out": self.kept_out})


@dataclass(frozen=True, slots=True)
class CalibrationChoice:
    """What was chosen, and the evidence.

    calibration : fitted on all calibration rows; without steps where no chain was worth it
    tried : each candidate
    n_fitted, n_purged, n_judged : int, rows of the first part that fitted the candidates, that were let go because their labels meet
        the later part, and rows of the later part
    overlap : int, later rows that share an outcome
    """

    calibration: Calibration
    tried: tuple[TriedCalibration, ...]
    n_fitted: int
    n_purged: int
    n_judged: int
    overlap: int

    @property
    def methods(self) -> tuple[str, ...]:
        """The chain that was kept; empty for none."""
        return self.calibration.methods

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for a report; the calibration itself has its own."""
        return {
            "kept": list(self.methods),
            "tried": [tried.to_json() for tried in self.tried],
            "n_fitted": self.n_fitted,
            "n_purged": self.n_purged,
            "n_judged": self.n_judged,
            "overlap": self.overlap,
        }


def choose_calibration(
    logits: npt.ArrayLike,
    y: npt.ArrayLike,
    n_classes: int,
    t0: npt.ArrayLike,
    t1: npt.ArrayLike,
    *,
    candidates: Sequence[Sequence[str]] = CANDIDATES,
    first_share: float = 0.5,
    embargo: int = 0,
    alpha: float = ALPHA,
) -> CalibrationChoice:
    """Keep the best chain of calibrators if it is better than none by more than chance on rows that it did not see, else none.

    Each candidate is fitted on the first part of the rows, without those whose labels meet the later part, and judged on the later
    part: its log loss must be lower than without calibration by more than chance (one-sided, Diebold & Mariano, Holm's correction
    over the candidates), and its Brier score must not be higher. Of those that pass, the one of least log loss is fitted again on
    all rows. Where labels overlap so much that few outcomes are left to judge on, none passes.

    Parameters
    ----------
    logits, y, n_classes : as in `fit_calibration`, in time order: the calibration rows and no others. Rows that trained the model have no
        place here, nor rows that judge it
    t0, t1 : int of shape (n,), first and last bar of each label, in order of t0
    candidates : chains of METHODS, none of them empty
    first_share : in (0, 1), of the rows to fit on
    embargo : int, base bars, as in `purge`
    alpha : in (0, 1), how often a calibration is kept where none is better than none

    Raises: ShapeError for arrays that do not fit or an empty candidate; RecipeError for an unknown method; SplitError for labels out of
    order.
    """
    scores = logit_array(logits, n_classes)
    n = scores.shape[0]
    came = class_indices(y, n_classes, length=n)
    spans = OrderedSpans.of(t0, t1)
    if len(spans) != n or not 0 < first_share < 1 or not 0 < alpha < 1 or not all(candidates):
        found = f"{n} rows and {len(spans)} labels, first_share {first_share}, alpha {alpha}, {len(candidates)} candidates"
        raise ShapeError("choose_calibration", found, expected="a label for each row, shares between 0 and 1, no empty candidate")
    for methods in candidates:
        check_methods(methods)
    cut = int(n * first_share)
    first, later = _parts(spans, cut, embargo)
    overlap = _overlap(spans, cut)
    fit_on, judge_on = (scores[first], came[first]), (scores[later], came[later])
    too_few = _too_few(first.size, later.size, overlap)
    judged = [too_few or _judged(methods, n_classes, fit_on, judge_on, overlap, alpha) for methods in candidates]
    tried = _chosen(candidates, judged, alpha)
    kept = next((chain.methods for chain in tried if not chain.kept_out), ())
    return CalibrationChoice(fit_calibration(kept, scores, came, n_classes), tried, first.size, cut - first.size, later.size, overlap)


def _parts(spans: OrderedSpans, cut: int, embargo: int) -> tuple[Int64Array, Int64Array]:
    """Positions to fit on, purged of what meets the later ones, and the later ones."""
    later = np.arange(cut, len(spans))
    if not later.size:
        return later, later
    block = (int(spans.t0[cut]), int(spans.t1[cut:].max()))
    return purge(np.arange(cut), [block], spans.t0, spans.t1, embargo), later


def _overlap(spans: OrderedSpans, cut: int) -> int:
    """The most later rows that begin before the label of one of them ends, itself counted: so many share an outcome."""
    t0, t1 = spans.t0[cut:], spans.t1[cut:]
    return max(1, int((np.searchsorted(t0, t1, side="left") - np.arange(t0.size)).max(initial=1)))


def _too_few(n_first: int, n_later: int, overlap: int) -> str:
    """Why no chain can be tried, or ""."""
    if n_later < LEAST_INDEPENDENT * overlap:
        return f"{n_later} later rows, of which {overlap} share an outcome, are too few to judge on"
    return "" if n_first else "no row is left to fit on"


def _judged(methods: Sequence[str], n_classes: int, first: _Rows, later: _Rows, overlap: int, alpha: float) -> CalibrationGain | str:
    """What a chain fitted on `first` does to `later`, or why it could not be fitted."""
    try:
        fitted = fit_calibration(methods, *first, n_classes)
    except SplitError as error:
        return str(error)
    logits, y = later
    before, after = Calibration(n_classes).apply(logits), fitted.apply(logits)
    return calibration_gain(before, after, y, overlap=overlap, alpha=alpha)


def _chosen(candidates: Sequence[Sequence[str]], judged: Sequence[CalibrationGain | str], alpha: float) -> tuple[TriedCalibration, ...]:
    adjusted = holm_adjusted([_one_sided(gain) for gain in judged])
    passed = [
        k for k, gain in enumerate(judged) if isinstance(gain, CalibrationGain) and adjusted[k] <= alpha and gain.brier.difference <= 0
    ]
    best = min(passed, key=lambda k: _log_loss_change(judged[k]), default=None)
    return tuple(
        TriedCalibration(
            tuple(methods),
            gain if isinstance(gain, CalibrationGain) else None,
            float(adjusted[k]),
            "" if k == best else _why_not(gain, k in passed, float(adjusted[k]), alpha),
        )
        for k, (methods, gain) in enumerate(zip(candidates, judged, strict=True))
    )


def _one_sided(gain: CalibrationGain | str) -> float:
    if isinstance(gain, str):
        return float("nan")
    half = gain.log_loss.p_value / 2
    return half if gain.log_loss.difference < 0 else 1 - half


def _log_loss_change(gain: CalibrationGain | str) -> float:
    return float("inf") if isinstance(gain, str) else gain.log_loss.difference


def _why_not(gain: CalibrationGain | str, passed: bool, p_value: float, alpha: float) -> str:
    if isinstance(gain, str):
        return gain
    if passed:
        return "another chain has a lower log loss"
    if not p_value <= alpha:
        return "its log loss is not lower than without calibration by more than chance"
    return "its Brier score is higher than without calibration"


__all__ = ["CANDIDATES", "CalibrationChoice", "TriedCalibration", "choose_calibration"]
