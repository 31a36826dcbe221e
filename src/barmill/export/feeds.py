"""What goes into a graph, from features and bars as a pipeline has them: for whoever compares graph and bundle, or runs a graph."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.bundles.direction import Float64Array, Rows
from barmill.bundles.ensemble_pipeline import EnsemblePipeline, Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.needed_features import needed_features
from barmill.bundles.seen_bars import SeenBars, SeenByMembers
from barmill.export.pipeline_graph import FEATURES, WINDOW
from barmill.models.view_values import values_of
from barmill.views import ImageBars, MultiResolution

Feeds: TypeAlias = dict[str, npt.NDArray[Any]]


def forecast_feeds(pipeline: Pipeline, values: Float64Array, rows: Rows, closed: SeenBars | None = None) -> Feeds:
    """The inputs of `forecast_graph` at the bars `rows`, as of `Pipeline.run`: a first axis of rows in each."""
    columns = [pipeline.names.index(name) for name in needed_features(pipeline)]
    feeds: Feeds = {FEATURES: _rows_of(values[:, columns], rows, pipeline.depth)} if columns else {}
    if isinstance(pipeline, ForecastPipeline):
        return feeds | (model_feeds(pipeline, values, rows, closed) if pipeline.sees_bars else {})
    return feeds | _of_members(pipeline, values, rows, closed)


def model_feeds(pipeline: ForecastPipeline, values: Float64Array, rows: Rows, closed: SeenBars | None = None) -> Feeds:
    """The input of `model_graph` at the bars `rows`."""
    if isinstance(closed, ImageBars):
        return {WINDOW: values_of(closed.samples(rows))}
    if isinstance(closed, MultiResolution):
        return {WINDOW: pipeline.inputs(values, rows, closed)}
    return {WINDOW: values_of(pipeline.view(pipeline.scaled(values), rows))}


def _of_members(pipeline: EnsemblePipeline, values: Float64Array, rows: Rows, closed: SeenBars | None) -> Feeds:
    feeds: Feeds = {}
    for (label, member), seen in zip(pipeline.members, closed.of if isinstance(closed, SeenByMembers) else (), strict=False):
        if seen is not None:
            first = len(values) - len(seen.ready)
            feeds[f"{label}.{WINDOW}"] = model_feeds(member, values[first:], rows - first, seen)[WINDOW]
    return feeds


def _rows_of(values: Float64Array, rows: Rows, depth: int) -> Float64Array:
    if depth == 1:
        return np.ascontiguousarray(values[rows])
    return values[rows[:, None] + np.arange(1 - depth, 1)]


__all__ = ["Feeds", "forecast_feeds", "model_feeds"]
