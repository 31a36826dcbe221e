"""Columns in a graph: taken apart, put together, and joined one by one, so that a row's bits do not depend on how many rows there are."""

from collections.abc import Sequence
from functools import reduce

from barmill.export.graph import GraphBuilder, Value


def add_column(graph: GraphBuilder, x: Value, column: int) -> Value:
    """One column of (batch, k), as (batch,)."""
    return graph.op("Gather", x, graph.constant(column, "int64"), axis=1)


def split_columns(graph: GraphBuilder, x: Value, n_columns: int) -> list[Value]:
    """All columns of (batch, n_columns), each (batch,)."""
    return [add_column(graph, x, column) for column in range(n_columns)]


def add_stack(graph: GraphBuilder, columns: Sequence[Value]) -> Value:
    """Columns (batch,) side by side, (batch, k)."""
    axis = graph.constant([1], "int64")
    return graph.op("Concat", *(graph.op("Unsqueeze", column, axis) for column in columns), axis=1)


def add_chain(graph: GraphBuilder, kind: str, values: Sequence[Value]) -> Value:
    """`values` joined by an operator of two, from first to last."""
    return reduce(lambda left, right: graph.op(kind, left, right), values)


def add_weighted_sum(graph: GraphBuilder, values: Sequence[Value], factors: Sequence[float]) -> Value:
    """The sum of `values`, each times its factor, one after the other: a matrix product may add up one row in another order than many."""
    return add_chain(graph, "Add", [graph.op("Mul", value, graph.constant(factor)) for value, factor in zip(values, factors, strict=True)])


def add_clip(graph: GraphBuilder, x: Value, least: float, most: float) -> Value:
    """`x` held between two numbers."""
    return graph.op("Min", graph.op("Max", x, graph.constant(least)), graph.constant(most))


def add_standardised(graph: GraphBuilder, x: Value, centre: float, scale: float, farthest: float) -> Value:
    """`x` in scales from its centre, held within `farthest` of them."""
    return add_clip(graph, graph.op("Div", graph.op("Sub", x, graph.constant(centre)), graph.constant(scale)), -farthest, farthest)


__all__ = ["add_chain", "add_clip", "add_column", "add_stack", "add_standardised", "add_weighted_sum", "split_columns"]
