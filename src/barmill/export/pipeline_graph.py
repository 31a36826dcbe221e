"""Whole graphs: a bundle's forecast from unscaled features to its columns, and a model alone from what it sees to what it says.

A graph asks nothing and refuses nothing. So where an input is not finite every output of that row is NaN, and none is a number that
somebody could trade on; a server refuses such a row before (`barmill.bundles.guard`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from barmill.bundles.ensemble_pipeline import EnsemblePipeline, Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.image_scaling import ImageScaling
from barmill.bundles.model_parts import FittedFiles
from barmill.bundles.needed_features import needed_features
from barmill.errors import SchemaError
from barmill.export.answers import add_answers
from barmill.export.calibrators import add_calibration
from barmill.export.combiners import add_combiner
from barmill.export.forecast_steps import Row, add_forecast, add_said
from barmill.export.graph import GraphBuilder, Value
from barmill.export.model_graphs import add_model
from barmill.export.scaling import add_columns, add_scaling
from barmill.export.values import RawValues, SaidValues
from barmill.models import MODELS
from barmill.models.contract import AnsweringForecaster
from barmill.views import RobustScaler

FEATURES, WINDOW = "features", "window"
_IMAGE = (3, 64, 64)


def forecast_graph(pipeline: Pipeline, models: Sequence[FittedFiles], metadata: Mapping[str, str]) -> onnx.ModelProto:
    """A bundle's whole forecast.

    Parameters
    ----------
    pipeline : as the bundle has it
    models : the pipeline's model; of an ensemble those of its members, in their order
    metadata : what the graph says of itself

    Returns
    -------
    A graph with dynamic batch. Inputs: `features`, float64 (batch, n) of `needed_features` in their order, or (batch, rows, n) with the
    oldest row first where the deepest window has several; for a model that sees bars `window`, float32 as its view gives it (of members
    `<label>.window`), and `features` then only if any are needed. Outputs: each of `pipeline.columns`, float64 (batch,).

    Raises: SchemaError for what has no form as a graph.
    """
    graph = GraphBuilder()
    names = needed_features(pipeline)
    door = _Door(graph, names, pipeline.depth)
    row = Row(graph, names, door.newest())
    if isinstance(pipeline, EnsemblePipeline):
        columns = _add_ensemble(graph, pipeline, models, door, row)
    else:
        raw = _add_raw(graph, pipeline, models[0], door, WINDOW)
        columns = _add_single(graph, pipeline, models[0].name, raw, row)
    doubt = door.doubt()
    for name in pipeline.columns:
        graph.output(graph.op("Add", columns[name], doubt), name, np.float64, ("batch",))
    return graph.model("forecast", metadata)


def model_graph(pipeline: ForecastPipeline, model: FittedFiles, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """A model alone, before calibration.

    Returns
    -------
    A graph with dynamic batch. Input `window`, float32, what the model sees: (batch, n_inputs) scaled, (batch, window, n_inputs), or
    images (batch, 3, 64, 64). Outputs, float64: `logits` (batch,) or (batch, k), left out where the model says nothing of classes;
    `expected` (batch,) and `quantiles` (batch, 3) in z, where it learned them; what else it says under its own name.
    """
    graph = GraphBuilder()
    raw = add_model(graph, model.name, model.files, graph.input(WINDOW, np.float32, ("batch", *_seen_shape(pipeline))))
    n_classes = pipeline.n_classes
    if n_classes:
        graph.output(raw.logits, "logits", np.float64, ("batch",) if n_classes == 2 else ("batch", n_classes))
    if raw.expected is not None:
        graph.output(raw.expected, "expected", np.float64, ("batch",))
    if raw.quantiles is not None:
        graph.output(raw.quantiles, "quantiles", np.float64, ("batch", 3))
    for name, width in _further_values(pipeline, raw).items():
        assert raw.values is not None
        graph.output(raw.values[name], name, np.float64, ("batch",) if width is None else ("batch", width))
    return graph.model("model", metadata)


class _Door:
    """Where features and windows come in, and what tells whether all of them are finite."""

    def __init__(self, graph: GraphBuilder, names: Sequence[str], rows: int) -> None:
        self._graph, self.names, self._rows = graph, names, rows
        shape = ("batch", len(names)) if rows == 1 else ("batch", rows, len(names))
        self._features = graph.input(FEATURES, np.float64, shape) if names else None
        self._doubts: list[Value] = []
        if self._features is not None:
            self._see(self._features, len(shape))

    def newest(self) -> Value | None:
        """The features at the decision bar, (batch, n)."""
        if self._features is None or self._rows == 1:
            return self._features
        return self._graph.op("Gather", self._features, self._graph.constant(-1, np.int64), axis=1)

    def scaled(self, pipeline: ForecastPipeline) -> Value:
        """What a model sees of the features."""
        graph, scaler, window = self._graph, pipeline.scaler, pipeline.window
        assert isinstance(scaler, RobustScaler)
        assert self._features is not None
        seen = self._features
        if window is None:
            seen = self.newest()
            assert seen is not None
        elif self._rows == 1:
            seen = graph.op("Unsqueeze", seen, graph.constant([1], np.int64))
        elif pipeline.depth < self._rows:
            first, last, axis = (graph.constant([number], np.int64) for number in (-pipeline.depth, np.iinfo(np.int64).max, 1))
            seen = graph.op("Slice", seen, first, last, axis)
        return add_scaling(graph, scaler, pipeline.input_names, add_columns(graph, seen, self.names, pipeline.input_names))

    def window(self, pipeline: ForecastPipeline, name: str) -> Value:
        """What a model sees of bars, as an input of its own."""
        shape = _seen_shape(pipeline)
        value = self._graph.input(name, np.float32, ("batch", *shape))
        self._see(self._graph.cast(value, np.float64), 1 + len(shape))
        return value

    def doubt(self) -> Value:
        """0 where all that came in is finite, else NaN; float64 (batch,)."""
        doubts = self._doubts
        return doubts[0] if len(doubts) == 1 else self._graph.op("Sum", *doubts)

    def _see(self, value: Value, rank: int) -> None:
        graph = self._graph
        nothing = graph.op("Mul", value, graph.constant(0.0))
        self._doubts.append(graph.op("ReduceSum", nothing, graph.constant(range(1, rank), np.int64), keepdims=0))


def _seen_shape(pipeline: ForecastPipeline) -> tuple[int, ...]:
    """Shape of one sample as the model sees it."""
    if isinstance(pipeline.scaler, ImageScaling):
        return _IMAGE
    n_inputs = len(pipeline.input_names)
    return (n_inputs,) if pipeline.window is None else (pipeline.width, n_inputs)


def _add_raw(graph: GraphBuilder, pipeline: ForecastPipeline, model: FittedFiles, door: _Door, window: str) -> RawValues:
    return add_model(graph, model.name, model.files, door.window(pipeline, window) if pipeline.sees_bars else door.scaled(pipeline))


def _add_single(graph: GraphBuilder, pipeline: ForecastPipeline, name: str, raw: RawValues, row: Row) -> dict[str, Value]:
    if pipeline.direction is not None:
        assert pipeline.volatility is not None
        return add_forecast(graph, pipeline.direction, pipeline.volatility, add_said(graph, pipeline.direction, raw, row), row)
    assert isinstance(pipeline.forecaster, AnsweringForecaster)
    p = add_calibration(graph, pipeline.calibration, raw.logits, row.column(pipeline.calibration.feature))
    return add_answers(graph, MODELS[name].question, pipeline.forecaster.columns, raw, p, pipeline.n_classes)


def _add_ensemble(
    graph: GraphBuilder, pipeline: EnsemblePipeline, models: Sequence[FittedFiles], door: _Door, row: Row
) -> dict[str, Value]:
    if len(models) != len(pipeline.members):
        raise SchemaError("ensemble", f"{len(models)} models are given", expected=f"{len(pipeline.members)}, one for each member")
    said: list[SaidValues] = []
    for (label, member), model in zip(pipeline.members, models, strict=True):
        with graph.scope(f"{label}/"):
            assert member.direction is not None
            raw = _add_raw(graph, member, model, door, f"{label}.{WINDOW}")
            said.append(add_said(graph, member.direction, raw, row))
    with graph.scope("ensemble/"):
        raw = add_combiner(graph, pipeline.combiner, said, row.columns(pipeline.regimes), pipeline.n_classes)
        own = add_said(graph, pipeline.direction, raw, row)
        return add_forecast(graph, pipeline.direction, pipeline.volatility, own, row)


def _further_values(pipeline: ForecastPipeline, raw: RawValues) -> dict[str, int | None]:
    """Names of what else a model says, and how wide each is; None for one number a row."""
    if raw.values is None:
        return {}
    columns = pipeline.model_columns
    widths = {"embedding": sum(name.startswith("embedding_") for name in columns)}
    return {name: widths.get(name, len(columns) - 1 if name.endswith("_quantiles") else None) for name in raw.values}


__all__ = ["FEATURES", "WINDOW", "FittedFiles", "forecast_graph", "model_graph"]
