"""Rows that no market gave: drawn over what the training rows reach, at the clips, and where trees decide."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.direction import Rows
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.models.contract import Float64Array, View
from barmill.views import RobustScaler

_SPREAD = 1.5  # of scaled inputs, which have about 1 on the training rows
_AT_CLIPS = 0.1  # share of numbers that are held at a clip
_BEYOND = 1.2  # clips, to which features go so that the graph must clip them


def scaled_samples(pipeline: ForecastPipeline, n: int, rng: np.random.Generator) -> View | None:
    """What a model sees, drawn number by number; None for a model of images, which no such numbers make."""
    if not isinstance(pipeline.scaler, RobustScaler | BarScaling):
        return None
    clip = pipeline.scaler.clip
    base = rng.normal(0.0, _SPREAD, (n * pipeline.width, len(pipeline.input_names))).clip(-clip, clip)
    held = rng.random(base.shape) < _AT_CLIPS
    base[held] = rng.choice([-clip, 0.0, clip], int(held.sum()))
    return pipeline.view(base.astype(np.float32), _last_rows(n, pipeline.width))


def features(
    pipeline: Pipeline, seen: Float64Array, profile: Mapping[str, Any], n: int, rng: np.random.Generator
) -> tuple[Float64Array, Rows]:
    """Features of `n` samples, each number drawn by itself, and the last row of each sample.

    A feature is drawn from its quantiles on the training rows where the bundle tells them, else from what was `seen`; whole numbers, which
    are names of regimes, always from these. Some numbers of what models see are sent beyond the clip.

    seen : float64 (n_seen, n_features), finite rows of the plan; profile : the bundle's `reference_profile`
    """
    n_rows = n * pipeline.depth
    drawn = np.empty((n_rows, seen.shape[1]))
    told: Mapping[str, Any] = profile.get("features", {})
    scaler = _feature_scaler(pipeline)
    for column, name in enumerate(pipeline.names):
        own = seen[:, column]
        whole = bool((own == np.round(own)).all())
        if name in told and not whole:
            drawn[:, column] = np.interp(rng.random(n_rows), profile["levels"], told[name]["quantiles"])
        else:
            drawn[:, column] = rng.choice(own, n_rows)
        if scaler is not None and not whole:
            far = rng.random(n_rows) < _AT_CLIPS
            reach = _BEYOND * scaler.clip * scaler.scale[column]
            drawn[far, column] = scaler.center[column] + rng.choice([-reach, reach], int(far.sum()))
    return drawn, _last_rows(n, pipeline.depth)


def features_of_inputs(
    pipeline: Pipeline, member: ForecastPipeline, inputs: npt.NDArray[np.float32], seen: Float64Array, rng: np.random.Generator
) -> tuple[Float64Array, Rows]:
    """Features that the scaler of `member`, a model of one row in `pipeline`, turns into `inputs`; all else is drawn from what was seen."""
    assert isinstance(member.scaler, RobustScaler)
    columns = [member.names.index(name) for name in member.input_names]
    drawn = rng.permuted(seen[rng.integers(0, len(seen), len(inputs) * pipeline.depth)], axis=0)
    rows = _last_rows(len(inputs), pipeline.depth)
    drawn[rows[:, None], columns] = member.scaler.center[columns] + member.scaler.scale[columns] * inputs.astype(np.float64)
    return drawn, rows


def _feature_scaler(pipeline: Pipeline) -> RobustScaler | None:
    """Of the first model that sees features."""
    models = [pipeline] if isinstance(pipeline, ForecastPipeline) else [member.pipeline for member in pipeline.members]
    return next((model.scaler for model in models if isinstance(model.scaler, RobustScaler)), None)


def _last_rows(n: int, width: int) -> Rows:
    return np.arange(width - 1, n * width, width, dtype=np.int64)


__all__ = ["features", "features_of_inputs", "scaled_samples"]
