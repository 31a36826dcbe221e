"""The calibrators as steps of a chain: each takes logits and gives probabilities, with NumPy alone, and is plain JSON.

Of two classes, `at` does one row with plain floats, the same sums in the same order as `apply` does with arrays; of more, `of_classes`.

A step of more than two classes that is no temperature calibrates each class against the rest, and scales the row to sum 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.uncertainty.beta import BetaCalibration, beta_columns, beta_columns_at, fit_beta
from barmill.uncertainty.isotonic import IsotonicCurve, fit_isotonic
from barmill.uncertainty.links import (
    log_odds_at,
    log_odds_of,
    probabilities_of,
    scaled_to_one,
    scaled_to_one_at,
    sigmoid,
    sigmoid_at,
    softmax,
    softmax_at,
)
from barmill.uncertainty.platt import PlattScaling, rising_platt
from barmill.uncertainty.temperature import temperature_scaling

Float64Array = npt.NDArray[np.float64]

METHODS = ("temperature_scaling", "platt", "beta", "isotonic")


@dataclass(frozen=True, slots=True)
class Temperature:
    """Logits divided by one temperature."""

    temperature: float

    def apply(self, logits: Float64Array) -> Float64Array:
        return probabilities_of(logits / self.temperature)

    def at(self, logit: float) -> float:
        return sigmoid_at(logit / self.temperature)

    def of_classes(self, logits: Sequence[float]) -> Sequence[float]:
        return softmax_at([logit / self.temperature for logit in logits])

    def to_json(self) -> dict[str, Any]:
        return {"method": "temperature_scaling", "temperature": self.temperature}


@dataclass(frozen=True, slots=True)
class Platt:
    """One line on the log-odds for two classes; for more, one line per class, on its log-odds against the rest. The order is kept: a <= 0.

    A row to which all lines give 0 keeps the probabilities that it came with.
    """

    lines: tuple[PlattScaling, ...]

    def apply(self, logits: Float64Array) -> Float64Array:
        if logits.ndim == 1:
            a, b = self.lines[0]
            return sigmoid(-a * logits - b)
        p = softmax(logits)
        a, b = np.array(self.lines).T
        return scaled_to_one(sigmoid(-a * log_odds_of(p) - b), p)

    def at(self, logit: float) -> float:
        a, b = self.lines[0]
        return sigmoid_at(-a * logit - b)

    def of_classes(self, logits: Sequence[float]) -> Sequence[float]:
        p = softmax_at(logits)
        return scaled_to_one_at([sigmoid_at(-a * log_odds_at(one) - b) for one, (a, b) in zip(p, self.lines, strict=True)], p)

    def to_json(self) -> dict[str, Any]:
        return {"method": "platt", "lines": [line._asdict() for line in self.lines]}


@dataclass(frozen=True, slots=True)
class Beta:
    """One curve on p_up for two classes; for more, one curve per class (that class against the rest), then scaled to sum 1.

    A row to which all curves give 0 keeps the probabilities that it came with.
    """

    curves: tuple[BetaCalibration, ...]

    def apply(self, logits: Float64Array) -> Float64Array:
        if logits.ndim == 1:
            a, b, c = self.curves[0]
            low, high = beta_columns(logits)
            return sigmoid(a * low + b * high + c)
        p = softmax(logits)
        a, b, c = np.array(self.curves).T
        low, high = beta_columns(log_odds_of(p))
        return scaled_to_one(sigmoid(a * low + b * high + c), p)

    def at(self, logit: float) -> float:
        a, b, c = self.curves[0]
        low, high = beta_columns_at(logit)
        return sigmoid_at(a * low + b * high + c)

    def of_classes(self, logits: Sequence[float]) -> Sequence[float]:
        p, raised = softmax_at(logits), list[float]()
        for one, (a, b, c) in zip(p, self.curves, strict=True):
            low, high = beta_columns_at(log_odds_at(one))
            raised.append(sigmoid_at(a * low + b * high + c))
        return scaled_to_one_at(raised, p)

    def to_json(self) -> dict[str, Any]:
        return {"method": "beta", "curves": [curve._asdict() for curve in self.curves]}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """One curve on p_up for two classes; for more, one curve per class (that class against the rest), then scaled to sum 1.

    A row to which all curves give 0 keeps the probabilities that it came with.
    """

    curves: tuple[IsotonicCurve, ...]

    def apply(self, logits: Float64Array) -> Float64Array:
        p = probabilities_of(logits)
        if len(self.curves) == 1:
            return self.curves[0].apply(p)
        if len(p) == 1:
            raised = np.array([[curve.at(said) for curve, said in zip(self.curves, p[0].tolist(), strict=True)]])
        else:
            raised = np.column_stack([curve.apply(p[:, k]) for k, curve in enumerate(self.curves)])
        return scaled_to_one(raised, p)

    def at(self, logit: float) -> float:
        return self.curves[0].at(sigmoid_at(logit))

    def of_classes(self, logits: Sequence[float]) -> Sequence[float]:
        p = softmax_at(logits)
        return scaled_to_one_at([curve.at(one) for one, curve in zip(p, self.curves, strict=True)], p)

    def to_json(self) -> dict[str, Any]:
        return {"method": "isotonic", "curves": [{"x": curve.x.tolist(), "y": curve.y.tolist()} for curve in self.curves]}


Step: TypeAlias = Temperature | Platt | Beta | Isotonic


def fit_step(method: str, logits: Float64Array, y: npt.NDArray[np.int64]) -> Step:
    """The step of one of METHODS, fitted on checked arrays: logits (n,) or (n, K), y of shape (n,) with every class that it needs."""
    if method == "temperature_scaling":
        return Temperature(temperature_scaling(logits, y).temperature)
    if method == "isotonic":
        p = np.minimum(probabilities_of(logits), 1.0)
        return Isotonic(tuple(fit_isotonic(said, came) for said, came in _classes(p, y)))
    odds = logits if logits.ndim == 1 else log_odds_of(softmax(logits))
    if method == "platt":
        return Platt(tuple(rising_platt(said, came) for said, came in _classes(odds, y)))
    return Beta(tuple(fit_beta(said, came) for said, came in _classes(odds, y)))


def step_from_json(value: Mapping[str, Any], n_classes: int) -> Step:
    """Read what a step's `to_json` wrote. Raises KeyError, TypeError, ValueError or ShapeError where it is something else."""
    method = value["method"]
    if method == "temperature_scaling":
        temperature = float(value["temperature"])
        _require(np.isfinite(temperature) and temperature > 0, f"temperature {temperature} is not above 0")
        return Temperature(temperature)
    if method not in METHODS:
        raise ValueError(f"no calibrator named {method!r}")
    parts: list[Mapping[str, Any]] = list(value["lines" if method == "platt" else "curves"])
    _require(len(parts) == (1 if n_classes == 2 else n_classes), f"{len(parts)} {method} curves for {n_classes} classes")
    if method == "isotonic":
        return Isotonic(tuple(IsotonicCurve(np.array(part["x"], np.float64), np.array(part["y"], np.float64)) for part in parts))
    if method == "platt":
        lines = tuple(PlattScaling(float(part["a"]), float(part["b"])) for part in parts)
        _require(np.isfinite(lines).all() and all(line.a <= 0 for line in lines), "a Platt line is not finite or turns the order round")
        return Platt(lines)
    curves = tuple(BetaCalibration(float(part["a"]), float(part["b"]), float(part["c"])) for part in parts)
    rising = all(curve.a >= 0 and curve.b >= 0 for curve in curves)
    _require(np.isfinite(curves).all() and rising, "a beta curve is not finite or turns the order round")
    return Beta(curves)


def _classes(said: Float64Array, y: npt.NDArray[np.int64]) -> list[tuple[Float64Array, npt.NDArray[np.int64]]]:
    """For each curve of a step, what was said and whether it came: class 1 of two, else each class against the rest."""
    if said.ndim == 1:
        return [(said, y)]
    return [(said[:, k].copy(), (y == k).astype(np.int64)) for k in range(said.shape[1])]


def _require(holds: Any, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)


__all__ = ["METHODS", "Beta", "Isotonic", "Platt", "Step", "Temperature", "fit_step", "step_from_json"]
