"""Weighted means of what members say, as nodes of a graph: what `ensembles.blend` and `ensembles.mixture` do with NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS, Member
from barmill.ensembles.mixture import KNOTS, LEVELS_AT_KNOTS
from barmill.export.columns import add_chain, add_clip, add_column, add_stack
from barmill.export.graph import GraphBuilder, Value
from barmill.export.links import add_logits
from barmill.export.values import RawValues, SaidValues
from barmill.models.contract import LEVELS

# As in `ensembles.mixture`, which tells why.
_SIDES = (0, 0, 0, 1, 2, 2, 2)
_APART = 1e-9
_EQUAL = 1e-12


@dataclass(frozen=True, slots=True)
class Weights:
    """What each member counts for: values (batch,) that differ from row to row, or numbers () that do not; each row sums to 1."""

    of: tuple[Value, ...]
    by_row: bool

    @classmethod
    def constant(cls, graph: GraphBuilder, numbers: Sequence[float]) -> "Weights":
        """The same in every row."""
        return cls(tuple(graph.constant(float(number)) for number in numbers), by_row=False)

    def beside(self, graph: GraphBuilder, place: int, columns: bool) -> Value:
        """A member's weight, of a shape that multiplies what it says: (batch,), or (batch, c) if `columns`."""
        weight = self.of[place]
        return graph.op("Unsqueeze", weight, graph.constant([1], np.int64)) if self.by_row and columns else weight


def add_mean(
    graph: GraphBuilder, values: Sequence[Value], weights: Weights, *, columns: bool, speaking: Sequence[int] | None = None
) -> Value:
    """Mean of what those who speak say, by their weights, one member after the other.

    values : of each who speaks, (batch,) or, if `columns`, (batch, c)
    speaking : their places among the weights, None for all; if only some do, their weights are made to sum to 1 again
    """
    if len(values) == 1:
        return values[0]
    places = range(len(values)) if speaking is None else speaking
    shares = [weights.beside(graph, place, columns) for place in places]
    total = add_chain(graph, "Add", [graph.op("Mul", share, value) for share, value in zip(shares, values, strict=True)])
    if len(values) == len(weights.of):
        return total
    return graph.op("Div", total, add_chain(graph, "Add", shares))


def add_blend(graph: GraphBuilder, members: Sequence[Member], said: Sequence[SaidValues], weights: Weights, n_classes: int) -> RawValues:
    """Probabilities of all members, E_r of those that declare it, quantiles of those that declare all three: `Blend.of`."""
    p = add_mean(graph, [one.p for one in said], weights, columns=n_classes > 2)
    returns = [i for i, member in enumerate(members) if "E_r" in member.outputs]
    levels = [i for i, member in enumerate(members) if set(QUANTILE_OUTPUTS) <= set(member.outputs)]
    expected = quantiles = None
    if returns:
        expected = add_mean(graph, [expected_of(said[i]) for i in returns], weights, columns=False, speaking=returns)
    if levels:
        quantiles = add_mean(graph, [said[i].quantiles for i in levels], weights, columns=True, speaking=levels)
    return RawValues(add_logits(graph, p, n_classes), expected, quantiles)


def expected_of(said: SaidValues) -> Value:
    """A member's E_r, which it declares."""
    assert said.expected is not None  # the pipeline asked the combiner once of such members, and it answered
    return said.expected


def add_mixture(graph: GraphBuilder, quantiles: Sequence[Value], weights: Sequence[float]) -> Value:
    """Quantiles of the weighted mixture, (batch, 3): `mixture_quantiles`.

    quantiles : of each member, (batch, 3); weights : of each, 0 or more, summing to 1
    """
    each = [_Member.add(graph, own) for own in quantiles]
    knots = graph.op("Concat", *(member.knots for member in each), axis=1)
    n_knots = len(KNOTS) * len(each)
    knots, _ = graph.ops("TopK", knots, graph.constant([n_knots], np.int64), n_outputs=2, axis=1, largest=0, sorted=1)
    shares = [graph.op("Mul", member.level(graph, knots), graph.constant(float(w))) for member, w in zip(each, weights, strict=True)]
    return _add_inverse(graph, knots, add_chain(graph, "Add", shares))


@dataclass(frozen=True, slots=True)
class _Member:
    """One member's distribution: its median (batch, 1), how far its outer quantiles are from there, (batch, 1), and its knots."""

    median: Value
    below: Value
    above: Value
    knots: Value

    @classmethod
    def add(cls, graph: GraphBuilder, quantiles: Value) -> "_Member":
        median = graph.op("Gather", quantiles, graph.constant([1], np.int64), axis=1)
        least = graph.op(
            "Mul", graph.op("Add", graph.constant(1.0), graph.op("Abs", median)), graph.constant(_APART)
        )  # quantiles that coincide are drawn apart
        distance = graph.op("Max", graph.op("Abs", graph.op("Sub", quantiles, median)), least)
        sides = graph.op("Gather", distance, graph.constant(_SIDES, np.int64), axis=1)
        knots = graph.op("Add", median, graph.op("Mul", sides, graph.constant(KNOTS)))
        below, above = (graph.op("Gather", distance, graph.constant([side], np.int64), axis=1) for side in (0, 2))
        return cls(median, below, above, knots)

    def level(self, graph: GraphBuilder, at: Value) -> Value:
        """Its distribution function at (batch, k): straight between the knots, which stand evenly."""
        away = graph.op("Sub", at, self.median)
        unit = graph.op("Where", graph.op("Less", away, graph.constant(0.0)), self.below, self.above)
        x = add_clip(graph, graph.op("Div", away, unit), float(KNOTS[0]), float(KNOTS[-1]))
        step = float(KNOTS[1] - KNOTS[0])
        piece = graph.op("Floor", graph.op("Div", graph.op("Sub", x, graph.constant(KNOTS[0])), graph.constant(step)))
        piece = graph.cast(add_clip(graph, piece, 0.0, len(KNOTS) - 2.0), np.int64)
        slopes = np.diff(LEVELS_AT_KNOTS) / np.diff(KNOTS)
        start, level, slope = (graph.op("Gather", graph.constant(table), piece) for table in (KNOTS[:-1], LEVELS_AT_KNOTS[:-1], slopes))
        return graph.op("Add", graph.op("Mul", graph.op("Sub", x, start), slope), level)


def _add_inverse(graph: GraphBuilder, knots: Value, level: Value) -> Value:
    """Where the function through (knots, level), rows of both ascending, reaches LEVELS: (batch, 3)."""
    levels = np.array(LEVELS)
    by_level = graph.op("Unsqueeze", level, graph.constant([1], np.int64))
    above, below = graph.constant((levels + _EQUAL)[:, None]), graph.constant((levels - _EQUAL)[:, None])
    left = graph.op("Sub", _count(graph, graph.op("LessOrEqual", by_level, above)), graph.constant(1, np.int64))
    right = _count(graph, graph.op("Less", by_level, below))
    inside = graph.op("Less", left, right)
    x_left, x_right = (graph.op("GatherElements", knots, place, axis=1) for place in (left, right))
    y_left, y_right = (graph.op("GatherElements", level, place, axis=1) for place in (left, right))
    rise = graph.op("Where", inside, graph.op("Sub", y_right, y_left), graph.constant(1.0))
    share = graph.op("Div", graph.op("Sub", graph.constant(levels), y_left), rise)
    share = graph.op("Where", inside, share, graph.constant(0.5))
    found = graph.op("Add", x_left, graph.op("Mul", share, graph.op("Sub", x_right, x_left)))
    low, middle, high = (add_column(graph, found, number) for number in range(3))
    middle = graph.op("Max", low, middle)
    return add_stack(graph, [low, middle, graph.op("Max", middle, high)])


def _count(graph: GraphBuilder, holds: Value) -> Value:
    """How many of the last axis hold."""
    return graph.op("ReduceSum", graph.cast(holds, np.int64), graph.constant([2], np.int64), keepdims=0)


__all__ = ["Weights", "add_blend", "add_mean", "add_mixture", "expected_of"]
