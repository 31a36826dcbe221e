"""Foundation models in a graph: the network's own, with the sums before and behind it that `FoundationForecaster` does in NumPy."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import stdtrit

from barmill.export.graph import GraphBuilder, Value
from barmill.export.values import RawValues
from barmill.models.contract import LEVELS
from barmill.models.foundation import deciles as of_deciles
from barmill.models.foundation.forecaster import SPREAD_BARS, SUREST

_N = of_deciles.LEVELS.size


def add_foundation(graph: GraphBuilder, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What `FoundationForecaster` says of the float32 windows `x` (batch, window, n_features)."""
    about: Any = json.loads(files["architecture.json"])
    said = _in_volatilities(graph, files["model.onnx"], about, x)
    deciles = graph.op("Add", said, graph.constant(float(about["shift"])))
    outputs: list[str] = about["outputs"]
    expected = graph.op("ReduceMean", deciles, graph.constant([1], np.int64), keepdims=0) if "E_r" in outputs else None
    return RawValues(_logits(graph, deciles, about), expected, _quantiles(graph, deciles) if "q50" in outputs else None)


def _in_volatilities(graph: GraphBuilder, network: bytes, about: Mapping[str, Any], x: Value) -> Value:
    """The deciles of the gross z, float64 (batch, 9)."""
    returns = graph.cast(graph.op("Gather", x, graph.constant(int(about["target"]), np.int64), axis=2), np.float64)
    levels = graph.op("CumSum", returns, graph.constant(1, np.int64))
    newest = graph.op("Gather", levels, graph.constant([-1], np.int64), axis=1)
    window = graph.op("Unsqueeze", graph.cast(graph.op("Sub", levels, newest), np.float32), graph.constant([2], np.int64))
    ahead = graph.cast(graph.graph(network, {"window": window})["deciles"], np.float64)
    first, last, axis = (graph.constant([number], np.int64) for number in (-SPREAD_BARS, np.iinfo(np.int64).max, 1))
    recent = graph.op("Slice", returns, first, last, axis)
    mean = graph.op("ReduceMean", graph.op("Mul", recent, recent), axis, keepdims=1)
    spread = graph.op("Mul", graph.op("Sqrt", mean), graph.constant(np.sqrt(float(about["step"]))))
    moved = graph.op("Greater", spread, graph.constant(0.0))
    return graph.op("Div", ahead, graph.op("Where", moved, spread, graph.constant(np.inf)))


def _logits(graph: GraphBuilder, deciles: Value, about: Mapping[str, Any]) -> Value:
    neither, surest = float(about["neither"]), graph.constant(SUREST)
    one = graph.constant(1.0)
    if about["n_classes"] == 2:
        up = graph.op("Clip", _share_above(graph, deciles, 0.0), surest, graph.constant(1 - SUREST))
        return graph.op("Log", graph.op("Div", up, graph.op("Sub", one, up)))
    up = _share_above(graph, deciles, neither)
    down = graph.op("Sub", one, _share_above(graph, deciles, -neither))
    between = graph.op("Sub", graph.op("Sub", one, up), down)
    columns = graph.constant([1], np.int64)
    shares = graph.op("Concat", *(graph.op("Unsqueeze", share, columns) for share in (down, between, up)), axis=1)
    return graph.op("Log", graph.op("Clip", shares, surest, one))


def _share_above(graph: GraphBuilder, deciles: Value, threshold: float) -> Value:
    """`deciles.share_above` of one threshold, float64 (batch,)."""
    columns, at, levels = graph.constant([1], np.int64), graph.constant(threshold), of_deciles.LEVELS
    passed = graph.op("ReduceSum", graph.cast(graph.op("LessOrEqual", deciles, at), np.int64), columns, keepdims=1)
    left = graph.op("Clip", graph.op("Sub", passed, graph.constant(1, np.int64)), *_from_to(graph, 0, _N - 2))
    right = graph.op("Clip", passed, *_from_to(graph, 1, _N - 1))
    start, stop = (graph.op("GatherElements", deciles, place, axis=1) for place in (left, right))
    apart = graph.op("Sub", stop, start)
    share = graph.op("Div", graph.op("Sub", at, start), apart)
    within = graph.op("Where", graph.op("Greater", apart, graph.constant(0.0)), share, graph.constant(1.0))
    low, high = (graph.op("Gather", graph.constant(levels), place, axis=0) for place in (left, right))
    below = graph.op("Add", low, graph.op("Mul", within, graph.op("Sub", high, low)))
    for lower, beyond in ((True, 0), (False, _N)):
        is_beyond = graph.op("Equal", passed, graph.constant(beyond, np.int64))
        below = graph.op("Where", is_beyond, _tail(graph, deciles, at, lower=lower), below)
    return graph.op("Squeeze", graph.op("Sub", graph.constant(1.0), below), columns)


def _tail(graph: GraphBuilder, deciles: Value, threshold: Value, *, lower: bool) -> Value:
    """The Student tail of a side at the threshold, float64 (batch, 1)."""
    outer = _column(graph, deciles, 0 if lower else _N - 1)
    away = graph.op("Div", graph.op("Sub", threshold, outer), _slope(graph, deciles, lower=lower))
    return _student_cdf(graph, graph.op("Add", graph.constant(_t(0 if lower else _N - 1)), away))


def _slope(graph: GraphBuilder, deciles: Value, *, lower: bool) -> Value:
    inner, outer = (1, 0) if lower else (_N - 2, _N - 1)
    apart = graph.op("Abs", graph.op("Sub", _column(graph, deciles, inner), _column(graph, deciles, outer)))
    return graph.op("Div", graph.op("Max", apart, graph.constant(of_deciles.SPREAD)), graph.constant(abs(_t(inner) - _t(outer))))


def _student_cdf(graph: GraphBuilder, t: Value) -> Value:
    """Of Student's distribution with 4 degrees of freedom, in closed form: 1/2 + 3/8 u (1 - u^2 / 12), u = t / sqrt(1 + t^2 / 4).

    u is held within its limits +-2, which it reaches before t^2 overflows.
    """
    assert of_deciles.TAIL_DF == 4
    held = graph.op("Clip", t, graph.constant(-1e9), graph.constant(1e9))
    square = graph.op("Mul", held, held)
    root = graph.op("Sqrt", graph.op("Add", graph.constant(1.0), graph.op("Mul", square, graph.constant(0.25))))
    u = graph.op("Div", held, root)
    bent = graph.op("Sub", graph.constant(1.0), graph.op("Mul", graph.op("Mul", u, u), graph.constant(1 / 12)))
    return graph.op("Add", graph.constant(0.5), graph.op("Mul", graph.constant(0.375), graph.op("Mul", u, bent)))


def _quantiles(graph: GraphBuilder, deciles: Value) -> Value:
    """`deciles.quantiles` at the levels of a forecast, float64 (batch, 3): the outer ones in the tails, the median a decile."""
    q05, q95 = (_in_tail(graph, deciles, level, lower=lower) for level, lower in ((LEVELS[0], True), (LEVELS[2], False)))
    return graph.op("Concat", q05, _column(graph, deciles, _N // 2), q95, axis=1)


def _in_tail(graph: GraphBuilder, deciles: Value, level: float, *, lower: bool) -> Value:
    outer = 0 if lower else _N - 1
    away = float(stdtrit(of_deciles.TAIL_DF, level)) - _t(outer)
    return graph.op("Add", _column(graph, deciles, outer), graph.op("Mul", _slope(graph, deciles, lower=lower), graph.constant(away)))


def _t(decile: int) -> float:
    return float(stdtrit(of_deciles.TAIL_DF, of_deciles.LEVELS[decile]))


def _column(graph: GraphBuilder, values: Value, number: int) -> Value:
    return graph.op("Gather", values, graph.constant([number], np.int64), axis=1)


def _from_to(graph: GraphBuilder, least: int, most: int) -> tuple[Value, Value]:
    return graph.constant(least, np.int64), graph.constant(most, np.int64)


__all__ = ["add_foundation"]
