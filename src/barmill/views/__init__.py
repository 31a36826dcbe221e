"""How a model family sees the data: feature matrix, window tensor, windows of several timeframes, pattern image; and the scaling at the
model's door.

A view is one base array for each timeframe plus the positions of its samples; nothing is copied until a batch is asked
for. Features arrive as float64 and leave as float32. A scaler is fitted on the rows it is told, and says which. Views know
neither models nor splits: a position is a row number of the base array, which is the position of its bar. The views that
are gathered by compiled code load it when the first batch is asked for.
"""

from barmill.views.closed_bars import fit_scalers
from barmill.views.feature_matrix import FeatureMatrix
from barmill.views.image_bars import ImageBars
from barmill.views.multi_resolution import BAR_COLUMNS, MultiResolution
from barmill.views.pattern_image import PatternImage
from barmill.views.resolution import Resolution
from barmill.views.scaling import FittedRows, RobustScaler, ScaledColumns, require_finite, scaler_fit
from barmill.views.window_tensor import WindowTensor, window_ready

__all__ = [
    "BAR_COLUMNS",
    "FeatureMatrix",
    "FittedRows",
    "ImageBars",
    "MultiResolution",
    "PatternImage",
    "Resolution",
    "RobustScaler",
    "ScaledColumns",
    "WindowTensor",
    "fit_scalers",
    "require_finite",
    "scaler_fit",
    "window_ready",
]
