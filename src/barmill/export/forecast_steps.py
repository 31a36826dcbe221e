"""The last steps of a forecast of direction in a graph, as `barmill.bundles.direction` has them: calibration, quantiles, unit and band."""

from collections.abc import Sequence

import numpy as np

from barmill.bundles.direction import Direction, Volatility
from barmill.export.bands import add_band
from barmill.export.calibrators import add_calibration
from barmill.export.graph import GraphBuilder, Value
from barmill.export.quantiles import add_quantiles
from barmill.export.values import RawValues, SaidValues


class Row:
    """The features at the decision bar, float64 (batch, n), by name."""

    def __init__(self, graph: GraphBuilder, names: Sequence[str], values: Value | None) -> None:
        self._graph, self._names, self._values = graph, list(names), values

    def column(self, name: str | None) -> Value | None:
        """One feature, (batch,); None where none is named."""
        if name is None:
            return None
        assert self._values is not None
        return self._graph.op("Gather", self._values, self._graph.constant(self._names.index(name), np.int64), axis=1)

    def columns(self, names: Sequence[str]) -> Value | None:
        """Several, (batch, n_names); None for no names."""
        if not names:
            return None
        assert self._values is not None
        return self._graph.op("Gather", self._values, self._graph.constant([self._names.index(name) for name in names], np.int64), axis=1)


def add_said(graph: GraphBuilder, direction: Direction, raw: RawValues, row: Row) -> SaidValues:
    """Calibrated probabilities, and returns in z."""
    p = add_calibration(graph, direction.calibration, raw.logits, row.column(direction.calibration.feature))
    return SaidValues(p, raw.expected, add_quantiles(graph, direction.quantiles, raw, direction.n_classes))


def add_forecast(graph: GraphBuilder, direction: Direction, volatility: Volatility, said: SaidValues, row: Row) -> dict[str, Value]:
    """The columns of the forecast, float64 (batch,) each, returns with their unit."""
    per_bar = row.column(volatility.feature)
    assert per_bar is not None
    longer = graph.constant(np.sqrt(volatility.horizon), np.float64)
    unit = graph.op("Mul", graph.op("Max", per_bar, graph.constant(volatility.floor)), longer)
    found = _probabilities(graph, said.p, direction.n_classes)
    in_z: dict[str, Value] = {}
    if "E_r" in direction.outputs:
        assert said.expected is not None
        in_z["E_r"] = said.expected
    for level, column in enumerate(("q05", "q50", "q95")):
        in_z[column] = graph.op("Gather", said.quantiles, graph.constant(level, np.int64), axis=1)
    if direction.band is not None:
        in_z["lower"], in_z["upper"] = add_band(graph, direction.band, said, row.column(direction.band.regime))
    return found | {name: graph.op("Mul", value, unit) for name, value in in_z.items()}


def _probabilities(graph: GraphBuilder, p: Value, n_classes: int) -> dict[str, Value]:
    if n_classes == 2:
        return {"p_up": p}
    last, first = (graph.op("Gather", p, graph.constant(column, np.int64), axis=1) for column in (2, 0))
    return {"p_up": last, "p_down": first}


__all__ = ["Row", "add_forecast", "add_said"]
