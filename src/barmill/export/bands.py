"""The conformal band of a forecast in a graph. An adaptive one is written as it stands in the bundle: a graph has no memory to move it."""

from typing import assert_never

from barmill.bundles.forecast_band import QUANTILES, ForecastBand
from barmill.errors import SchemaError
from barmill.export.graph import GraphBuilder, Value
from barmill.export.values import SaidValues
from barmill.uncertainty.conformal.adaptive import AdaptiveState
from barmill.uncertainty.conformal.bands import CqrBand, JackknifeBand, SplitBand
from barmill.uncertainty.conformal.cv_plus_band import CvPlusBand
from barmill.uncertainty.conformal.regime_band import RegimeBand


def add_band(graph: GraphBuilder, band: ForecastBand, said: SaidValues, regime: Value | None = None) -> tuple[Value, Value]:
    """Lower and upper end in z, float64 (batch,), as `ForecastBand.of` gives them.

    regime : float64 (batch,), the value of the band's `regime` at the decision; for one by regime
    """
    lo, hi = _ends(graph, band, said)
    match band.band:
        case SplitBand() | JackknifeBand():
            q = graph.constant(band.band.q)
            return graph.op("Sub", lo, q), graph.op("Add", lo, q)
        case CqrBand() | AdaptiveState():
            return _widened(graph, lo, hi, graph.constant(band.band.q))
        case RegimeBand():
            assert regime is not None
            return _widened(graph, lo, hi, _q_of_regime(graph, band.band, regime))
        case CvPlusBand():
            raise SchemaError("conformal", "CV+ asks the models of all folds, which are in no bundle", expected="another band")
        case _:
            assert_never(band.band)


def _ends(graph: GraphBuilder, band: ForecastBand, said: SaidValues) -> tuple[Value, Value]:
    if band.around == QUANTILES:
        return _quantile(graph, said, 0), _quantile(graph, said, 2)
    point = said.expected if band.around == "E_r" else _quantile(graph, said, 1)
    assert point is not None
    return point, point


def _quantile(graph: GraphBuilder, said: SaidValues, column: int) -> Value:
    return graph.op("Gather", said.quantiles, graph.constant(column, "int64"), axis=1)


def _q_of_regime(graph: GraphBuilder, band: RegimeBand, regime: Value) -> Value:
    q = graph.constant(band.pooled.q)
    for entry in band.regimes:
        if entry.q is not None:
            q = graph.op("Where", graph.op("Equal", regime, graph.constant(float(entry.regime))), graph.constant(entry.q), q)
    return q


def _widened(graph: GraphBuilder, lo: Value, hi: Value, q: Value) -> tuple[Value, Value]:
    """[lo - q, hi + q], and the middle of lo and hi twice where these ends cross."""
    lower, upper, half = graph.op("Sub", lo, q), graph.op("Add", hi, q), graph.constant(0.5)
    middle = graph.op("Add", graph.op("Mul", half, lo), graph.op("Mul", half, hi))
    sound = graph.op("LessOrEqual", lower, upper)
    return graph.op("Where", sound, lower, middle), graph.op("Where", sound, upper, middle)


__all__ = ["add_band"]
