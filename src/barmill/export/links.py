"""Between log-odds and probabilities in a graph: the formulas of `barmill.uncertainty.links`, in float64 and in the same order.

ONNX has no log1p; where NumPy takes one, the logarithm of the sum differs from it by no more than the rounding of that sum, 1e-16.
"""

from barmill.export.graph import GraphBuilder, Value
from barmill.uncertainty.links import SMALLEST


def add_sigmoid(graph: GraphBuilder, z: Value) -> Value:
    """1 / (1 + exp(-z)), shape kept."""
    one = graph.constant(1.0)
    decay = graph.op("Exp", graph.op("Neg", graph.op("Abs", z)))
    above = graph.op("Where", graph.op("GreaterOrEqual", z, graph.constant(0.0)), one, decay)
    return graph.op("Div", above, graph.op("Add", one, decay))


def add_softmax(graph: GraphBuilder, z: Value) -> Value:
    """exp(z) / sum(exp(z)) over the last axis of (batch, k)."""
    columns = graph.constant([1], "int64")
    scaled = graph.op("Exp", graph.op("Sub", z, graph.op("ReduceMax", z, columns, keepdims=1)))
    return graph.op("Div", scaled, graph.op("ReduceSum", scaled, columns, keepdims=1))


def add_probabilities(graph: GraphBuilder, logits: Value, n_classes: int) -> Value:
    """Sigmoid of (batch,) for two classes, softmax of (batch, k) for more."""
    return add_sigmoid(graph, logits) if n_classes == 2 else add_softmax(graph, logits)


def add_log_odds(graph: GraphBuilder, p: Value) -> Value:
    """ln(p / (1 - p)), shape kept; clipped to what keeps 0 and 1 finite."""
    inside = _clipped(graph, p)
    return graph.op("Sub", graph.op("Log", inside), graph.op("Log", graph.op("Sub", graph.constant(1.0), inside)))


def add_logits(graph: GraphBuilder, p: Value, n_classes: int) -> Value:
    """Log-odds of (batch,) for two classes, logarithms of (batch, k) for more; clipped likewise."""
    return add_log_odds(graph, p) if n_classes == 2 else graph.op("Log", _clipped(graph, p))


def add_softplus(graph: GraphBuilder, z: Value) -> Value:
    """ln(1 + exp(z)), shape kept, without overflow."""
    decay = graph.op("Exp", graph.op("Neg", graph.op("Abs", z)))
    return graph.op("Add", graph.op("Max", z, graph.constant(0.0)), graph.op("Log", graph.op("Add", graph.constant(1.0), decay)))


def add_scaled_to_one(graph: GraphBuilder, values: Value, otherwise: Value) -> Value:
    """Rows of (batch, k) that are not negative, divided by their sum; a row of zeros gives that row of `otherwise`."""
    total = graph.op("ReduceSum", values, graph.constant([1], "int64"), keepdims=1)
    some = graph.op("Greater", total, graph.constant(0.0))
    divisor = graph.op("Where", some, total, graph.constant(1.0))
    return graph.op("Where", some, graph.op("Div", values, divisor), otherwise)


def _clipped(graph: GraphBuilder, p: Value) -> Value:
    return graph.op("Min", graph.op("Max", p, graph.constant(SMALLEST)), graph.constant(1 - SMALLEST))


__all__ = ["add_log_odds", "add_logits", "add_probabilities", "add_scaled_to_one", "add_sigmoid", "add_softmax", "add_softplus"]
