"""Boosters in a graph: of direction, and the experts', which choose among boosters or put their quantiles in order."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from barmill.export.graph import GraphBuilder, Value
from barmill.export.trees import add_trees
from barmill.export.values import RawValues
from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.expert.forecasters import level_file
from barmill.models.expert.liquidity import CLUSTERS

_Reader: TypeAlias = Callable[[bytes], FlatTrees]


def add_booster(graph: GraphBuilder, files: Mapping[str, bytes], x: Value, *, read: _Reader, suffix: str) -> RawValues:
    """Raw scores of the float32 rows `x` (batch, n_features), as the forecasters of LightGBM, XGBoost and CatBoost say them.

    read : of the bytes of `p_up<suffix>` and, where there is one, `E_r<suffix>`
    """
    returns = files.get(f"E_r{suffix}")
    expected = None if returns is None else add_trees(graph, read(returns), x)
    return RawValues(add_trees(graph, read(files[f"p_up{suffix}"]), x), expected)


def add_entry(graph: GraphBuilder, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What `EntryForecaster` says: every booster is asked, and the one of the row's liquidity cluster is heard."""
    about: Any = json.loads(files["expert.json"])
    names: list[str] = [about["boosters"][cluster] for cluster in CLUSTERS] if about["boosters"] else ["entry_pooled.txt"]
    said = {name: add_trees(graph, read_lightgbm(files[name]), x) for name in dict.fromkeys(names)}
    if about["column"] is None or len(said) == 1:
        return RawValues(said[names[0]])
    liquidity = graph.cast(graph.op("Gather", x, graph.constant(about["column"], np.int64), axis=1), np.float64)
    if about["n_classes"] != 2:
        liquidity = graph.op("Unsqueeze", liquidity, graph.constant([1], np.int64))
    logits = said[names[0]]
    for border, name in zip(about["borders"], names[1:], strict=True):  # a row on a border belongs to the less liquid side
        logits = graph.op("Where", graph.op("Greater", liquidity, graph.constant(float(border))), said[name], logits)
    return RawValues(logits)


def add_outcome_quantiles(graph: GraphBuilder, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What `QuantileForecaster` says: `values` holds the output (batch,) and `<output>_quantiles` (batch, n_levels), in rising order."""
    about: Any = json.loads(files["expert.json"])
    columns = graph.constant([1], np.int64)
    levels = [add_trees(graph, read_lightgbm(files[level_file(level)]), x) for level in about["levels"]]
    together = graph.op("Concat", *(graph.op("Unsqueeze", level, columns) for level in levels), axis=1)
    rising, _ = graph.ops("TopK", together, graph.constant([len(levels)], np.int64), n_outputs=2, axis=1, largest=0, sorted=1)
    near = graph.op("Less", graph.op("Abs", rising), graph.constant(float(about["dead_band"])))
    quantiles = graph.op("Where", near, graph.constant(0.0), rising)
    online = graph.op("Gather", quantiles, graph.constant(about["online"], np.int64), axis=1)
    nothing = graph.op("Slice", together, *(graph.constant([number], np.int64) for number in (0, 0, 1)))
    return RawValues(nothing, values={about["output"]: online, f"{about['output']}_quantiles": quantiles})


__all__ = ["add_booster", "add_entry", "add_outcome_quantiles"]
