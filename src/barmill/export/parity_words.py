"""A parity report in words: what each graph was compared on, what is wrong with it, and where to look."""

from collections.abc import Sequence

from barmill.bundles.parity_record import Comparison, Gate, GraphParity, ParityReport, gate_of

_TURNED = -0.9  # rank correlation below which an output is the bundle's turned round


def table_rows(report: ParityReport) -> list[tuple[str, ...]]:
    """Of each graph and kind of rows: how many there are, the figures of the output that differs most, and whether they pass."""
    return [
        (
            graph.name,
            comparison.kind,
            f"{comparison.rows:,}",
            worst.output,
            f"{worst.mae:.2g}",
            f"{worst.most:.2g}",
            _verdict(graph, comparison),
        )
        for graph in report.graphs
        for comparison in graph.comparisons
        for worst in (comparison.worst,)
    ]


HEADINGS = ("graph", "rows", "number", "output", "mean", "most", "")


def fault_lines(report: ParityReport) -> list[str]:
    """What misses its gate, with the row that differs most, and where the reason is to be sought; nothing of a report that passes."""
    lines: list[str] = []
    for graph in report.graphs:
        if not graph.passed:
            lines += [f"{graph.name}: {fault}" for fault in graph.faults]
            lines.append(f"{graph.name}: {cause(graph, report.graphs)}")
    return lines


def cause(graph: GraphParity, graphs: Sequence[GraphParity]) -> str:
    """Where to look for what is wrong with `graph`, told by what of it is right.

    graphs : all of the report: a model's own graph that passes clears the model
    """
    failing = [(comparison, one) for comparison in graph.comparisons for one in comparison.outputs if one.faults(_gate(graph, comparison))]
    kinds = {comparison.kind for comparison, _ in failing}
    turned = sorted({one.output for _, one in failing if one.ranks is not None and one.ranks < _TURNED})
    if turned:
        return f"{', '.join(turned)} is turned round: its order is the opposite of the bundle's"
    if kinds <= {"reference"}:
        return "ONNX Runtime agrees with the bundle, a second runtime does not: an operator is read in two ways"
    if kinds <= {"batches", "reference"}:
        return "a row depends on the rows beside it"
    if graph.quantised:
        return "rounding takes too much: leave --quantize out for this model"
    if graph.name.endswith("model.onnx"):
        if kinds <= {"thresholds", "reference"}:
            return "rows on thresholds alone fall on the other side: thresholds must be rounded down to float32, not to the nearest"
        return "the model itself: its weights, or what it makes of them"
    return _cause_of_forecast(
        kinds, {one.output for _, one in failing}, all(one.passed for one in graphs if one.name.endswith("model.onnx"))
    )


def _cause_of_forecast(kinds: set[str], outputs: set[str], models_pass: bool) -> str:
    if not models_pass:
        return "a model's own graph does not pass either: begin there"
    if kinds <= {"thresholds", "reference"}:
        return "the models pass, and rows where trees decide do not: the scaler must work in float64 and round once, at the end"
    if all(output.startswith("p_") for output in outputs):
        return "the models pass, and of the forecast the probabilities alone do not: the calibrator"
    if not any(output.startswith("p_") for output in outputs):
        return "the models and the probabilities pass, the returns do not: quantiles, unit or band"
    return "the models pass: what goes into them, the order of the features or their scaler"


def _verdict(graph: GraphParity, comparison: Comparison) -> str:
    return "FAILS" if any(one.faults(_gate(graph, comparison)) for one in comparison.outputs) else "passes"


def _gate(graph: GraphParity, comparison: Comparison) -> Gate:
    return gate_of(comparison.kind, quantised=graph.quantised)


__all__ = ["HEADINGS", "cause", "fault_lines", "table_rows"]
