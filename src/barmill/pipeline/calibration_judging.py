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
from barmill.uncertainty import Calibrator, FeatureCalibration

Float64Array = npt.NDArray[np.float64]

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


def errors_by_regime(
    calibration: Calibrator, p_up: Float64Array, uncalibrated: Float64Array, up: npt.NDArray[Any], regime: Float64Array | None
) -> dict[str, Any] | None:
    """The error of each regime that calibration knows or that judges, plain JSON, NaN where no row judges; None where it goes by none.

    p_up, uncalibrated, up : as in `calibration_judgement`
    regime : float64 of shape (n,), of the same rows, known at the decision
    """
    if not isinstance(calibration, FeatureCalibration) or regime is None:
        return None
    fitted = {rows.regime: rows for rows in calibration.by_regime.regimes}
    told: list[dict[str, Any]] = []
    for one in sorted({*fitted, *(int(value) for value in np.unique(regime))}):
        rows, known = regime == one, fitted.get(one)
        errors = [expected_calibration_error(said[rows], up[rows]).ece if rows.any() else math.nan for said in (uncalibrated, p_up)]
        told.append(
            {
                "regime": one,
                "n_fitted": 0 if known is None else known.n_rows,
                "own": known is not None and known.calibration is not None,
                "n": int(rows.sum()),
                "ece_before": errors[0],
                "ece": errors[1],
            }
        )
    return {"feature": calibration.feature, "least_rows": calibration.by_regime.least_rows, "regimes": told}


__all__ = ["calibration_judgement", "errors_by_regime"]
