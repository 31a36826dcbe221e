"""The scaler in a graph: the same sums in float64 as `RobustScaler.transform`, and so the same bits at the model's door."""

from collections.abc import Sequence

import numpy as np

from barmill.export.graph import GraphBuilder, Value
from barmill.views import RobustScaler


def add_scaling(graph: GraphBuilder, scaler: RobustScaler, names: Sequence[str], features: Value) -> Value:
    """The model's inputs `names`, float32, of unscaled `features` in the same order and shape: float64 (.., n), n the last axis.

    What is not finite stays so: an infinity becomes NaN, as there.
    """
    columns = np.array([scaler.names.index(name) for name in names], dtype=np.int64)
    centred = graph.op("Sub", features, graph.constant(scaler.center[columns]))
    scaled = graph.op("Div", centred, graph.constant(scaler.scale[columns]))
    return graph.cast(graph.op("Clip", scaled, graph.constant(-scaler.clip), graph.constant(scaler.clip)), "float32")


def add_columns(graph: GraphBuilder, values: Value, names: Sequence[str], wanted: Sequence[str]) -> Value:
    """The columns `wanted` of `values`, whose last axis is `names`."""
    if tuple(wanted) == tuple(names):
        return values
    return graph.op("Gather", values, graph.constant([list(names).index(name) for name in wanted], "int64"), axis=-1)


__all__ = ["add_columns", "add_scaling"]
