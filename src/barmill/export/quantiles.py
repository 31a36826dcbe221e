"""The quantiles of a forecast in a graph: around where the model points, or its own."""

from barmill.export.graph import GraphBuilder, Value
from barmill.export.values import RawValues
from barmill.uncertainty import ResidualQuantiles


def add_quantiles(graph: GraphBuilder, quantiles: ResidualQuantiles, raw: RawValues, n_classes: int) -> Value:
    """Quantiles of z, float64 (batch, n_levels), as `ResidualQuantiles.apply` gives them of what the model says."""
    if quantiles.signal == "native":
        assert raw.quantiles is not None
        return raw.quantiles
    said = raw.expected if quantiles.signal == "E_r" else _direction(graph, raw.logits, n_classes)
    assert said is not None
    location = graph.op("Add", graph.constant(quantiles.intercept), graph.op("Mul", graph.constant(quantiles.slope), said))
    return graph.op("Add", graph.op("Unsqueeze", location, graph.constant([1], "int64")), graph.constant(quantiles.offsets, "float64"))


def _direction(graph: GraphBuilder, logits: Value, n_classes: int) -> Value:
    """Log-odds of up; for more classes the score of the last less that of the first."""
    if n_classes == 2:
        return logits
    last, first = (graph.op("Gather", logits, graph.constant(column, "int64"), axis=1) for column in (n_classes - 1, 0))
    return graph.op("Sub", last, first)


__all__ = ["add_quantiles"]
