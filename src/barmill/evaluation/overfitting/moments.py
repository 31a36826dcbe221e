"""The four figures of a return series on which every statement about its Sharpe ratio rests. All per observation."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.performance import drop_missing, sharpe_of

Float64Array = npt.NDArray[np.float64]


class SharpeMoments(NamedTuple):
    """sr : mean / std(ddof=1); skew : m3 / m2^1.5; kurt : m4 / m2^2, never excess (a normal distribution has 3), with m_k the
    population central moments; n_obs : rows without NaN. The first three are NaN with fewer than 2 rows or without variation."""

    sr: float
    skew: float
    kurt: float
    n_obs: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def sharpe_moments(returns: npt.ArrayLike) -> SharpeMoments:
    """Sharpe ratio per observation, skewness and kurtosis of a return series; NaN rows are dropped.

    Parameters
    ----------
    returns : float64 of shape (n,), simple returns per bar, net of costs

    Raises: ShapeError for infinities or another shape.
    """
    r = drop_missing(returns).returns
    sr = sharpe_of(r, 1.0)
    if np.isnan(sr):
        return SharpeMoments(sr, sr, sr, r.size)
    centred = r - r.mean()
    squares = centred * centred
    m2 = float(squares.mean())
    m3, m4 = float((squares * centred).mean()), float((squares * squares).mean())
    if m2 * m2 == 0:  # variation that vanishes when it is squared
        return SharpeMoments(sr, float("nan"), float("nan"), r.size)
    return SharpeMoments(sr, m3 / m2**1.5, m4 / (m2 * m2), r.size)


def trial_matrix(trial_returns: npt.ArrayLike, at_least: int = 1) -> Float64Array:
    """`trial_returns` as float64 of shape (n_rows, n_trials): one column per trial, the same rows for all, NaN where there is no return.

    Raises: ShapeError for another shape, fewer than `at_least` columns, or infinities.
    """
    array = np.asarray(trial_returns, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] < at_least:
        expected = f"two dimensions, a column for each of at least {at_least} trials"
        raise ShapeError("trial_returns", f"has shape {array.shape}", expected=expected)
    if np.isinf(array).any():
        row, column = (int(place) for place in np.argwhere(np.isinf(array))[0])
        raise ShapeError(f"trial_returns row {row}, column {column}", f"is {array[row, column]}", expected="a finite number or NaN")
    return array


def whole_rows(trials: Float64Array) -> tuple[Float64Array, int]:
    """The rows in which every trial has a return, and how many were left out."""
    missing = np.isnan(trials).any(axis=1)
    n_dropped = int(missing.sum())
    return (trials[~missing] if n_dropped else trials), n_dropped


__all__ = ["SharpeMoments", "sharpe_moments", "trial_matrix", "whole_rows"]
