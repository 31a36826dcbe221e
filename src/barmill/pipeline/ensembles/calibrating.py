"""What turns an ensemble's scores into probabilities and quantiles."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.contract import RawForecast
from barmill.pipeline.calibrating import HeldOut, fit_calibrators
from barmill.pipeline.recipe import Recipe
from barmill.uncertainty import NATIVE, Calibrator, ResidualQuantiles, fit_residual_quantiles


def calibrate_ensemble(
    raw: RawForecast, y: npt.NDArray[Any], z: npt.NDArray[np.float64], rows: HeldOut, recipe: Recipe
) -> tuple[Calibrator, ResidualQuantiles, dict[str, Any] | None]:
    """Fitted on what an ensemble says of rows on which neither it nor a member was fitted, and what came of them.

    Returns
    -------
    calibration and quantiles; and what was tried, where the recipe leaves the choice of calibrators open
    """
    calibration, chosen_by = fit_calibrators(recipe, raw.logits, y, recipe.labels.classes, rows)
    learned = raw.quantiles is not None
    return calibration, NATIVE if learned else fit_residual_quantiles(raw.expected, raw.logits, z), chosen_by


__all__ = ["calibrate_ensemble"]
