"""Calibration and quantiles: what turns a model's raw scores into probabilities and bands that hold what they say.

Fitting happens in training, on rows that neither trained the model nor judge it, and may use SciPy; applying is what
a server does and needs NumPy alone. Every fitted thing is a frozen value with an exact JSON form. A new calibrator is
a step in `steps.py` and a name in its list of methods.
"""

from barmill.uncertainty.beta import BetaCalibration, beta_calibration
from barmill.uncertainty.by_feature import Calibrator, FeatureCalibration, read_calibrator
from barmill.uncertainty.calibration import Calibration, fit_calibration
from barmill.uncertainty.conditional import RegimeCalibration, fit_regime_calibration
from barmill.uncertainty.isotonic import isotonic_calibration
from barmill.uncertainty.platt import PlattScaling, platt_scaling
from barmill.uncertainty.residual_quantiles import NATIVE, ResidualQuantiles, fit_residual_quantiles
from barmill.uncertainty.temperature import TemperatureScaling, temperature_scaling

__all__ = [
    "NATIVE",
    "BetaCalibration",
    "Calibration",
    "Calibrator",
    "FeatureCalibration",
    "PlattScaling",
    "RegimeCalibration",
    "ResidualQuantiles",
    "TemperatureScaling",
    "beta_calibration",
    "fit_calibration",
    "fit_regime_calibration",
    "fit_residual_quantiles",
    "isotonic_calibration",
    "platt_scaling",
    "read_calibrator",
    "temperature_scaling",
]
