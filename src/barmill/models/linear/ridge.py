"""Fit ridge regression for the expected return, and a logistic regression of the same stiffness for the probability.

Source: Hoerl and Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems, Technometrics 12(1), 55-67;
Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, 2nd ed., equation 3.41.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from barmill.models.admission import admit
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Float64Array, Samples
from barmill.models.linear.explaining import linear_health
from barmill.models.linear.fitting import WeightedSums, class_row_weights, fit_logistic_l2, inputs_of, linear_model
from barmill.models.linear.params import RidgeParams


def fit_ridge(params: RidgeParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit both in float64, on one thread whatever `context.threads` says; `valid` is not looked at.

    Each minimises its loss, summed over the rows by their weights, and alpha / 2 times the squared coefficients: half the
    squared error of z for E_r, the log loss for p_up. Intercepts are free.
    """
    admit(spec_of("ridge"), params, train, valid, context)
    x, weights = inputs_of(train), class_row_weights(train, context.n_classes, params.class_weight)
    with threadpool_limits(limits=1):
        classes = fit_logistic_l2(x, train.y, weights, 1 / params.alpha, params.max_iter, params.tol)
        returns = solve_ridge(x, train.z, train.weight, params.alpha) if "E_r" in context.outputs else None
        health = linear_health(classes.coefficients, x)
    return linear_model("ridge", classes, returns, health, context)


def solve_ridge(x: Float64Array, z: Float64Array, weights: Float64Array, alpha: float) -> WeightedSums:
    """The coefficients that minimise half the weighted squared error and alpha / 2 times their own squares, in closed form.

    alpha : above 0, which makes the equations solvable also where features say the same
    """
    total = weights.sum()
    x_mean, z_mean = weights @ x / total, weights @ z / total
    centred = x - x_mean
    weighted = centred * weights[:, None]
    gram = weighted.T @ centred
    gram[np.diag_indices_from(gram)] += alpha
    coefficients = np.linalg.solve(gram, weighted.T @ (z - z_mean))
    return WeightedSums(coefficients[None, :], np.array([z_mean - x_mean @ coefficients]), iterations=1, converged=True)
