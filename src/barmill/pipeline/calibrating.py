"""The calibrators that a recipe asks for, fitted on rows that neither trained a model nor judge it."""

from typing import Any, NamedTuple

import numpy.typing as npt

from barmill.evaluation import choose_calibration
from barmill.labels import Labels
from barmill.pipeline.dataset import Positions
from barmill.pipeline.recipe import Calibrators, Recipe
from barmill.uncertainty import Calibration, fit_calibration

AUTO = "auto"


class Spans(NamedTuple):
    """First and last bar of each label, int64 (n,)."""

    t0: Positions
    t1: Positions

    @classmethod
    def of(cls, labels: Labels, positions: Positions) -> "Spans":
        return cls(labels.t0[positions], labels.t1[positions])


def fit_calibrators(
    recipe: Recipe, logits: npt.ArrayLike, y: npt.ArrayLike, n_classes: int, spans: Spans
) -> tuple[Calibration, dict[str, Any] | None]:
    """Fit what `inference.calibrate` names; of `auto` the chain that helped on the later part of the rows, if one did.

    logits, y : as in `fit_calibration`, in time order; spans : of their labels

    Returns
    -------
    the calibration; and of `auto` what was tried and why it was kept or not, plain JSON
    """
    asked: Calibrators | None = recipe.inference.calibrate
    if asked == AUTO:
        choice = choose_calibration(logits, y, n_classes, spans.t0, spans.t1)
        return choice.calibration, choice.to_json()
    return fit_calibration(list(asked or ()), logits, y, n_classes), None


def chain(recipe: Recipe) -> list[str]:
    """The calibrators that a recipe names, in their order; of `auto` a temperature, the stiffest of its candidates."""
    asked: Calibrators | None = recipe.inference.calibrate
    return ["temperature_scaling"] if asked == AUTO else list(asked or ())


__all__ = ["AUTO", "Spans", "chain", "fit_calibrators"]
