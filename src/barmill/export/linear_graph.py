"""Linear models in a graph."""

import json
from collections.abc import Mapping

import numpy as np

from barmill.export.graph import GraphBuilder, Value
from barmill.export.values import RawValues


def add_linear(graph: GraphBuilder, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What `LinearForecaster` says: weighted sums in float64, of the float32 rows `x` (batch, n_features)."""
    content = json.loads(files["model.json"])
    rows = graph.cast(x, np.float64)
    scores = _sums(graph, rows, content["coefficients"], content["intercepts"])
    if len(content["intercepts"]) == 1:
        scores = _only_column(graph, scores)
    expected = content.get("expected")
    if expected is None:
        return RawValues(scores)
    return RawValues(scores, _only_column(graph, _sums(graph, rows, [expected["coefficients"]], [expected["intercept"]])))


def _sums(graph: GraphBuilder, rows: Value, coefficients: list[list[float]], intercepts: list[float]) -> Value:
    product = graph.op("MatMul", rows, graph.constant(np.array(coefficients, dtype=np.float64).T))
    return graph.op("Add", product, graph.constant(intercepts, np.float64))


def _only_column(graph: GraphBuilder, values: Value) -> Value:
    return graph.op("Squeeze", values, graph.constant([1], np.int64))


__all__ = ["add_linear"]
