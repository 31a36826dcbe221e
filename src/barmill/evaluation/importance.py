"""Permutation importance: how much worse a model's log loss gets when one feature belongs to another sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.models.contract import Forecaster, Samples, View
from barmill.models.view_values import Float32Array, values_of, view_with
from barmill.uncertainty.checked import class_indices
from barmill.uncertainty.links import mean_log_loss
from barmill.views import FeatureMatrix, PatternImage

MOST_ROWS = 2000
MOST_WINDOWS = 400  # a recurrent model spends as long on these as on the matrix's rows


def permutation_importance(
    forecaster: Forecaster, samples: Samples, names: Sequence[str], seed: int, repeats: int, max_samples: int | None = None
) -> list[dict[str, Any]]:
    """Increase of the mean log loss when a feature is permuted across samples, features in order of their mean.

    A feature that shares what it knows with another shows less than it is worth, since the other still tells. In windows the
    feature's whole channel is exchanged, so what it does inside a window stays as it is.

    Parameters
    ----------
    forecaster : whose logits are judged, uncalibrated
    samples : rows that did not train it; the test block is not for this
    names : one name for each feature of the view
    seed, repeats : int; each repeat draws one permutation, used for all features alike
    max_samples : int; of more samples, as many are taken at even distances (2000 rows or 400 windows if None)

    Returns
    -------
    list of {"feature", "mean", "std"} (std over repeats, ddof=0), from the highest mean down, ties in the features' order

    Cost: 1 + n_features * repeats forecasts of at most max_samples.
    """
    if isinstance(samples.view, PatternImage):
        raise ShapeError("permutation_importance", "images have no features to exchange", expected="rows or windows of features")
    n_features = samples.view.n_features
    if len(names) != n_features:
        raise ShapeError("names", f"has {len(names)}", expected=f"{n_features}, one for each feature of the view")
    limit = max_samples or (MOST_ROWS if isinstance(samples.view, FeatureMatrix) else MOST_WINDOWS)
    if repeats < 1 or limit < 2 or len(samples) < 2:
        raise ShapeError("permutation_importance", f"{repeats} repeats of {min(len(samples), limit)} samples", expected="at least 1 of 2")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), limit)).round().astype(np.int64))
    values = values_of(samples.view.take(chosen)).copy()
    y = np.asarray(samples.y)[chosen]
    draw = np.random.default_rng(seed)
    permutations = [draw.permutation(chosen.size) for _ in range(repeats)]
    base = _loss(forecaster, values, samples.view, y)
    increases = np.empty((n_features, repeats))
    for feature in range(n_features):
        own = values[..., feature].copy()
        for repeat, permutation in enumerate(permutations):
            values[..., feature] = own[permutation]
            increases[feature, repeat] = _loss(forecaster, values, samples.view, y) - base
        values[..., feature] = own
    order = np.argsort(-increases.mean(axis=1), kind="stable")
    return [{"feature": names[i], "mean": float(increases[i].mean()), "std": float(increases[i].std(ddof=0))} for i in order]


def _loss(forecaster: Forecaster, values: Float32Array, like: View, y: npt.NDArray[np.int8]) -> float:
    logits = np.asarray(forecaster.raw(view_with(values, like)).logits, dtype=np.float64)
    return mean_log_loss(logits, class_indices(y, 2 if logits.ndim == 1 else logits.shape[1], length=logits.shape[0]))


__all__ = ["permutation_importance"]
