"""The weights that a gate gives by its regime columns, as nodes of a graph."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from barmill.ensembles.gating import Gating
from barmill.ensembles.regime_gate import RegimeWeights
from barmill.ensembles.softmax_gate import FARTHEST, SoftmaxWeights
from barmill.ensembles.static_weights import StaticWeights
from barmill.errors import ShapeError
from barmill.export.blends import Weights
from barmill.export.columns import add_chain, add_standardised, add_weighted_sum, split_columns
from barmill.export.graph import GraphBuilder, Value


def add_gate_weights(graph: GraphBuilder, gate: Gating, regimes: Value | None) -> Weights:
    """What `gate` gives each member. regimes : (batch, n_columns) float64, None for a gate that reads none."""
    columns: list[Value] = []
    if gate.rule.n_columns:
        if regimes is None:
            raise ShapeError("ensemble regimes", "are not given", expected=f"{gate.rule.n_columns} columns")
        columns = split_columns(graph, regimes, gate.rule.n_columns)
    return RULES[type(gate.rule)](graph, gate.rule, columns)


def _by_regime(graph: GraphBuilder, rule: RegimeWeights, columns: Sequence[Value]) -> Weights:
    """Each regime's weights by how far it is believed in; of beliefs that do not sum to 1 the shares are taken."""
    beliefs, total = list(columns), add_chain(graph, "Add", columns)
    if not rule.complete:
        left = graph.op("Max", graph.op("Sub", graph.constant(1.0), total), graph.constant(0.0))
        beliefs.append(left)
        total = graph.op("Add", total, left)
    return Weights(tuple(graph.op("Div", add_weighted_sum(graph, beliefs, own), total) for own in rule.weights.T.tolist()), by_row=True)


def _by_softmax(graph: GraphBuilder, rule: SoftmaxWeights, columns: Sequence[Value]) -> Weights:
    scaled = [
        add_standardised(graph, column, centre, scale, FARTHEST)
        for column, centre, scale in zip(columns, rule.centre.tolist(), rule.scale.tolist(), strict=True)
    ]
    scores = [
        graph.op("Add", add_weighted_sum(graph, scaled, slopes), graph.constant(intercept))
        for slopes, intercept in zip(rule.slopes.T.tolist(), rule.intercepts.tolist(), strict=True)
    ]
    top = add_chain(graph, "Max", scores)
    powers = [graph.op("Exp", graph.op("Sub", score, top)) for score in scores]
    total = add_chain(graph, "Add", powers)
    return Weights(tuple(graph.op("Div", power, total) for power in powers), by_row=True)


def _static(graph: GraphBuilder, rule: StaticWeights, columns: Sequence[Value]) -> Weights:  # noqa: ARG001 - all rules are called alike
    return Weights.constant(graph, rule.weights.tolist())


AddWeights = Callable[[GraphBuilder, Any, Sequence[Value]], Weights]

RULES: Mapping[type, AddWeights] = MappingProxyType({RegimeWeights: _by_regime, SoftmaxWeights: _by_softmax, StaticWeights: _static})


__all__ = ["RULES", "add_gate_weights"]
