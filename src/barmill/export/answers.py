"""What models of another question than direction say, as columns of a graph: `AnsweringForecaster.table`, value by value."""

from collections.abc import Sequence

import numpy as np

from barmill.errors import SchemaError
from barmill.export.graph import GraphBuilder, Value
from barmill.export.values import RawValues


def add_answers(graph: GraphBuilder, question: str, columns: Sequence[str], raw: RawValues, p: Value, n_classes: int) -> dict[str, Value]:
    """The columns of the forecast, float64 (batch,) each.

    question : as of the model's catalogue entry, "outcomes" or "patterns"
    columns : their names, as the forecaster says them
    p : calibrated probabilities, (batch,) for two classes, (batch, k) for more
    """
    if question == "patterns":
        return dict(zip(columns, _of_patterns(graph, raw, p, n_classes, len(columns)), strict=True))
    if question != "outcomes":
        raise SchemaError(f"a model of {question}", "has no form as a graph", expected="one of direction, outcomes or patterns")
    if raw.values is None:
        return {columns[0]: p if n_classes == 2 else _column(graph, p, n_classes - 1)}
    online, quantiles = raw.values[columns[0]], raw.values[f"{columns[0]}_quantiles"]
    return dict(zip(columns, (online, *(_column(graph, quantiles, level) for level in range(len(columns) - 1))), strict=True))


def _of_patterns(graph: GraphBuilder, raw: RawValues, p: Value, n_classes: int, n_columns: int) -> list[Value]:
    assert raw.values is not None
    embedding = [_column(graph, raw.values["embedding"], number) for number in range(n_columns - n_classes - 2)]
    return [*(_column(graph, p, k) for k in range(n_classes)), raw.values["quality"], raw.values["pole_kATR"], *embedding]


def _column(graph: GraphBuilder, values: Value, number: int) -> Value:
    return graph.op("Gather", values, graph.constant(number, np.int64), axis=1)


__all__ = ["add_answers"]
