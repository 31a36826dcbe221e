"""What the linear models share: the L2 logistic fit, and how fitted weights become a model."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from barmill.artefacts import canonical_json
from barmill.models.class_weights import ClassWeighting, class_weights
from barmill.models.contract import FitContext, FittedModel, Float64Array, Samples
from barmill.models.linear.explaining import explain_linear, linear_health
from barmill.views import FeatureMatrix


@dataclass(frozen=True, slots=True)
class WeightedSums:
    """Scores that are weighted sums of the features.

    coefficients : (n_scores, n_features)
    intercepts : (n_scores,)
    iterations : int, what the fit took
    converged : bool, whether it ended by itself
    """

    coefficients: Float64Array
    intercepts: Float64Array
    iterations: int
    converged: bool


def inputs_of(samples: Samples) -> Float64Array:
    """The features in float64: weights of nearly equal features are differences of small numbers."""
    assert isinstance(samples.view, FeatureMatrix)
    return samples.view.values.astype(np.float64)


def class_row_weights(train: Samples, n_classes: int, weighting: ClassWeighting) -> Float64Array:
    """What each row counts for in the fit of p_up."""
    return train.weight * class_weights(train.y, n_classes, weighting)[train.y]


def fit_logistic_l2(
    x: Float64Array, y: npt.NDArray[np.int8], weights: Float64Array, inverse_penalty: float, max_iter: int, tol: float
) -> WeightedSums:
    """Least sum of weights times log loss, and half the squared coefficients over `inverse_penalty`, by L-BFGS.

    Call it on one BLAS thread: several add up in another order, and the last digits would depend on the machine's cores.
    """
    model = LogisticRegression(C=inverse_penalty, max_iter=max_iter, tol=tol, solver="lbfgs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the summary instead
        model.fit(x, y, sample_weight=weights)
    iterations = int(np.max(model.n_iter_))
    return WeightedSums(np.asarray(model.coef_, np.float64), np.asarray(model.intercept_, np.float64), iterations, iterations < max_iter)


def linear_model(
    name: str, classes: WeightedSums, returns: WeightedSums | None, health: dict[str, float], context: FitContext
) -> FittedModel:
    """The fitted model: weights as plain JSON, and how the fit went; `returns` is that of E_r, where it was asked for."""
    content: dict[str, Any] = {
        "format": 1,
        "model": name,
        "n_classes": context.n_classes,
        "coefficients": classes.coefficients.tolist(),
        "intercepts": classes.intercepts.tolist(),
    }
    summary: dict[str, Any] = {"iterations": classes.iterations, "converged": classes.converged, "health": health}
    if returns is not None:
        content["expected"] = {"coefficients": returns.coefficients[0].tolist(), "intercept": float(returns.intercepts[0])}
        summary["E_r"] = {
            "iterations": returns.iterations,
            "converged": returns.converged,
            "nonzero_weights": int(np.count_nonzero(returns.coefficients)),
        }
    context.progress.update(1, 1, f"{classes.iterations} iterations")
    explanation = explain_linear(classes.coefficients, context, None if returns is None else returns.coefficients)
    return FittedModel(name, files={"model.json": canonical_json(content)}, summary=summary, explanation=explanation)


__all__ = ["WeightedSums", "class_row_weights", "fit_logistic_l2", "inputs_of", "linear_health", "linear_model"]
