"""What any model looks at, asked from outside: how far its score moves when a feature is held at its median.

For models that have no explanation of their own kind. Features that act only together show what each does while the others stand.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from barmill.errors import ShapeError
from barmill.models.catalogue import load_forecaster
from barmill.models.contract import FittedModel, Float64Array, Forecaster, KeepingForecaster, ModelSpec, RawForecast, View
from barmill.models.explaining import evenly, explained_of, explanation_of, output_explained
from barmill.models.view_values import values_of, view_with
from barmill.views import FeatureMatrix, PatternImage

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
    output = spec.outputs[0] if spec.question == "outcomes" else "p_up"
    return replace(fitted, explanation=explain_by_occlusion(forecaster, view, names, output))


def explain_by_occlusion(forecaster: Forecaster, view: View, names: Sequence[str], output: str = "p_up") -> dict[str, Any]:
    """The explanation of `forecaster` on samples of `view`: a feature's contribution is the score less the score without it.

    Contributions need not add up to the score. Cost: 1 + n_features forecasts of at most 512 rows or 256 windows.

    output : what is explained, the class score, or one of the forecast's `values`

    Raises: ShapeError for images, which have no features to hold.
    """
    if isinstance(view, PatternImage):
        mend = "The fit explains itself; give its context samples to do it on."
        raise ShapeError("explain_by_occlusion", "images have no features to hold", expected="rows or windows of features", mend=mend)
    sample = evenly(view, MOST_ROWS if isinstance(view, FeatureMatrix) else MOST_WINDOWS)
    values = values_of(sample)
    raw = forecaster.raw(sample)
    whole = _score(raw, output)
    contributions = np.empty((len(sample), len(names)))
    for feature in range(len(names)):
        without = values.copy()
        without[..., feature] = 0.0
        contributions[:, feature] = whole - _score(forecaster.raw(view_with(without, view)), output)
    last = values if values.ndim == 2 else values[:, -1]
    explains = explained_of(2 if raw.logits.ndim == 1 else raw.logits.shape[1]) if output == "p_up" else output
    return explanation_of(len(sample), {output: output_explained(METHOD, explains, names, last, contributions, baseline=BASELINE)})


def _score(raw: RawForecast, output: str) -> Float64Array:
    if raw.values and output in raw.values:
        return raw.values[output]
    return raw.logits if raw.logits.ndim == 1 else raw.logits[:, 2] - raw.logits[:, 0]


__all__ = ["explain_by_occlusion", "with_explanation"]
