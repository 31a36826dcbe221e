"""Logistic regression on one or two numbers, by Newton's method: the fit behind Platt scaling and beta calibration."""

import numpy as np
import numpy.typing as npt

from barmill.uncertainty.links import sigmoid

Float64Array = npt.NDArray[np.float64]

RIDGE = 1e-11  # of the standardised coefficients: so little that it shows only where rows separate and there is no finite optimum
_STEPS = 200
_HALVINGS = 40
_LEAST_SPREAD = 1e-100  # below it a slope would overflow, and the spread itself underflows
_FLAT = 1e-12  # of the largest curvature: below it a direction is that of columns which say the same


def fit_logistic(columns: Float64Array, target: Float64Array) -> Float64Array:
    """The w, c that minimise the summed log loss of sigmoid(columns @ w + c) on `target`.

    columns : float64 of shape (n, d), finite; one that does not vary gets the coefficient 0
    target : float64 of shape (n,), in [0, 1], not all of them 0 or all of them 1; they need not be 0 or 1

    Returns float64 of shape (d + 1,), w and then c. Columns that say the same share the coefficient.

    A step that does not lower the loss is halved until it does, which makes Newton's method safe from any start.
    Source: Lin, Lin & Weng (2007), Machine Learning 68, algorithm 1, there of one column.
    """
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    varies = (columns.max(axis=0) > columns.min(axis=0)) & (spread > _LEAST_SPREAD)
    scaled = np.where(varies, (columns - mean) / np.where(varies, spread, 1.0), 0.0)
    design = np.column_stack([scaled, np.ones(len(columns))])
    share = float(target.mean())
    w = np.zeros(design.shape[1])
    w[-1] = np.log(share) - np.log1p(-share)
    penalty = np.append(np.full(columns.shape[1], RIDGE), 0.0)
    loss = _loss(design, target, w, penalty)
    for _ in range(_STEPS):
        p = sigmoid(_scores(design, w))
        slope = np.array([np.sum(column * (p - target)) for column in design.T]) + penalty * w
        curvature = np.array([[np.sum(p * (1 - p) * one * other) for other in design.T] for one in design.T]) + np.diag(penalty)
        step = np.linalg.lstsq(curvature, slope, rcond=_FLAT)[0]
        for _ in range(_HALVINGS):
            lower = _loss(design, target, w - step, penalty)
            if lower < loss:
                break
            step = step / 2
        else:
            break  # no lower loss can be told from this one in float64
        w, loss = w - step, lower
    slopes = np.where(varies, w[:-1] / np.where(varies, spread, 1.0), 0.0)
    return np.append(slopes, w[-1] - slopes @ mean)


def _scores(design: Float64Array, w: Float64Array) -> Float64Array:
    """design @ w, added by NumPy: a product of matrices may round otherwise with another number of threads."""
    return np.sum([column * weight for column, weight in zip(design.T, w, strict=True)], axis=0)


def _loss(design: Float64Array, target: Float64Array, w: Float64Array, penalty: Float64Array) -> float:
    z = _scores(design, w)
    return float(np.sum(np.logaddexp(0.0, z) - target * z) + (penalty * w) @ w / 2)


__all__ = ["fit_logistic"]
