"""Statistics: the moments of the last returns."""

from barmill.features.kernels import windows
from barmill.features.params import MomentsParams
from barmill.features.spec import FeatureSpec

FAMILY = "statistics"

FEATURES = (
    FeatureSpec(
        name="return_mean",
        family=FAMILY,
        version=1,
        params=MomentsParams,
        usual=MomentsParams(window=60),
        inputs=("close",),
        kernel=windows.return_moments,
        output="mean",
        kernel_params=lambda p: (p.window, 0.0, 3.0),
        lookback=lambda p: p.window,
        unit="log return per bar",
        formula="mean of ln(C/C₋₁) over n bars",
        source="Joanes & Gill (1998), The Statistician 47(1)",
    ),
    FeatureSpec(
        name="return_std",
        family=FAMILY,
        version=1,
        params=MomentsParams,
        usual=MomentsParams(window=60),
        inputs=("close",),
        kernel=windows.return_moments,
        output="std",
        kernel_params=lambda p: (p.window, 0.0, 3.0),
        lookback=lambda p: p.window,
        unit="log return per bar",
        formula="sample standard deviation of ln(C/C₋₁) over n bars; 0 where they are equal",
        source="Joanes & Gill (1998), The Statistician 47(1)",
    ),
    FeatureSpec(
        name="return_skewness",
        family=FAMILY,
        version=1,
        params=MomentsParams,
        usual=MomentsParams(window=60),
        inputs=("close",),
        kernel=windows.return_moments,
        output="skewness",
        kernel_params=lambda p: (p.window, 0.0, 3.0),
        lookback=lambda p: p.window,
        unit="standardised third moment",
        formula="m₃/m₂^1.5 of ln(C/C₋₁) over n bars; 0 where they are equal",
        source="Joanes & Gill (1998), The Statistician 47(1)",
    ),
    FeatureSpec(
        name="return_kurtosis",
        family=FAMILY,
        version=1,
        params=MomentsParams,
        usual=MomentsParams(window=60),
        inputs=("close",),
        kernel=windows.return_moments,
        output="kurtosis",
        kernel_params=lambda p: (p.window, 0.0, 3.0),
        lookback=lambda p: p.window,
        unit="standardised fourth moment, 3 is normal",
        formula="m₄/m₂² of ln(C/C₋₁) over n bars; 3 where they are equal",
        source="Joanes & Gill (1998), The Statistician 47(1)",
    ),
)

__all__ = ["FAMILY", "FEATURES"]
