"""Calibration and quantiles: what turns a model's raw scores into probabilities and bands that hold what they say.

Fitting happens in training, on rows that neither trained the model nor judge it, and may use SciPy; applying is what
a server does and needs NumPy alone. Every fitted thing is a frozen value with an exact JSON form. A new calibrator is
a step in `calibration.py` and a row in its table of methods.
"""

from barmill.uncertainty.calibration import Calibration, fit_calibration
from barmill.uncertainty.isotonic import isotonic_calibration
from barmill.uncertainty.residual_quantiles import NATIVE, ResidualQuantiles, fit_residual_quantiles
from barmill.uncertainty.temperature import TemperatureScaling, temperature_scaling

__all__ = [
    "NATIVE",
    "Calibration",
    "ResidualQuantiles",
    "TemperatureScaling",
    "fit_calibration",
    "fit_residual_quantiles",
    "isotonic_calibration",
    "temperature_scaling",
]
