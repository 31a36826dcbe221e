"""Beta calibration: three numbers that bend each end of a probability by itself, where Platt's sigmoid bends both alike."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.uncertainty.checked import at_least_one_row, class_indices, probabilities
from barmill.uncertainty.links import log_odds_of

Float64Array = npt.NDArray[np.float64]


class BetaCalibration(NamedTuple):
    """P(y = 1) = 1 / (1 + exp(-(a ln p - b ln(1 - p) + c))), a and b not negative; a = b = 1 and c = 0 leave p as it is."""

    a: float
    b: float
    c: float


def beta_calibration(p: npt.ArrayLike, y: npt.ArrayLike) -> BetaCalibration:
    """The a, b >= 0 and c of greatest likelihood in P(y = 1) = 1 / (1 + exp(-(a ln p - b ln(1 - p) + c))).

    This is the likelihood ratio of two beta distributions, one of p where y = 1 and one where y = 0. With a = b it is Platt scaling of
    the log-odds; unlike that it also mends forecasts that are too sure at one end alone, and it holds the identity exactly. It is the
    logistic regression of y on ln p and -ln(1 - p). A coefficient below 0 would turn the order round: that column is left out and the
    other fitted alone, the first of them where both are, as in the authors' program; and where the other comes out below 0 too,
    only c is left.

    Parameters
    ----------
    p : float64 of shape (n,), probabilities of class 1, clipped to [1e-15, 1 - 1e-15]
    y : 0 or 1, both present, shape (n,); unweighted rows that neither trained the model nor judge the result

    Returns
    -------
    a, b, c : floats; finite also where p separates the classes, by a ridge too small to show elsewhere

    Raises: ShapeError for lengths that differ, no rows, probabilities outside [0, 1].
    Source: Kull, Silva Filho & Flach (2017), AISTATS, eq. 3 and algorithm 1.
    """
    said = probabilities(p)
    at_least_one_row(said.size, "p")
    return fit_beta(log_odds_of(said), class_indices(y, 2, length=said.size))


def fit_beta(log_odds: Float64Array, y: npt.NDArray[np.int64]) -> BetaCalibration:
    """`beta_calibration` of log-odds, which lose nothing where p is within 1e-16 of an end."""
    from barmill.uncertainty.logistic_fit import fit_logistic

    ends, target = beta_columns(log_odds), y.astype(np.float64)
    a, b, c = fit_logistic(np.column_stack(ends), target)
    if a < 0:
        a, (b, c) = 0.0, fit_logistic(ends[1][:, None], target)
    elif b < 0:
        b, (a, c) = 0.0, fit_logistic(ends[0][:, None], target)
    if a < 0 or b < 0:
        share = float(target.mean())
        a, b, c = 0.0, 0.0, np.log(share) - np.log1p(-share)
    return BetaCalibration(float(a), float(b), float(c))


def beta_columns(log_odds: Float64Array) -> tuple[Float64Array, Float64Array]:
    """ln p and -ln(1 - p) from the log-odds of p, shape kept; neither is ever clipped."""
    return -np.logaddexp(0.0, -log_odds), np.logaddexp(0.0, log_odds)


def beta_columns_at(log_odds: float) -> tuple[float, float]:
    """`beta_columns` of one number."""
    return -float(np.logaddexp(0.0, -log_odds)), float(np.logaddexp(0.0, log_odds))


__all__ = ["BetaCalibration", "beta_calibration", "beta_columns", "beta_columns_at", "fit_beta"]
