"""Between log-odds and probabilities, without overflow, and each row's result depending on that row alone.

A server asks for one row at a time, and the cost of an array operation is then all call and no work: one row takes Python's floats
where these do the same sums in the same order. Exponentials and logarithms stay NumPy's, whose last bit is not Python's.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

SMALLEST = 1e-15  # definitions.md, section 11: probabilities are clipped to [1e-15, 1 - 1e-15] before a logarithm


def sigmoid(z: Float64Array) -> Float64Array:
    """1 / (1 + exp(-z)), shape kept."""
    if z.shape == (1,):
        return np.array([sigmoid_at(z.item())])
    decay = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, decay) / (1.0 + decay)


def sigmoid_at(z: float) -> float:
    """`sigmoid` of one number."""
    decay = float(np.exp(-abs(z)))
    return (1.0 if z >= 0 else decay) / (1.0 + decay)


def softmax(z: Float64Array) -> Float64Array:
    """exp(z) / sum(exp(z)) over the last axis of shape (n, K)."""
    if len(z) == 1:
        scaled = np.exp(z - max(z[0].tolist()))
        return scaled / _sum_in_order(scaled)
    scaled = np.exp(z - z.max(axis=1, keepdims=True))
    return scaled / sum_of_columns(scaled)[:, None]


def softmax_at(scores: Sequence[float]) -> list[float]:
    """`softmax` of one row of K scores."""
    top = max(scores)
    scaled = [float(np.exp(score - top)) for score in scores]
    total = reduce(add, scaled)  # Python's own sum compensates for rounding from 3.12 on, which columns added one by one do not
    return [one / total for one in scaled]


def sum_of_columns(values: Float64Array) -> Float64Array:
    """Sum over the last axis of shape (n, K), K at least 1.

    The columns are added one by one: NumPy's own sum may choose another order for one row than for many.
    """
    if len(values) == 1:
        return np.array([_sum_in_order(values)])
    total = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        total += values[:, column]
    return total


def probabilities_of(logits: Float64Array) -> Float64Array:
    """Sigmoid of (n,), softmax of (n, K)."""
    return sigmoid(logits) if logits.ndim == 1 else softmax(logits)


def logits_of(p: Float64Array) -> Float64Array:
    """Log-odds of (n,), logarithms of (n, K); probabilities are clipped, so that 0 and 1 stay finite."""
    return log_odds_of(p) if p.ndim == 1 else np.log(_clipped(p))


def log_odds_of(p: Float64Array) -> Float64Array:
    """ln(p / (1 - p)) of each number, shape kept; clipped likewise."""
    if p.shape == (1,):
        return np.array([log_odds_at(p.item())])
    clipped = _clipped(p)
    return np.log(clipped) - np.log1p(-clipped)


def log_odds_at(p: float) -> float:
    """`log_odds_of` one number."""
    inside = min(max(p, SMALLEST), 1 - SMALLEST)
    return float(np.log(inside)) - float(np.log1p(-inside))


def log_at(p: float) -> float:
    """The logarithm of one probability, clipped: `logits_of` a row of K of them, number by number."""
    return float(np.log(min(max(p, SMALLEST), 1 - SMALLEST)))


def logits_at(p: Sequence[float]) -> list[float]:
    """`logits_of` one row: of p_up alone, or of K probabilities."""
    return [log_odds_at(p[0])] if len(p) == 1 else [log_at(one) for one in p]


def scaled_to_one(values: Float64Array, otherwise: Float64Array) -> Float64Array:
    """Rows of (n, K) that are not negative, divided by their sum; a row of zeros gives that row of `otherwise`."""
    if len(values) == 1:
        sum_of_row = _sum_in_order(values)
        return values / sum_of_row if sum_of_row > 0 else otherwise
    total = sum_of_columns(values)[:, None]
    if (total > 0).all():
        return values / total
    return np.where(total > 0, values / np.where(total > 0, total, 1.0), otherwise)


def scaled_to_one_at(values: Sequence[float], otherwise: Sequence[float]) -> Sequence[float]:
    """`scaled_to_one` of one row."""
    total = reduce(add, values)
    return [value / total for value in values] if total > 0 else otherwise


def mean_log_loss(logits: Float64Array, y: npt.NDArray[np.int64]) -> float:
    """Mean natural log loss of softmax(logits) (or of the sigmoid), computed from the logits and therefore never clipped."""
    if logits.ndim == 1:
        return float(np.mean(np.logaddexp(0.0, np.where(y == 1, -logits, logits))))
    top = logits.max(axis=1)
    normaliser = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(np.mean(normaliser - logits[np.arange(y.size), y]))


def _sum_in_order(row: Float64Array) -> float:
    """Of shape (1, K). Python's own sum compensates for rounding from 3.12 on, which columns added one by one do not."""
    first, *others = row[0].tolist()
    for value in others:
        first += value
    return first


def _clipped(p: Float64Array) -> Float64Array:
    return np.minimum(np.maximum(p, SMALLEST), 1 - SMALLEST)  # np.clip of one row takes longer than all the rest


__all__ = [
    "log_at",
    "log_odds_at",
    "log_odds_of",
    "logits_at",
    "logits_of",
    "mean_log_loss",
    "probabilities_of",
    "scaled_to_one",
    "scaled_to_one_at",
    "sigmoid",
    "sigmoid_at",
    "softmax",
    "softmax_at",
    "sum_of_columns",
]
