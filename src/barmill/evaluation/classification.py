"""Scores of probabilities: ranking (AUC, average precision), honesty (log loss, Brier) and decisions (MCC, F1, confusion).

Definitions of definitions.md, section 11. In three classes (down, neither, up) ranking and Brier are of up against the
rest, so that they compare with a two-class model; log loss, MCC and confusion are of all three.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.uncertainty.checked import at_least_one_row, class_indices, class_probabilities, probabilities, vector
from barmill.uncertainty.links import SMALLEST

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


class ClassificationScores(NamedTuple):
    brier: float
    log_loss: float
    roc_auc: float
    average_precision: float


def classification_scores(p: npt.ArrayLike, y: npt.ArrayLike) -> ClassificationScores:
    """Four scores of the probability of class 1.

    Parameters
    ----------
    p : float64 of shape (n,), probability of class 1
    y : 0 or 1, shape (n,)

    Returns
    -------
    brier : mean (p - y)^2
    log_loss : natural, p clipped to [1e-15, 1 - 1e-15]
    roc_auc : share of pairs of a 1 and a 0 in which the 1 has the higher p, ties counted half
    average_precision : sum of (R_k - R_{k-1}) * P_k over distinct thresholds from high to low

    The last two are NaN where y holds one class only. Raises: ShapeError for arrays that do not fit.
    """
    said = probabilities(p)
    at_least_one_row(said.size, "p")
    came = class_indices(y, 2, length=said.size)
    return ClassificationScores(
        brier=float(np.mean((said - came) ** 2)),
        log_loss=_log_loss(np.where(came == 1, _clipped(said), 1 - _clipped(said))),
        roc_auc=_roc_auc(said, came),
        average_precision=_average_precision(said, came),
    )


def average_ranks(x: npt.ArrayLike) -> Float64Array:
    """Ranks from 1, tied values sharing their average rank: float64 of shape (n,)."""
    _, group, count = np.unique(vector(x, "x"), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[group]


def classification_metrics(p: npt.ArrayLike, y: npt.ArrayLike) -> dict[str, Any]:
    """Everything that a report says of a classifier on one block of rows.

    Parameters
    ----------
    p : float64 of shape (n,), p_up for two classes; (n, 3) in class order (down, neither, up) for three
    y : integers of shape (n,), class index

    Returns
    -------
    dict of floats, NaN where undefined, and

    - auc, pr_auc, brier, base_rate : of up against the rest
    - log_loss, log_loss_base : of all classes; the second is that of always saying the classes' own shares on these
      rows, which a model without skill cannot beat
    - mcc : Matthews' correlation of the likeliest class with what came (Gorodkin's for three); NaN if either never varies
    - f1 : of up; NaN if up neither came nor was forecast
    - confusion : list of lists of int, [what came][what was likeliest]; a p_up of exactly 0.5 is not up
    - n : int
    """
    array = np.asarray(p, dtype=np.float64)
    two = array.ndim == 1
    by_class = np.column_stack((1 - probabilities(array), array)) if two else class_probabilities(array)
    n, n_classes = by_class.shape
    at_least_one_row(n, "p")
    came = class_indices(y, n_classes, length=n)
    up, p_up = (came == n_classes - 1).astype(np.int64), by_class[:, -1]
    scores = classification_scores(p_up, up)
    shares = np.bincount(came, minlength=n_classes) / n
    confusion = np.bincount(came * n_classes + by_class.argmax(axis=1), minlength=n_classes**2).reshape(n_classes, n_classes)
    return {
        "auc": scores.roc_auc,
        "pr_auc": scores.average_precision,
        "log_loss": scores.log_loss if two else _log_loss(_clipped(by_class[np.arange(n), came])),
        "log_loss_base": _log_loss(_clipped(shares[came])),
        "brier": scores.brier,
        "mcc": _matthews(confusion),
        "f1": _f1(confusion),
        "base_rate": float(up.mean()),
        "confusion": confusion.tolist(),
        "n": n,
    }


def _log_loss(p_of_what_came: Float64Array) -> float:
    return float(-np.mean(np.log(p_of_what_came)))


def _clipped(p: Float64Array) -> Float64Array:
    return np.clip(p, SMALLEST, 1 - SMALLEST)


def _roc_auc(p: Float64Array, y: Int64Array) -> float:
    n_up = int(y.sum())
    n_rest = y.size - n_up
    if n_up == 0 or n_rest == 0:
        return float("nan")
    return float((average_ranks(p)[y == 1].sum() - n_up * (n_up + 1) / 2) / (n_up * n_rest))


def _average_precision(p: Float64Array, y: Int64Array) -> float:
    n_up = int(y.sum())
    if n_up in (0, y.size):
        return float("nan")
    values, group = np.unique(-p, return_inverse=True)
    hits = np.cumsum(np.bincount(group, weights=y, minlength=values.size))
    named = np.cumsum(np.bincount(group, minlength=values.size))
    return float(np.sum(np.diff(hits, prepend=0.0) / n_up * hits / named))


def _matthews(confusion: Int64Array) -> float:
    """R_K of Gorodkin (2004); for two classes Matthews (1975)."""
    counts = confusion.astype(np.float64)
    total, correct = counts.sum(), np.trace(counts)
    came, said = counts.sum(axis=1), counts.sum(axis=0)
    spread = (total**2 - said @ said) * (total**2 - came @ came)
    return float((correct * total - came @ said) / np.sqrt(spread)) if spread > 0 else float("nan")


def _f1(confusion: Int64Array) -> float:
    hits = int(confusion[-1, -1])
    named_or_came = int(confusion[-1].sum() + confusion[:, -1].sum())
    return 2 * hits / named_or_came if named_or_came else float("nan")


__all__ = ["ClassificationScores", "average_ranks", "classification_metrics", "classification_scores"]
