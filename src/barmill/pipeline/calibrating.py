"""The calibrators that a recipe asks for, fitted on rows that neither trained a model nor judge it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.ensembles.regime_gate import with_parameters
from barmill.errors import RecipeError
from barmill.evaluation import choose_calibration
from barmill.evaluation.calibration_choice import CANDIDATES
from barmill.pipeline.dataset import Positions, ScaledData
from barmill.pipeline.recipe import AUTO, CLASS, Calibrators, InferenceConfig, Recipe
from barmill.uncertainty import Calibrator, FeatureCalibration, fit_calibration, fit_regime_calibration

Float64Array = npt.NDArray[np.float64]
_EACH_CLASS = (("platt",), ("beta",), ("isotonic",))  # of CANDIDATES, those that have a curve for each class


class HeldOut(NamedTuple):
    """Rows that calibrators are fitted on, beside what was said of them.

    t0, t1 : int64 (n,), first and last bar of each label
    regime : float64 (n,), known at the decision, where calibration goes by it
    """

    t0: Positions
    t1: Positions
    regime: Float64Array | None

    @classmethod
    def of(cls, recipe: Recipe, data: ScaledData, positions: Positions) -> "HeldOut":
        return cls(data.labels.t0[positions], data.labels.t1[positions], regimes_at(recipe, data, positions))


def regime_feature(inference: InferenceConfig) -> str | None:
    """The feature that tells the regime of a calibration, as the plan calls it; None where calibration goes by none."""
    return None if inference.regime is None else with_parameters((inference.regime,))[0]


def regimes_at(recipe: Recipe, data: ScaledData, positions: Positions) -> Float64Array | None:
    """The regimes of the labels at `positions`, float64 (n,), known at the decision; None where calibration goes by none."""
    name = regime_feature(recipe.inference)
    return None if name is None else np.array(data.values[data.labels.t0[positions], data.names.index(name)])


def fit_calibrators(
    recipe: Recipe, logits: npt.ArrayLike, y: npt.ArrayLike, n_classes: int, rows: HeldOut
) -> tuple[Calibrator, dict[str, Any] | None]:
    """Fit what `inference.calibrate` names; of `auto` the chain that helped on the later part of the rows, if one did. By regime, the same
    chain anew in each that has rows enough.

    logits, y : as in `fit_calibration`, in time order

    Returns
    -------
    the calibration; and of `auto` what was tried and why it was kept or not, plain JSON

    Raises: RecipeError for a feature of regimes that is no whole number.
    """
    asked: Calibrators | None = recipe.inference.calibrate
    told: dict[str, Any] | None = None
    if asked == AUTO:
        candidates = _EACH_CLASS if recipe.inference.calibrate_by == CLASS else CANDIDATES
        choice = choose_calibration(logits, y, n_classes, rows.t0, rows.t1, candidates=candidates)
        pooled, told = choice.calibration, choice.to_json()
    else:
        pooled = fit_calibration(list(asked or ()), logits, y, n_classes)
    name = regime_feature(recipe.inference)
    if name is None or rows.regime is None or not pooled.steps:
        return pooled, told
    if (rows.regime != np.round(rows.regime)).any():
        found = f"'{name}' is {rows.regime[rows.regime != np.round(rows.regime)][0]:g}"
        mend = "Name a feature that tells regimes, such as volatility_regime."
        raise RecipeError("recipe:inference.calibrate_regime", found, expected="whole numbers", mend=mend)
    least = recipe.inference.calibrate_regime_rows
    return FeatureCalibration(name, fit_regime_calibration(pooled.methods, logits, y, n_classes, rows.regime, least)), told


def chain(recipe: Recipe) -> list[str]:
    """The calibrators that a recipe names, in their order; of `auto` a temperature, the stiffest of its candidates."""
    asked: Calibrators | None = recipe.inference.calibrate
    return ["temperature_scaling"] if asked == AUTO else list(asked or ())


__all__ = ["HeldOut", "chain", "fit_calibrators", "regime_feature", "regimes_at"]
