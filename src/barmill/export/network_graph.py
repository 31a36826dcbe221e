"""Networks in a graph: a bundle holds them as ONNX already, and their graph is put into the one that is written."""

import json
from collections.abc import Mapping

import numpy as np

from barmill.export.graph import GraphBuilder, Value
from barmill.export.values import RawValues


def add_network(graph: GraphBuilder, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What `NetworkForecaster` says of the float32 windows `x` (batch, window, n_features)."""
    said = _in_float64(graph, files, {"window": x})
    logits = said["logits"]
    if json.loads(files["architecture.json"])["n_classes"] == 2:
        logits = graph.op("Squeeze", logits, graph.constant([1], np.int64))
    return RawValues(logits, said.get("expected"), said.get("quantiles"))


def add_pattern_network(graph: GraphBuilder, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What `PatternForecaster` says of the float32 images `x` (batch, 3, side, side)."""
    said = _in_float64(graph, files, {"image": x})
    return RawValues(said.pop("logits"), values=said)


def _in_float64(graph: GraphBuilder, files: Mapping[str, bytes], feeds: Mapping[str, Value]) -> dict[str, Value]:
    return {name: graph.cast(value, np.float64) for name, value in graph.graph(files["model.onnx"], feeds).items()}


__all__ = ["add_network", "add_pattern_network"]
