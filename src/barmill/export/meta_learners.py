"""What a stacking learns on top of its members, as nodes of a graph: meta-features, weighted sums, shallow trees. All in float64, but
for the trees' inputs, which are float32 as they were when the trees grew."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS
from barmill.ensembles.linear_meta import LEAST, LinearMeta
from barmill.ensembles.meta_features import FARTHEST, SUREST, MetaFeatures
from barmill.ensembles.tree_meta import TreeMeta
from barmill.errors import ShapeError
from barmill.export.blends import expected_of
from barmill.export.columns import add_chain, add_clip, add_column, add_stack, add_standardised, add_weighted_sum
from barmill.export.graph import GraphBuilder, Value
from barmill.export.links import add_log_odds
from barmill.export.trees import add_trees
from barmill.export.values import RawValues, SaidValues


def add_meta_features(graph: GraphBuilder, features: MetaFeatures, said: Sequence[SaidValues], regimes: Value | None) -> list[Value]:
    """The columns that a meta-learner sees, each (batch,), in the order of `features.names`: `MetaFeatures.of`.

    regimes : (batch, n_regimes) float64, None where none is seen
    """
    classes = (None,) if features.n_classes == 2 else (2, 0)
    speakers = list(zip(features.members, said, strict=True))
    raw = [
        add_log_odds(graph, add_clip(graph, one.p if label is None else add_column(graph, one.p, label), 1 - SUREST, SUREST))
        for member, one in speakers
        if "p_up" in member.outputs
        for label in classes
    ]
    for member, one in speakers:
        if "E_r" in member.outputs:
            raw.append(expected_of(one))
        raw += [add_column(graph, one.quantiles, level) for level, name in enumerate(QUANTILE_OUTPUTS) if name in member.outputs]
    for name, column in features.regimes:
        if regimes is None:
            raise ShapeError("ensemble regimes", "are not given", expected=f"the column {name}")
        raw.append(add_column(graph, regimes, column))
    return [
        add_standardised(graph, column, centre, scale, FARTHEST)
        for column, centre, scale in zip(raw, features.centre.tolist(), features.scale.tolist(), strict=True)
    ]


def add_learner(graph: GraphBuilder, learner: LinearMeta | TreeMeta, columns: Sequence[Value]) -> RawValues:
    """What a meta-learner says of its meta-features."""
    return LEARNERS[type(learner)](graph, learner, columns)


def _linear(graph: GraphBuilder, learner: LinearMeta, columns: Sequence[Value]) -> RawValues:
    scores = [
        graph.op("Add", add_weighted_sum(graph, columns, row), graph.constant(intercept))
        for row, intercept in zip(learner.coefficients.tolist(), learner.intercepts.tolist(), strict=True)
    ]
    expected = scores.pop() if learner.with_returns else None
    if learner.logistic:
        return RawValues(scores[0] if len(scores) == 1 else add_stack(graph, scores), expected)
    if len(scores) == 1:
        return RawValues(add_log_odds(graph, add_clip(graph, scores[0], LEAST, 1 - LEAST)), expected)
    shares = [graph.op("Max", score, graph.constant(LEAST)) for score in scores]
    total = add_chain(graph, "Add", shares)
    return RawValues(graph.op("Log", add_stack(graph, [graph.op("Div", share, total) for share in shares])), expected)


def _trees(graph: GraphBuilder, learner: TreeMeta, columns: Sequence[Value]) -> RawValues:
    seen = graph.cast(add_stack(graph, columns), np.float32)
    return RawValues(add_trees(graph, learner.up, seen), None if learner.returns is None else add_trees(graph, learner.returns, seen))


AddLearner = Callable[[GraphBuilder, Any, Sequence[Value]], RawValues]

LEARNERS: Mapping[type, AddLearner] = MappingProxyType({LinearMeta: _linear, TreeMeta: _trees})


__all__ = ["LEARNERS", "add_learner", "add_meta_features"]
