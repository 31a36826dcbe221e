"""How well a model tells chart patterns: the figures of the alert charter, section 2."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.calibration_error import top_label_calibration_error
from barmill.evaluation.classification import classification_scores
from barmill.models.pattern.detectors import FLAG, PATTERNS

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PatternScores:
    """top1 : share of rows whose most probable class came
    macro_f1 : mean F1 of the classes that occur, whether among the rows or among what was said; each counts the same, however rare
    average_precision : name of each pattern to the area under its precision-recall curve (steps, not trapezoids), NaN where no row has it
    ece : calibration error of the most probable class
    pole_mae : mean absolute error of the pole over flags, in ATRs, NaN where there is no flag
    """

    top1: float
    macro_f1: float
    average_precision: Mapping[str, float]
    ece: float
    pole_mae: float


def pattern_scores(
    logits: npt.ArrayLike, y: npt.ArrayLike, pole_kATR: npt.ArrayLike, said_pole_kATR: npt.ArrayLike, n_bins: int = 15
) -> PatternScores:
    """Scores of what `pattern_cnn` says of rows whose patterns are known.

    Parameters
    ----------
    logits : (n, 5), scores in the order of PATTERNS; softmax makes them probabilities
    y : (n,), class indices
    pole_kATR, said_pole_kATR : (n,), heights of poles as they are and as they were said; read at flags alone

    Raises: ShapeError if the shapes differ or there are no rows.
    """
    scores, came = np.asarray(logits, dtype=np.float64), np.asarray(y, dtype=np.int64)
    poles, said_poles = np.asarray(pole_kATR, dtype=np.float64), np.asarray(said_pole_kATR, dtype=np.float64)
    n = came.size
    if not n or scores.shape != (n, len(PATTERNS)) or poles.shape != (n,) or said_poles.shape != (n,):
        found = f"logits of shape {scores.shape}, y {came.shape}, poles {poles.shape} and {said_poles.shape}"
        raise ShapeError("pattern_scores", found, expected=f"(n, {len(PATTERNS)}) and (n,), n at least 1")
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    said = p.argmax(axis=1)
    is_flag = came == FLAG
    precision = {name: classification_scores(p[:, k], came == k).average_precision for k, name in enumerate(PATTERNS)}
    return PatternScores(
        top1=float(np.mean(said == came)),
        macro_f1=_macro_f1(came, said),
        average_precision=precision,
        ece=top_label_calibration_error(p, came, n_bins).ece,
        pole_mae=float(np.abs(poles - said_poles)[is_flag].mean()) if is_flag.any() else float("nan"),
    )


def _macro_f1(came: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> float:
    """Mean over classes of 2·hits / (came + said)."""
    hits, occurred, told = (np.bincount(which, minlength=len(PATTERNS)) for which in (came[came == said], came, said))
    seen = (occurred + told) > 0
    return float((2.0 * hits[seen] / (occurred + told)[seen]).mean())


__all__ = ["PatternScores", "pattern_scores"]
