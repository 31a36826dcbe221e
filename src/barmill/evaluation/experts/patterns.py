"""The Pattern CNN, judged: each pattern by itself, all of them together, and what is said of quality and pole."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation.experts.gain import Control, Float64Array, gain_over
from barmill.evaluation.patterns import pattern_scores
from barmill.uncertainty.links import SMALLEST

QUALITY_BINS = 10


def pattern_cnn_scores(
    p: Float64Array,
    y: npt.NDArray[np.int8],
    quality: tuple[Float64Array, Float64Array],
    pole: tuple[Float64Array, Float64Array],
    taught: "TaughtPatterns",
    names: Sequence[str],
    control: Control,
) -> dict[str, Any]:
    """How well patterns are told.

    Parameters
    ----------
    p : float64 (n, k), calibrated; y : int8 (n,), the pattern that stood there
    quality, pole : what was said and what was so, float64 (n,) each; a pole that was none is NaN
    taught : the training rows, which the baseline knows
    names : of the k patterns

    Returns
    -------
    plain values: "gains", "figures", "per_class" (precision, recall, F1, average precision and numbers of each pattern), "confusion"
    ([what came][what was likeliest]) and "quality" (mean said and mean that was so, over bins of equal width of what was said).
    """
    k = p.shape[1]
    scores = pattern_scores(np.log(np.clip(p, SMALLEST, 1.0)), y, pole[1], pole[0])
    confusion = np.bincount(y.astype(np.int64) * k + p.argmax(axis=1), minlength=k * k).reshape(k, k)
    per_class = [
        {**_class_scores(name, confusion, number), "average_precision": scores.average_precision[name]} for number, name in enumerate(names)
    ]
    usual = np.broadcast_to(taught.shares, p.shape)
    is_flag = np.isfinite(pole[1])
    curve, error = _quality_curve(*quality)
    gains = [
        gain_over("log loss", _log_loss(p, y), _log_loss(usual, y), control),
        gain_over("quality error", np.abs(quality[0] - quality[1]), np.abs(taught.quality - quality[1]), control),
    ]
    if is_flag.any():
        said, came = pole[0][is_flag], pole[1][is_flag]
        gains.append(gain_over("pole error", np.abs(said - came), np.abs(taught.pole - came), control))
    return {
        "gains": gains,
        "figures": {
            "macro_f1": scores.macro_f1,
            "accuracy": scores.top1,
            "usual_accuracy": float((y == int(np.argmax(taught.shares))).mean()),
            "log_loss": float(_log_loss(p, y).mean()),
            "ece": scores.ece,
            "quality_ece": error,
            "flags": int(is_flag.sum()),
        },
        "per_class": per_class,
        "confusion": confusion.tolist(),
        "quality": curve,
    }


class TaughtPatterns:
    """What the training rows say of any row: the share of each pattern, the median quality and the median pole of flags."""

    def __init__(self, y: npt.NDArray[np.int8], quality: Float64Array, pole: Float64Array, n_classes: int) -> None:
        self.shares: Float64Array = np.bincount(y, minlength=n_classes) / len(y)
        self.quality = float(np.median(quality))
        known = pole[np.isfinite(pole)]
        self.pole = float(np.median(known)) if known.size else 0.0


def _class_scores(name: str, confusion: npt.NDArray[np.int64], number: int) -> dict[str, Any]:
    hits, came, said = (int(count) for count in (confusion[number, number], confusion[number].sum(), confusion[:, number].sum()))
    return {
        "name": name,
        "precision": hits / said if said else float("nan"),
        "recall": hits / came if came else float("nan"),
        "f1": 2 * hits / (came + said) if came + said else float("nan"),
        "n": came,
        "said": said,
    }


def _quality_curve(said: Float64Array, came: Float64Array) -> tuple[dict[str, list[float]], float]:
    """Mean quality said and found in each bin that is not empty, and the mean gap between them, weighted by rows."""
    place = np.minimum((said * QUALITY_BINS).astype(np.int64), QUALITY_BINS - 1)
    count = np.bincount(place, minlength=QUALITY_BINS)
    held = count > 0
    mean_said = np.bincount(place, weights=said, minlength=QUALITY_BINS)[held] / count[held]
    mean_came = np.bincount(place, weights=came, minlength=QUALITY_BINS)[held] / count[held]
    gap = float(count[held] @ np.abs(mean_said - mean_came) / count.sum())
    return {"said": mean_said.tolist(), "came": mean_came.tolist(), "count": count[held].tolist()}, gap


def _log_loss(p: Float64Array, y: npt.NDArray[np.int8]) -> Float64Array:
    return -np.log(np.clip(p[np.arange(len(y)), y], SMALLEST, 1.0))


__all__ = ["TaughtPatterns", "pattern_cnn_scores"]
