"""Fit a logistic regression.

Source: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, 2nd ed., section 4.4.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from barmill.artefacts import canonical_json
from barmill.models.admission import admit
from barmill.models.catalogue import spec_of
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.linear.explaining import explain_linear, linear_health
from barmill.models.linear.params import LogisticParams
from barmill.views import FeatureMatrix


def fit_logistic(params: LogisticParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit the coefficients by L-BFGS in float64, on one thread whatever `context.threads` says.

    `valid` is not looked at: there is nothing to stop early. Not having converged is told in the summary.
    """
    admit(spec_of("logistic"), params, train, valid, context)
    assert isinstance(train.view, FeatureMatrix)
    weights = train.weight * class_weights(train.y, context.n_classes, params.class_weight)[train.y]
    model = LogisticRegression(C=params.C, max_iter=params.max_iter, tol=params.tol, solver="lbfgs")
    # A BLAS that adds up in several threads adds in another order: the last digits would depend on the machine's cores.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the summary instead
        model.fit(train.view.values.astype(np.float64), train.y, sample_weight=weights)
        coefficients = np.asarray(model.coef_, dtype=np.float64)
        health = linear_health(coefficients, train.view.values)
    iterations = int(np.max(model.n_iter_))
    context.progress.update(1, 1, f"{iterations} iterations")
    content = {
        "format": 1,
        "n_classes": context.n_classes,
        "coefficients": coefficients.tolist(),
        "intercepts": np.asarray(model.intercept_, dtype=np.float64).tolist(),
    }
    summary = {"iterations": iterations, "converged": iterations < params.max_iter, "health": health}
    explanation = explain_linear(coefficients, context)
    return FittedModel("logistic", files={"model.json": canonical_json(content)}, summary=summary, explanation=explanation)
