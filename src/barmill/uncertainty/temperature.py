"""Temperature scaling: one number that makes a model more or less sure of itself, and keeps the order of its forecasts."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.uncertainty.checked import at_least_one_row, class_indices, logit_array
from barmill.uncertainty.links import mean_log_loss, probabilities_of

COLDEST, HOTTEST = 1e-4, 1e4


class TemperatureScaling(NamedTuple):
    temperature: float
    nll_before: float
    nll_after: float


def temperature_scaling(logits: npt.ArrayLike, y: npt.ArrayLike) -> TemperatureScaling:
    """The temperature T > 0 that minimises the mean log loss of softmax(logits / T); binary: of sigmoid(logits / T).

    It may be below 1 (a model that is too timid). The loss is convex in 1/T, so the root of its derivative is the
    minimum. Where no minimum exists inside [1e-4, 1e4] (logits that separate the classes, or that point the wrong
    way), T is that end of the range: the order of the forecasts is kept in any case.

    Parameters
    ----------
    logits : float64 of shape (n,), log-odds of class 1, or (n, n_classes), scores in class order; not probabilities
    y : integers of shape (n,), the class that came; unweighted rows that the model was not trained on

    Returns
    -------
    temperature, nll_before, nll_after : floats; the losses are natural, at T = 1 and at `temperature`

    Raises: ShapeError for lengths that differ, no rows, logits that are not finite, a class out of range.
    Source: Guo, Pleiss, Sun & Weinberger (2017), ICML.
    """
    from scipy.optimize import root_scalar

    scores = logit_array(logits)
    at_least_one_row(scores.shape[0], "logits")
    if scores.ndim == 2:
        scores = scores - scores.max(axis=1, keepdims=True)  # the same probabilities, smaller rounding errors
    classes = class_indices(y, 2 if scores.ndim == 1 else scores.shape[1], length=scores.shape[0])
    right = scores * classes if scores.ndim == 1 else scores[np.arange(classes.size), classes]

    def slope(sharpness: float) -> float:
        """d loss / d(1/T): what the model expects of its own scores, less what came."""
        p = probabilities_of(scores * sharpness)
        expected = p * scores if scores.ndim == 1 else (p * scores).sum(axis=1)
        return float(np.mean(expected - right))

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0:
        temperature = HOTTEST if np.any(scores != 0) else 1.0
    elif slope(high) <= 0:
        temperature = COLDEST
    else:
        found = root_scalar(slope, bracket=(low, high), method="brentq", xtol=1e-15, rtol=1e-14, maxiter=500)
        temperature = 1 / float(found.root)
    return TemperatureScaling(temperature, mean_log_loss(scores, classes), mean_log_loss(scores / temperature, classes))


__all__ = ["TemperatureScaling", "temperature_scaling"]
