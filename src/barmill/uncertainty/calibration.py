"""A chain of calibrators as one value: fitted once on held-out rows, applied with NumPy alone, kept as plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import BundleError, ForecastError, RecipeError, ShapeError, SplitError
from barmill.uncertainty.checked import all_finite, at_least_one_row, class_indices, logit_array
from barmill.uncertainty.links import log_at, log_odds_at, logits_of, probabilities_of, sigmoid_at, softmax_at
from barmill.uncertainty.steps import METHODS, Beta, Isotonic, Platt, Step, Temperature, fit_step, step_from_json

Float64Array = npt.NDArray[np.float64]

CLASSES = (2, 3, 5)  # of a direction or an entry, of a direction with "neither", of the chart patterns
_COMMON = 3  # classes up to which each one must have come; more of them are patterns, some of which are rare


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a model's logits into probabilities; without steps, the plain sigmoid or softmax.

    n_classes : int, one of CLASSES, or 0 for a model that says nothing of classes
    steps : the calibrators in the order in which they are applied
    """

    n_classes: int
    steps: tuple[Step, ...] = ()

    @property
    def feature(self) -> None:
        """The feature that tells the regime: none, for one that is the same in all of them."""
        return None

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(str(step.to_json()["method"]) for step in self.steps)

    def apply(self, logits: npt.ArrayLike, regimes: npt.ArrayLike | None = None) -> Float64Array:
        """Probabilities: p_up of shape (n,) for two classes, (n, k) in class order (three: down, neither, up) for more, (n, 0) for none.

        regimes : play no part here, so that this and a `FeatureCalibration` are asked alike

        A row's result depends on that row alone. Raises: ShapeError for another shape, ForecastError for a logit that
        is not finite.
        """
        scores = np.asarray(logits, dtype=np.float64)
        if scores.ndim != (1 if self.n_classes == 2 else 2) or (scores.ndim == 2 and scores.shape[1] != self.n_classes):
            expected = "(n,)" if self.n_classes == 2 else f"(n, {self.n_classes})"
            raise ShapeError("logits", f"has shape {scores.shape}", expected=expected)
        if not all_finite(scores):
            row = int(np.argwhere(~np.isfinite(scores))[0][0])
            raise ForecastError(f"logits row {row}", f"is {scores[row].tolist()}", expected="finite numbers", reason="not_finite")
        return _run(self.steps, scores) if self.n_classes else scores

    def at(self, logit: float, regime: float = 0.0) -> float:
        """p_up of one finite logit of two classes: what `apply` says of it, bit for bit, without an array."""
        if not self.steps:
            return sigmoid_at(logit)
        p = self.steps[0].at(logit)
        for step in self.steps[1:]:
            p = step.at(log_odds_at(p))
        return p

    def of_row(self, logits: Sequence[float], regime: float = 0.0) -> Sequence[float]:
        """As `at`, of one row of several classes, in their order; nothing for a model that says nothing of classes."""
        if not self.n_classes:
            return ()
        if not self.steps:
            return softmax_at(logits)
        p = self.steps[0].of_classes(logits)
        for step in self.steps[1:]:
            p = step.of_classes([log_at(one) for one in p])
        return p

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {"n_classes": self.n_classes, "steps": [step.to_json() for step in self.steps]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Calibration":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            n_classes = int(value["n_classes"])
            steps = tuple(step_from_json(step, n_classes) for step in value["steps"])
        except (KeyError, TypeError, ValueError, OverflowError, ShapeError) as error:
            raise BundleError("calibrator", f"cannot be read: {error!r}", mend="Build the bundle again.") from error
        if n_classes not in (0, *CLASSES) or (steps and not n_classes):
            raise BundleError("calibrator.n_classes", f"is {n_classes}", expected="2, 3 or 5, or 0 and no steps")
        return cls(n_classes, steps)


def _run(steps: Sequence[Step], logits: Float64Array) -> Float64Array:
    if not steps:
        return probabilities_of(logits)
    p = steps[0].apply(logits)
    for step in steps[1:]:
        p = step.apply(logits_of(p))
    return p


def check_methods(methods: Sequence[str]) -> None:
    """RecipeError for a name that is none of METHODS."""
    for method in methods:
        if method not in METHODS:
            raise RecipeError("calibrate", f"no calibrator named '{method}'", expected=" or ".join(METHODS))


def fit_calibration(methods: Sequence[str], logits: npt.ArrayLike, y: npt.ArrayLike, n_classes: int) -> Calibration:
    """Fit `methods` one after the other on validation rows: they neither trained the model nor judge the result.

    Each calibrator sees the output of the one before it. Weights are not taken: they bias probabilities.

    Parameters
    ----------
    methods : any of METHODS, in the order of application; empty for the plain sigmoid or softmax (nothing is fitted)
    logits : float64 of shape (n,) for two classes (log-odds of up), (n, k) for more (three: scores of down, neither, up)
    y : integers of shape (n,), class index
    n_classes : int, one of CLASSES

    Raises: RecipeError for an unknown method; ShapeError for arrays that do not fit; SplitError if a class is missing
    from the rows, because then nothing can be learned about it. Of five classes two are enough for a temperature, which is one
    number for all of them.
    """
    if n_classes not in CLASSES:
        raise ShapeError("n_classes", f"is {n_classes}", expected="2, 3 or 5")
    check_methods(methods)
    if not methods:
        return Calibration(n_classes)
    scores = logit_array(logits, n_classes)
    at_least_one_row(scores.shape[0], "calibration rows")
    classes = class_indices(y, n_classes, length=scores.shape[0])
    counts = np.bincount(classes, minlength=n_classes)
    least = n_classes if n_classes <= _COMMON or set(methods) != {"temperature_scaling"} else 2
    if np.count_nonzero(counts) < least:
        found = f"the {classes.size} calibration rows hold no row of class {int(np.argmin(counts))}"
        raise SplitError("calibration slice", found, mend="Use more bars, a larger calibration share, or other barriers.")
    steps: list[Step] = []
    for method in methods:
        inputs = scores if not steps else logits_of(_run(steps, scores))
        steps.append(fit_step(method, inputs, classes))
    return Calibration(n_classes, tuple(steps))


__all__ = ["CLASSES", "METHODS", "Beta", "Calibration", "Isotonic", "Platt", "Temperature", "check_methods", "fit_calibration"]
