"""Fit linear models whose penalty sets useless coefficients to zero: least squares for E_r, logistic for p_up.

Source: Zou and Hastie (2005), Regularization and variable selection via the elastic net, Journal of the Royal Statistical
Society B 67(2), 301-320, equation 3; the logistic fit is FISTA, Beck and Teboulle (2009), A fast iterative shrinkage-
thresholding algorithm, SIAM Journal on Imaging Sciences 2(1), equations 4.1 to 4.3, with the restart of O'Donoghue and
Candes (2015), Adaptive restart for accelerated gradient schemes, Foundations of Computational Mathematics 15, equation 13.
"""

import warnings

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet
from threadpoolctl import threadpool_limits

from barmill.models.admission import admit
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Float64Array, Samples
from barmill.models.linear.explaining import linear_health
from barmill.models.linear.fitting import WeightedSums, class_row_weights, inputs_of, linear_model
from barmill.models.linear.params import ElasticNetParams


def fit_elastic_net(params: ElasticNetParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit both in float64, on one thread whatever `context.threads` says; `valid` is not looked at.

    Each minimises its weighted mean loss and alpha times (l1_ratio sum abs(w) + (1 - l1_ratio) / 2 sum w^2): half the squared
    error of z for E_r, by coordinate descent, and the log loss for p_up. Intercepts are free. Not having converged is told.
    """
    admit(spec_of("elastic_net"), params, train, valid, context)
    x, weights = inputs_of(train), class_row_weights(train, context.n_classes, params.class_weight)
    with threadpool_limits(limits=1):
        classes = fit_sparse_logistic(x, train.y, weights, context.n_classes, params)
        returns = _fit_squares(x, train, params) if "E_r" in context.outputs else None
        health = linear_health(classes.coefficients, x)
    return linear_model("elastic_net", classes, returns, health, context)


def fit_sparse_logistic(
    x: Float64Array, y: npt.NDArray[np.int8], weights: Float64Array, n_classes: int, params: ElasticNetParams
) -> WeightedSums:
    """The logistic regression; for three classes a score per class.

    Columns are centred within, which leaves the coefficients as they are and lets the steps be longer. It ends when no
    component of the step's gradient exceeds `tol`.
    """
    n, total = len(x), weights.sum()
    centre = weights @ x / total
    design = np.column_stack([x - centre, np.ones(n)])
    targets = (y == 1)[:, None].astype(np.float64) if n_classes == 2 else np.eye(n_classes)[y]
    share = (weights / total)[:, None]
    # The second derivative of the log loss is at most 1/4 for two classes and 1/2 for more.
    steepness = float(np.linalg.eigvalsh(design.T @ (design * share))[-1]) * (0.25 if n_classes == 2 else 0.5)
    l1, l2 = params.alpha * params.l1_ratio, params.alpha * (1 - params.l1_ratio)
    step = 1 / (steepness + l2)
    now = ahead = np.zeros((design.shape[1], targets.shape[1]))
    momentum, iteration, converged = 1.0, 0, False
    while iteration < params.max_iter and not converged:
        iteration += 1
        scores = design @ ahead
        p = expit(scores) if n_classes == 2 else softmax(scores, axis=1)
        gradient = design.T @ ((p - targets) * share)
        gradient[:-1] += l2 * ahead[:-1]
        moved = ahead - step * gradient
        moved[:-1] = np.sign(moved[:-1]) * np.maximum(np.abs(moved[:-1]) - step * l1, 0.0)
        converged = bool(np.abs(moved - ahead).max() <= step * params.tol)
        if ((ahead - moved) * (moved - now)).sum() > 0:  # the momentum leads uphill
            momentum, ahead = 1.0, moved
        else:
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = moved + (momentum - 1) / following * (moved - now)
            momentum = following
        now = moved
    coefficients = np.ascontiguousarray(now[:-1].T)
    return WeightedSums(coefficients, now[-1] - coefficients @ centre, iteration, converged)


def _fit_squares(x: Float64Array, train: Samples, params: ElasticNetParams) -> WeightedSums:
    model = ElasticNet(alpha=params.alpha, l1_ratio=params.l1_ratio, max_iter=params.max_iter, tol=params.tol)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(x, train.z, sample_weight=train.weight)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in told)
    iterations = int(np.max(model.n_iter_))
    return WeightedSums(np.asarray(model.coef_, np.float64)[None, :], np.array([float(model.intercept_)]), iterations, converged)
