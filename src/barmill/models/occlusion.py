"""What any model looks at, asked from outside: how far its score moves when a feature is held at its median.

For models that have no explanation of their own kind. Features that act only together show what each does while the others stand.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.catalogue import load_forecaster
from barmill.models.contract import FittedModel, Float64Array, Forecaster, KeepingForecaster, ModelSpec, View
from barmill.models.explaining import evenly, explained_of, explanation_of, output_explained
from barmill.views import FeatureMatrix, MultiResolution, WindowTensor

Float32Array = npt.NDArray[np.float32]

METHOD = "occlusion"
BASELINE = "zeros, which are the median of every scaled feature"
MOST_ROWS, MOST_WINDOWS, MOST_SLOW = 512, 256, 64


def with_explanation(spec: ModelSpec, fitted: FittedModel, view: View, names: Sequence[str], keep: Path | None = None) -> FittedModel:
    """`fitted` with an explanation: its own, or by occlusion where its fit gave none.

    keep : where a slow forecaster keeps what it has said, so that features which it does not read cost it nothing
    """
    if fitted.explanation:
        return fitted
    forecaster = load_forecaster(spec, fitted.files)
    if isinstance(forecaster, KeepingForecaster):
        view = evenly(view, MOST_SLOW)
        forecaster = forecaster if keep is None else forecaster.keeping(keep)
    return replace(fitted, explanation=explain_by_occlusion(forecaster, view, names))


def explain_by_occlusion(forecaster: Forecaster, view: View, names: Sequence[str]) -> dict[str, Any]:
    """The explanation of `forecaster` on samples of `view`: a feature's contribution is the score less the score without it.

    Contributions need not add up to the score. Cost: 1 + n_features forecasts of at most 512 rows or 256 windows.
    """
    sample = evenly(view, MOST_ROWS if isinstance(view, FeatureMatrix) else MOST_WINDOWS)
    values = sample.values if isinstance(sample, FeatureMatrix) else sample.gather(np.arange(len(sample)))
    logits = forecaster.raw(sample).logits
    whole = _score(logits)
    contributions = np.empty((len(sample), len(names)))
    for feature in range(len(names)):
        without = values.copy()
        without[..., feature] = 0.0
        contributions[:, feature] = whole - _score(forecaster.raw(view_of(without, view)).logits)
    last = values if values.ndim == 2 else values[:, -1]
    explains = explained_of(2 if logits.ndim == 1 else logits.shape[1])
    return explanation_of(len(sample), {"p_up": output_explained(METHOD, explains, names, last, contributions, baseline=BASELINE)})


def _score(logits: Float64Array) -> Float64Array:
    return logits if logits.ndim == 1 else logits[:, 2] - logits[:, 0]


def view_of(values: Float32Array, like: View) -> View:
    """Samples with these values, (n, n_features) or (n, window, n_features), as a view of the kind of `like`."""
    if isinstance(like, MultiResolution):
        return MultiResolution.of_windows(values, like.lengths, like.names)
    if values.ndim == 2:
        return FeatureMatrix(values, np.arange(len(values)))
    n, window, n_features = values.shape
    return WindowTensor(values.reshape(n * window, n_features), np.arange(window - 1, n * window, window), window)


__all__ = ["explain_by_occlusion", "view_of", "with_explanation"]
