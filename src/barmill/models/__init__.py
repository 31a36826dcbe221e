"""What can be built: the model contract, the catalogue, and one folder per family.

The catalogue knows each model's name, parameters and needs without importing a learning library. A family's fit imports
the library that learns; its forecaster runs the fitted bytes without any of the training side, and is all that a bundle
uses. A network is fitted through `FitContext.train_network`, since training stands above this package.
"""

from barmill.models.catalogue import MODELS, load_fit, load_forecaster, missing_requirements, spec_of, view_of, window_of
from barmill.models.contract import (
    OUTPUTS,
    VIEWS,
    FitContext,
    FittedModel,
    Forecaster,
    ModelParams,
    ModelSpec,
    Progress,
    RawForecast,
    Samples,
    SilentProgress,
    View,
    Window,
)

__all__ = [
    "MODELS",
    "OUTPUTS",
    "VIEWS",
    "FitContext",
    "FittedModel",
    "Forecaster",
    "ModelParams",
    "ModelSpec",
    "Progress",
    "RawForecast",
    "Samples",
    "SilentProgress",
    "View",
    "Window",
    "load_fit",
    "load_forecaster",
    "missing_requirements",
    "spec_of",
    "view_of",
    "window_of",
]
