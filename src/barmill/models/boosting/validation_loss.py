"""The losses by which boosters stop early, in NumPy.

The boosters' own metrics add up in as many parts as there are threads, so that their last digits, and in a tie the
number of trees kept, would depend on the machine.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.models.contract import Float64Array

Predictions: TypeAlias = npt.NDArray[Any]
ValidationLoss: TypeAlias = Callable[[Predictions], float]

SMALLEST = 1e-15  # of a probability: its logarithm stays finite


def log_loss(y: npt.NDArray[np.int8], weight: Float64Array, n_classes: int) -> ValidationLoss:
    """Weighted mean of -ln p(class that came): of p_up (n,) for two classes, of class probabilities (n, 3) for three."""
    at = np.arange(y.size)
    total = weight.sum()

    def loss(p: Predictions) -> float:
        came = np.where(y == 1, p, 1.0 - p) if n_classes == 2 else p.reshape(y.size, n_classes)[at, y]
        return float(-(weight * np.log(np.maximum(came.astype(np.float64), SMALLEST))).sum() / total)

    return loss


def return_loss(z: Float64Array, weight: Float64Array, kind: str, delta: float) -> ValidationLoss:
    """Weighted mean of Huber's loss ("huber", linear beyond `delta`) or of half the square ("l2") of the error in z."""
    total = weight.sum()

    def loss(expected: Predictions) -> float:
        error = np.abs(expected.astype(np.float64) - z)
        rows = 0.5 * error**2
        if kind == "huber":
            rows = np.where(error <= delta, rows, delta * (error - 0.5 * delta))
        return float((weight * rows).sum() / total)

    return loss
