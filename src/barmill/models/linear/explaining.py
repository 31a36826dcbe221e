"""What a linear model looks at: what a deviation of each feature moves its score by, and how well its weights are determined."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.contract import FitContext, Float64Array
from barmill.models.explaining import ROWS, evenly, explained_of, explanation_of, output_explained, rounded
from barmill.views import FeatureMatrix

METHOD = "coefficients"
EXACT = 1e-12  # of the largest variance: what rounding to float32 leaves of a sum that is exact
RETURNS = "expected return in units of volatility"
BASELINE = "the mean of each feature on the rows explained"


def explain_linear(coefficients: Float64Array, context: FitContext, returns: Float64Array | None = None) -> dict[str, Any]:
    """The explanation of a score that is a weighted sum of features; {} where the context asks for none.

    A feature's size is abs(coefficient) times the feature's standard deviation on the rows explained: what a typical move of it moves
    the score by. `moves` is the same with its sign.

    Parameters
    ----------
    coefficients : (1, n_features) for two classes, (3, n_features) for three, of which the up class less the down class is explained
    returns : (1, n_features), those of E_r, where it was learned
    """
    if context.explain is None:
        return {}
    view = evenly(context.explain, ROWS)
    assert isinstance(view, FeatureMatrix)
    rows = view.values.astype(np.float64)
    weights = coefficients[0] if len(coefficients) == 1 else coefficients[2] - coefficients[0]
    outputs = {"p_up": _explained(weights, rows, explained_of(context.n_classes), context)}
    if returns is not None:
        outputs["E_r"] = _explained(returns[0], rows, RETURNS, context)
    return explanation_of(len(rows), outputs)


def _explained(weights: Float64Array, rows: Float64Array, explains: str, context: FitContext) -> dict[str, Any]:
    moves = weights * rows.std(axis=0)
    contributions = weights * (rows - rows.mean(axis=0))
    further = {"moves": moves}
    names = context.feature_names
    return output_explained(METHOD, explains, names, rows, contributions, sizes=np.abs(moves), further=further, baseline=BASELINE)


def linear_health(coefficients: Float64Array, values: npt.NDArray[np.float32] | Float64Array) -> dict[str, float]:
    """How many weights are not zero, and the condition figure of the features that they were fitted on.

    The condition figure is the ratio of the largest to the smallest standard deviation of any weighted sum of the standardised
    features: above about 30 some features say nearly the same, and how weight is shared out among them is chance (Belsley, Kuh and
    Welsch 1980, Regression diagnostics, chapter 3). `redundant_features` are as many as are exact sums of others, which the figure
    leaves out. Features that stand still are left out too, and both figures where fewer than two move.
    """
    health: dict[str, float] = {
        "nonzero_weights": int(np.count_nonzero(np.any(coefficients != 0, axis=0))),
        "largest_weight": rounded(np.abs(coefficients).max()),
    }
    x = values.astype(np.float64)
    x -= x.mean(axis=0)
    deviation = x.std(axis=0)
    moving = deviation > 0
    if np.count_nonzero(moving) > 1:
        x = x[:, moving] / deviation[moving]
        spectrum = np.linalg.eigvalsh(x.T @ x / len(x))
        apart = spectrum[spectrum > spectrum[-1] * EXACT]
        health["redundant_features"] = len(spectrum) - len(apart)
        health["condition"] = rounded(np.sqrt(apart[-1] / apart[0]))
    return health


__all__ = ["explain_linear", "linear_health"]
