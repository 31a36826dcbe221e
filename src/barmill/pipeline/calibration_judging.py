"""How far probabilities can be taken at their word on rows that judge: errors of calibration, and whether calibration helped."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation import (
    brier_decomposition,
    calibration_gain,
    debiased_calibration_error,
    expected_calibration_error,
    reliability_band,
)

CURVE_BINS = 10


def calibration_judgement(
    p_up: npt.ArrayLike, uncalibrated: npt.ArrayLike, up: npt.NDArray[Any], methods: Sequence[str], *, overlap: float, seed: int
) -> dict[str, Any]:
    """Plain JSON, NaN where undefined.

    Parameters
    ----------
    p_up, uncalibrated : float64 of shape (n,), after calibration and before it, of rows in time order that nothing was fitted on
    up : 0 or 1, shape (n,); methods : of the calibration, () for none, which cannot have helped
    overlap : rows that share one outcome, at least 1; blocks of that many rows are resampled for the band of the curve
    """
    before, width, mass = (
        expected_calibration_error(uncalibrated, up),
        expected_calibration_error(p_up, up),
        expected_calibration_error(p_up, up, binning="equal_mass"),
    )
    curve = reliability_band(p_up, up, overlap, seed, CURVE_BINS, binning="equal_mass")
    paired = math.ceil(overlap)
    return {
        "methods": list(methods),
        "ece_before": before.ece,
        "ece": width.ece,
        "mce": width.mce,
        "ece_equal_mass": mass.ece,
        "rmsce_debiased": debiased_calibration_error(p_up, up, overlap=overlap).rmsce,
        "brier_parts": brier_decomposition(p_up, up, binning="equal_mass")._asdict(),
        "gain": calibration_gain(uncalibrated, p_up, up, overlap=paired).to_json() if methods else None,
        "reliability": {name: np.asarray(getattr(curve, name)).tolist() for name in ("mean_p", "share", "low", "high", "count")},
    }


__all__ = ["calibration_judgement"]
