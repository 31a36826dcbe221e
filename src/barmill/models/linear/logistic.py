"""Fit a logistic regression.

Source: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, 2nd ed., section 4.4.
"""

from threadpoolctl import threadpool_limits

from barmill.models.admission import admit
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.linear.explaining import linear_health
from barmill.models.linear.fitting import class_row_weights, fit_logistic_l2, inputs_of, linear_model
from barmill.models.linear.params import LogisticParams


def fit_logistic(params: LogisticParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit the coefficients by L-BFGS in float64, on one thread whatever `context.threads` says.

    `valid` is not looked at: there is nothing to stop early. Not having converged is told in the summary.
    """
    admit(spec_of("logistic"), params, train, valid, context)
    x, weights = inputs_of(train), class_row_weights(train, context.n_classes, params.class_weight)
    with threadpool_limits(limits=1):
        classes = fit_logistic_l2(x, train.y, weights, params.C, params.max_iter, params.tol)
        health = linear_health(classes.coefficients, x)
    return linear_model("logistic", classes, None, health, context)
