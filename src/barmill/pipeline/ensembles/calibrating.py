"""What turns an ensemble's scores into probabilities and quantiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.contract import RawForecast
from barmill.uncertainty import NATIVE, Calibration, ResidualQuantiles, fit_calibration, fit_residual_quantiles


def calibrate_ensemble(
    raw: RawForecast, y: npt.NDArray[Any], z: npt.NDArray[np.float64], methods: Sequence[str], n_classes: int
) -> tuple[Calibration, ResidualQuantiles]:
    """Fitted on what an ensemble says of rows on which neither it nor a member was fitted, and what came of them."""
    calibration = fit_calibration(methods, raw.logits, y, n_classes)
    learned = raw.quantiles is not None
    return calibration, NATIVE if learned else fit_residual_quantiles(raw.expected, raw.logits, z)


__all__ = ["calibrate_ensemble"]
