"""Bands from residuals of rows that each model left out: jackknife+, CV+ and the plain jackknife."""

import math

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector
from barmill.uncertainty.conformal.intervals import Bounds
from barmill.uncertainty.conformal.rank import conformal_rank, kth_smallest

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def jackknife_plus(loo_residuals: npt.ArrayLike, loo_pred_test: npt.ArrayLike, alpha: float) -> Bounds:
    """From the floor(alpha (n + 1))-th smallest of mu_-i(x) - R_i to the ceil((1 - alpha)(n + 1))-th smallest of mu_-i(x) + R_i.

    On exchangeable rows coverage is at least 1 - 2 alpha, and near 1 - alpha where the fits are stable.

    Parameters
    ----------
    loo_residuals : float64 of shape (n,), R_i = abs(y_i - mu_-i(x_i)); mu_-i is the model fitted without row i
    loo_pred_test : float64 of shape (n, m), mu_-i(x_j) at [i, j]
    alpha : in (0, 1)

    Returns
    -------
    lower, upper : float64 of shape (m,); -inf and +inf where the rows are too few for alpha

    Raises: ShapeError for arrays that do not fit or a residual below 0.
    Cost: memory for two arrays of n m numbers.
    Source: Barber, Candès, Ramdas & Tibshirani (2021), Annals of Statistics 49, section 1 (the bound: Theorem 1).
    """
    residuals = checked_residuals(loo_residuals)
    centres = np.asarray(loo_pred_test, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[0] != residuals.size or not np.isfinite(centres).all():
        expected = f"finite numbers of shape ({residuals.size}, m)"
        raise ShapeError("loo_pred_test", f"has shape {centres.shape}", expected=expected)
    k = conformal_rank(residuals.size, alpha)
    if k > residuals.size:
        return Bounds(np.full(centres.shape[1], -math.inf), np.full(centres.shape[1], math.inf))
    below = residuals.size - k  # position of the (n + 1 - k)-th smallest, and n + 1 - ceil(x) is floor(n + 1 - x)
    lower = np.partition(centres - residuals[:, None], below, axis=0)[below]
    upper = np.partition(centres + residuals[:, None], k - 1, axis=0)[k - 1]
    return Bounds(lower, upper)


def cv_plus(residuals: npt.ArrayLike, fold: npt.ArrayLike, fold_predictions: npt.ArrayLike, alpha: float) -> Bounds:
    """Jackknife+ with K models instead of n: the model that left row i out is the one of the fold in which i stood.

    On exchangeable rows and folds of equal size coverage is at least 1 - 2 alpha - sqrt(2/n). The folds are the caller's: purged ones
    leave out the neighbours of a fold too. A row that no fold model forecast has no residual and is not given.

    Parameters
    ----------
    residuals : float64 of shape (n,), abs(y_i - mu(x_i)) by the model that did not see the fold of row i
    fold : integers of shape (n,), the fold of each row, from 0
    fold_predictions : float64 of shape (m, K), what the model of each fold says of each test row
    alpha : in (0, 1)

    Returns
    -------
    lower, upper : float64 of shape (m,); -inf and +inf where the rows are too few for alpha

    Raises: ShapeError for arrays that do not fit or a fold without a model.
    Source: Barber, Candès, Ramdas & Tibshirani (2021), Annals of Statistics 49, section 3 (the bound: Theorem 4).
    """
    errors = checked_residuals(residuals)
    said = np.asarray(fold_predictions, dtype=np.float64)
    if said.ndim != 2:
        raise ShapeError("fold_predictions", f"has shape {said.shape}", expected="(m, n_folds)")
    return jackknife_plus(errors, said[:, checked_folds(fold, errors.size, said.shape[1])].T, alpha)


def jackknife(residuals: npt.ArrayLike, pred_test: npt.ArrayLike, alpha: float) -> Bounds:
    """Prediction minus and plus the k-th smallest residual of rows left out. It promises nothing, unlike the two above.

    The residuals are those of other models (of n - 1 rows, or of folds) than the one that predicts. Where the fits are stable the band
    holds what it says all the same; where they are not, it may never hold.

    Parameters
    ----------
    residuals : float64 of shape (n,), absolute errors on rows that the model of each had not seen
    pred_test : float64 of shape (m,), of the model fitted on all rows
    alpha : in (0, 1)

    Source: Barber, Candès, Ramdas & Tibshirani (2021), Annals of Statistics 49, section 1.
    """
    errors = checked_residuals(residuals)
    q = kth_smallest(errors, conformal_rank(errors.size, alpha))
    centre = vector(pred_test, "pred_test")
    return Bounds(centre - q, centre + q)


def checked_residuals(residuals: npt.ArrayLike) -> Float64Array:
    """Absolute errors as float64 of shape (n,)."""
    errors = vector(residuals, "residuals")
    if (errors < 0).any():
        row = int(np.argmax(errors < 0))
        raise ShapeError(f"residuals row {row}", f"is {errors[row]:g}", expected="an absolute error, at least 0")
    return errors


def checked_folds(fold: npt.ArrayLike, n_rows: int, n_folds: int) -> IntArray:
    """Fold numbers as int64 of shape (n,), each in 0 .. n_folds - 1."""
    given = vector(fold, "fold", n_rows)
    numbers = given.astype(np.int64)
    wrong = (numbers != given) | (numbers < 0) | (numbers >= n_folds)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ShapeError(f"fold row {row}", f"is {given[row]:g}", expected=f"a fold from 0 to {n_folds - 1}")
    return numbers


__all__ = ["checked_folds", "checked_residuals", "cv_plus", "jackknife", "jackknife_plus"]
