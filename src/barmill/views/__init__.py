"""How a model family sees the data: the feature matrix, the window tensor, and the scaling at the model's door.

A view is one base array of scaled features plus the positions of its samples; nothing is copied until a batch is
asked for. Features arrive as float64 and leave as float32. A scaler is fitted on the rows it is told, and says which.
Views know neither models nor splits: a position is a row number of the base array, which is the position of its bar.
"""

from barmill.views.feature_matrix import FeatureMatrix
from barmill.views.scaling import FittedRows, RobustScaler, ScaledColumns, require_finite, scaler_fit
from barmill.views.window_tensor import WindowTensor, window_ready

__all__ = [
    "FeatureMatrix",
    "FittedRows",
    "RobustScaler",
    "ScaledColumns",
    "WindowTensor",
    "require_finite",
    "scaler_fit",
    "window_ready",
]
