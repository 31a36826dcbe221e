"""Calibration in a graph: every step of `barmill.uncertainty`, chains of them, and one chain for each regime."""

from collections.abc import Sequence

import numpy as np

from barmill.export.graph import GraphBuilder, Value
from barmill.export.links import (
    add_log_odds,
    add_logits,
    add_probabilities,
    add_scaled_to_one,
    add_sigmoid,
    add_softmax,
    add_softplus,
)
from barmill.uncertainty import Calibrator, FeatureCalibration
from barmill.uncertainty.isotonic import IsotonicCurve
from barmill.uncertainty.steps import Beta, Isotonic, Platt, Step, Temperature


def add_calibration(graph: GraphBuilder, calibrator: Calibrator, logits: Value, regime: Value | None = None) -> Value:
    """Probabilities of logits, as `Calibrator.apply` gives them.

    Parameters
    ----------
    logits : float64 (batch,) for two classes, (batch, k) for k of them; (batch, 0) comes back as it is
    regime : float64 (batch,), the value of the calibrator's `feature` at the decision; for one by regime. One that is no whole
        number, which `apply` refuses, takes the calibration of all regimes here

    Returns
    -------
    float64 of the shape of `logits`
    """
    if not isinstance(calibrator, FeatureCalibration):
        return _add_chain(graph, calibrator.steps, logits, calibrator.n_classes)
    assert regime is not None
    by_regime, n_classes = calibrator.by_regime, calibrator.n_classes
    p = _add_chain(graph, by_regime.pooled.steps, logits, n_classes)
    told = regime if n_classes == 2 else graph.op("Unsqueeze", regime, graph.constant([1], "int64"))
    for rows in by_regime.regimes:
        if rows.calibration is not None:
            own = _add_chain(graph, rows.calibration.steps, logits, n_classes)
            p = graph.op("Where", graph.op("Equal", told, graph.constant(float(rows.regime))), own, p)
    return p


def _add_chain(graph: GraphBuilder, steps: Sequence[Step], logits: Value, n_classes: int) -> Value:
    if not n_classes:
        return logits
    if not steps:
        return add_probabilities(graph, logits, n_classes)
    p = _add_step(graph, steps[0], logits, n_classes)
    for step in steps[1:]:
        p = _add_step(graph, step, add_logits(graph, p, n_classes), n_classes)
    return p


def _add_step(graph: GraphBuilder, step: Step, logits: Value, n_classes: int) -> Value:
    match step:
        case Temperature():
            return add_probabilities(graph, graph.op("Div", logits, graph.constant(step.temperature)), n_classes)
        case Platt():
            return _add_platt(graph, step, logits, n_classes)
        case Beta():
            return _add_beta(graph, step, logits, n_classes)
        case Isotonic():
            return _add_isotonic(graph, step, logits, n_classes)


def _add_platt(graph: GraphBuilder, step: Platt, logits: Value, n_classes: int) -> Value:
    p = None if n_classes == 2 else add_softmax(graph, logits)
    odds = logits if p is None else add_log_odds(graph, p)
    a, b = (np.array(line) if p is not None else line[0] for line in zip(*step.lines, strict=True))
    raised = add_sigmoid(graph, graph.op("Sub", graph.op("Mul", graph.constant(np.negative(a)), odds), graph.constant(b)))
    return raised if p is None else add_scaled_to_one(graph, raised, p)


def _add_beta(graph: GraphBuilder, step: Beta, logits: Value, n_classes: int) -> Value:
    p = None if n_classes == 2 else add_softmax(graph, logits)
    odds = logits if p is None else add_log_odds(graph, p)
    a, b, c = (graph.constant(np.array(curve) if p is not None else curve[0]) for curve in zip(*step.curves, strict=True))
    low, high = graph.op("Neg", add_softplus(graph, graph.op("Neg", odds))), add_softplus(graph, odds)
    bent = graph.op("Add", graph.op("Add", graph.op("Mul", a, low), graph.op("Mul", b, high)), c)
    raised = add_sigmoid(graph, bent)
    return raised if p is None else add_scaled_to_one(graph, raised, p)


def _add_isotonic(graph: GraphBuilder, step: Isotonic, logits: Value, n_classes: int) -> Value:
    p = add_probabilities(graph, logits, n_classes)
    if n_classes == 2:
        return _add_curve(graph, step.curves[0], p)
    columns = graph.ops("Split", p, n_outputs=n_classes, axis=1, num_outputs=n_classes)
    of_rows = graph.constant([1], "int64")
    raised = [_add_curve(graph, curve, graph.op("Squeeze", said, of_rows)) for curve, said in zip(step.curves, columns, strict=True)]
    together = graph.op("Concat", *(graph.op("Unsqueeze", one, of_rows) for one in raised), axis=1)
    return add_scaled_to_one(graph, together, p)


def _add_curve(graph: GraphBuilder, curve: IsotonicCurve, p: Value) -> Value:
    """`IsotonicCurve.apply` of (batch,): the segment is found by counting the corners that are not above p."""
    x, y = curve.x, curve.y
    if x.size == 1:
        return graph.op("Add", graph.op("Mul", p, graph.constant(0.0)), graph.constant(y[0]))
    of_rows = graph.constant([1], "int64")
    passed = graph.op("LessOrEqual", graph.constant(x[1:-1][None, :]), graph.op("Unsqueeze", p, of_rows))  # ends bound no segment
    left = graph.op("ReduceSum", graph.cast(passed, "int64"), of_rows, keepdims=0)
    x0, x1, y0, y1, slope = (
        graph.op("Gather", graph.constant(of_segments), left, axis=0) for of_segments in (x[:-1], x[1:], y[:-1], y[1:], _slopes(curve))
    )
    within = graph.op("Sub", graph.op("Min", graph.op("Max", p, x0), x1), x0)
    risen = graph.op("Min", graph.op("Add", y0, graph.op("Mul", slope, within)), y1)
    return graph.op("Where", graph.op("GreaterOrEqual", p, x1), y1, risen)


def _slopes(curve: IsotonicCurve) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.diff(curve.y) / np.diff(curve.x)


__all__ = ["add_calibration"]
