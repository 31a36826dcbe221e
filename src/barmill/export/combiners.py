"""Ensembles as nodes of a graph: what every kind of `Combiner` makes of its members, float64, in the order in which NumPy does it."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS, Combiner
from barmill.ensembles.fusion import Fusion
from barmill.ensembles.gating import Gating
from barmill.ensembles.stacking import Stacking
from barmill.ensembles.voting import Voting
from barmill.errors import ShapeError
from barmill.export.blends import Weights, add_blend, add_mean, add_mixture, expected_of
from barmill.export.columns import add_chain, add_stack, split_columns
from barmill.export.gates import add_gate_weights
from barmill.export.graph import GraphBuilder, Value
from barmill.export.links import add_logits, add_probabilities
from barmill.export.meta_learners import add_learner, add_meta_features
from barmill.export.values import RawValues, SaidValues


def add_combiner(graph: GraphBuilder, combiner: Combiner, said: Sequence[SaidValues], regimes: Value | None, n_classes: int) -> RawValues:
    """What `combiner.combine` says, of any fitted ensemble.

    Parameters
    ----------
    said : of each member, in the order of the members that it was fitted with
    regimes : (batch, n_regimes) float64, unscaled columns of the plan in the order that it was fitted with; None where it reads none
    n_classes : 2 or 3

    Within 1e-9 of `combine`, but where an ensemble itself jumps: a hard vote where a member's classes tie, trees on a split's
    threshold. There a member that is a last bit off is heard as it is.

    Raises: ShapeError for another number of members, or regimes that are missing.
    """
    return COMBINERS[type(combiner)](graph, combiner, said, regimes, n_classes)


def _voting(
    graph: GraphBuilder,
    voting: Voting,
    said: Sequence[SaidValues],
    regimes: Value | None,  # noqa: ARG001 - all kinds are called alike
    n_classes: int,
) -> RawValues:
    _check_members(said, len(voting.members))
    weights = Weights.constant(graph, voting.member_weights)
    of_classes = n_classes > 2
    if voting.voting_type == "soft":
        p = add_mean(graph, [one.p for one in said], weights, columns=of_classes)
    else:
        share = add_mean(graph, [_vote(graph, one.p, n_classes) for one in said], weights, columns=of_classes)
        votes = graph.op("Add", graph.op("Mul", share, graph.constant(float(len(said)))), graph.constant(1.0))
        p = graph.op("Div", votes, graph.constant(float(len(said) + n_classes)))
    expected = quantiles = None
    if "E_r" in voting.outputs:
        expected = add_mean(graph, [expected_of(one) for one in said], weights, columns=False)
    if any(name in QUANTILE_OUTPUTS for name in voting.outputs):
        own = [one.quantiles for one in said]
        by_level = voting.quantiles == "level"
        quantiles = add_mean(graph, own, weights, columns=True) if by_level else add_mixture(graph, own, voting.member_weights)
    return RawValues(add_logits(graph, p, n_classes), expected, quantiles)


def _vote(graph: GraphBuilder, p: Value, n_classes: int) -> Value:
    """1 for the class that a member holds likeliest, shared among those that tie: `votes_of`."""
    if n_classes == 2:
        half, one, none = graph.constant(0.5), graph.constant(1.0), graph.constant(0.0)
        above = graph.op("Where", graph.op("Greater", p, half), one, none)
        return graph.op("Where", graph.op("Equal", p, half), half, above)
    columns = split_columns(graph, p, n_classes)
    top = add_chain(graph, "Max", columns)
    likeliest = [graph.cast(graph.op("Equal", column, top), np.float64) for column in columns]
    total = add_chain(graph, "Add", likeliest)
    return add_stack(graph, [graph.op("Div", one, total) for one in likeliest])


def _gating(graph: GraphBuilder, gate: Gating, said: Sequence[SaidValues], regimes: Value | None, n_classes: int) -> RawValues:
    _check_members(said, len(gate.members))
    return add_blend(graph, gate.members, said, add_gate_weights(graph, gate, regimes), n_classes)


def _stacking(graph: GraphBuilder, stack: Stacking, said: Sequence[SaidValues], regimes: Value | None, n_classes: int) -> RawValues:
    speakers = list(said)
    if stack.extra is not None:
        speakers.append(_as_member(graph, *stack.extra, said, regimes, n_classes))
    _check_members(speakers, len(stack.features.members))
    raw = add_learner(graph, stack.learner, add_meta_features(graph, stack.features, speakers, regimes))
    levels = [i for i, member in enumerate(stack.features.members[: len(said)]) if set(QUANTILE_OUTPUTS) <= set(member.outputs)]
    if not levels:
        return raw
    own = [said[i].quantiles for i in levels]
    return raw._replace(quantiles=add_mean(graph, own, Weights.constant(graph, stack.quantile_weights), columns=True))


def _as_member(
    graph: GraphBuilder, extra: Combiner, columns: tuple[int, ...], said: Sequence[SaidValues], regimes: Value | None, n_classes: int
) -> SaidValues:
    """What an ensemble inside a stacking says, as one more member, by its own columns of the regimes. Its quantiles are not heard."""
    if columns and regimes is None:
        raise ShapeError("ensemble regimes", "are not given", expected=f"the columns {list(columns)}")
    own = graph.op("Gather", regimes, graph.constant(columns, np.int64), axis=1) if columns and regimes else None
    raw = add_combiner(graph, extra, said, own, n_classes)
    return SaidValues(add_probabilities(graph, raw.logits, n_classes), raw.expected, "")


def _fusion(
    graph: GraphBuilder,
    fusion: Fusion,
    said: Sequence[SaidValues],
    regimes: Value | None,  # noqa: ARG001 - all kinds are called alike
    n_classes: int,  # noqa: ARG001 - the head knows its classes
) -> RawValues:
    _check_members(said, len(fusion.features.members))
    return add_learner(graph, fusion.head, add_meta_features(graph, fusion.features, said, None))


def _check_members(said: Sequence[SaidValues], n_members: int) -> None:
    if len(said) != n_members:
        raise ShapeError("ensemble", f"{len(said)} members speak", expected=f"{n_members}")


AddCombiner = Callable[[GraphBuilder, Any, Sequence[SaidValues], Value | None, int], RawValues]

COMBINERS: Mapping[type, AddCombiner] = MappingProxyType({Fusion: _fusion, Gating: _gating, Stacking: _stacking, Voting: _voting})


__all__ = ["COMBINERS", "add_combiner"]
