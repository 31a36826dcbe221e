"""Platt scaling: a straight line on the scores, then a sigmoid; two numbers that move and stretch what a model says."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.uncertainty.checked import at_least_one_row, class_indices, vector

Float64Array = npt.NDArray[np.float64]


class PlattScaling(NamedTuple):
    """P(y = 1) = 1 / (1 + exp(a * score + b)); a is below 0 where higher scores mean class 1."""

    a: float
    b: float


def platt_scaling(scores: npt.ArrayLike, y: npt.ArrayLike) -> PlattScaling:
    """The a and b of greatest likelihood on smoothed targets: (n1 + 1)/(n1 + 2) for the n1 rows of class 1, 1/(n0 + 2) for the n0 others.

    The smoothing keeps both finite where scores separate the classes. Unlike a temperature it moves the base rate too; below a few
    hundred independent rows that is as often noise as a mend.

    Parameters
    ----------
    scores : float64 of shape (n,), any scale; log-odds in a chain
    y : 0 or 1, shape (n,); unweighted rows that neither trained the model nor judge the result

    Returns
    -------
    a, b : floats; a is 0 where the scores do not vary, above 0 where they point the wrong way (`rising_platt` never is)

    Raises: ShapeError for lengths that differ, no rows, scores that are not finite.
    Source: Platt (1999); Lin, Lin & Weng (2007), Machine Learning 68.
    """
    from barmill.uncertainty.logistic_fit import fit_logistic

    given = vector(scores, "scores")
    at_least_one_row(given.size, "scores")
    slope, intercept = fit_logistic(given[:, None], _smoothed(class_indices(y, 2, length=given.size)))
    return PlattScaling(-float(slope), -float(intercept))


def rising_platt(scores: Float64Array, y: npt.NDArray[np.int64]) -> PlattScaling:
    """`platt_scaling` among lines that do not turn the order round: a <= 0.

    The likelihood is concave, so where its optimum has a > 0 the best that keeps the order has a = 0: the mean target for every row. Scores
    that point the wrong way on the calibration rows have shown nothing rather than the opposite.
    """
    fitted = platt_scaling(scores, y)
    if fitted.a <= 0:
        return fitted
    share = float(_smoothed(y).mean())
    return PlattScaling(0.0, float(np.log1p(-share) - np.log(share)))


def _smoothed(y: npt.NDArray[np.int64]) -> Float64Array:
    n_1 = int(y.sum())
    return np.where(y == 1, (n_1 + 1) / (n_1 + 2), 1 / (y.size - n_1 + 2))


__all__ = ["PlattScaling", "platt_scaling", "rising_platt"]
