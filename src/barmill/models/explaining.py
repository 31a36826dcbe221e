"""What a fitted model looks at, as plain JSON: what the explanations of all families have in common.

An explanation spreads what a model says of a row over the row's features, against a baseline at which it says what it says of
nothing in particular. Each family does that in its own way; here its result is put into shares, directions and one figure of
concentration. It tells of the model and not of the market: a feature that matters to a model may be noise that it fell for.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.contract import Float64Array, View

FORMAT = 1
ROWS = 512  # samples of an explanation: a mean over them is known to a few percent, and trees take a second for it
RETURNS = "expected return in units of volatility"  # what the contributions to E_r add up to
DIGITS = 6  # significant; what lies beyond says nothing, and would differ between machines


def evenly(view: View, most: int) -> View:
    """At most `most` samples of `view`, at even distances, the first and the last among them."""
    if len(view) <= most:
        return view
    return view.take(np.unique(np.linspace(0, len(view) - 1, most).round().astype(np.int64)))


def explained_of(n_classes: int) -> str:
    """What the contributions add up to, in words."""
    return "log-odds of up" if n_classes == 2 else "score of up less score of down"


def explanation_of(n_rows: int, outputs: Mapping[str, Any], read_out: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The explanation of a model.

    Parameters
    ----------
    n_rows : samples that it stands on
    outputs : what `output_explained` gives, by the name of the output
    read_out : what the model itself says that it looks at or sees
    """
    return {"format": FORMAT, "rows": n_rows, "outputs": dict(outputs), "read_out": dict(read_out or {})}


def output_explained(
    method: str,
    explains: str,
    names: Sequence[str],
    values: npt.NDArray[Any],
    contributions: Float64Array,
    *,
    sizes: Float64Array | None = None,
    further: Mapping[str, npt.NDArray[Any]] | None = None,
    **told: Any,
) -> dict[str, Any]:
    """One output of a model, spread over its features.

    Parameters
    ----------
    method : "tree_shap", "integrated_gradients", "coefficients" or "occlusion"
    explains : what the contributions of a row add up to
    names : of the features
    values, contributions : shape (n, n_features) or (n, window, n_features), the inputs and what each of them adds
    sizes : (n_features,), how much each feature moves the output; the mean of abs(contribution), summed over the window, if None
    further : by name, a value for each feature
    told : whatever else is to be said of this output

    Returns
    -------
    dict with, among the above, "features": from the largest share down, {"feature", "share", "size", "direction"}; shares add up to
    1 (all are 0 where the model looks at nothing), the direction is the correlation of value and contribution (0 where either stands
    still), in windows at the bar where the feature contributes most; and "gini", see `gini`
    """
    at_positions = np.abs(contributions).mean(axis=0).reshape(-1, len(names))
    per_feature = at_positions.sum(axis=0) if sizes is None else sizes
    shares = shares_of(per_feature)
    directions = _directions(values, contributions, at_positions)
    more = further or {}
    features = [
        {
            "feature": names[i],
            "share": rounded(shares[i]),
            "size": rounded(per_feature[i]),
            "direction": rounded(directions[i]),
            **{name: rounded(column[i]) for name, column in more.items()},
        }
        for i in np.argsort(-shares, kind="stable")
    ]
    return {"method": method, "explains": explains, "features": features, "gini": _or_none(gini(shares)), **told}


def shares_of(sizes: npt.NDArray[Any]) -> Float64Array:
    """Each of `sizes`, none of which is negative, as a share of their sum; all 0 where the sum is."""
    total = float(sizes.sum())
    return np.asarray(sizes, dtype=np.float64) / total if total > 0 else np.zeros(sizes.size)


def gini(shares: npt.ArrayLike) -> float:
    """The Gini coefficient of importances: half their mean absolute difference over their mean.

    0: all features alike; (n - 1) / n: one feature has all. NaN without features, or where all shares are 0.
    Source: Gini (1912), in the form for sorted values, sum of (2 i - n - 1) x_i over n times the sum of x.
    """
    ascending = np.sort(np.asarray(shares, dtype=np.float64))
    n, total = ascending.size, float(ascending.sum())
    if not total > 0:
        return math.nan
    return float(((2 * np.arange(1, n + 1) - n - 1) * ascending).sum()) / (n * total)


def rounded(value: Any) -> float:
    """`value` to the digits that an explanation is worth."""
    return float(f"{float(value):.{DIGITS}g}")


def _or_none(value: float) -> float | None:
    return rounded(value) if math.isfinite(value) else None


def _directions(values: npt.NDArray[Any], contributions: Float64Array, sizes_PF: Float64Array) -> Float64Array:
    """The correlation of value and contribution for each feature, at the position where it contributes most.

    Not over all of them: a network that sees a bar against the window's mean takes from the others what it gives to that bar.
    """
    n, features = len(values), np.arange(sizes_PF.shape[1])
    most = sizes_PF.argmax(axis=0)
    x = values.reshape(n, *sizes_PF.shape)[:, most, features].astype(np.float64)
    c = contributions.reshape(n, *sizes_PF.shape)[:, most, features]
    x, c = x - x.mean(axis=0), c - c.mean(axis=0)
    spread = np.sqrt((x**2).sum(axis=0) * (c**2).sum(axis=0))
    return np.clip(np.divide((x * c).sum(axis=0), spread, out=np.zeros_like(spread), where=spread > 0), -1.0, 1.0)


__all__ = ["DIGITS", "RETURNS", "ROWS", "evenly", "explained_of", "explanation_of", "gini", "output_explained", "rounded", "shares_of"]
