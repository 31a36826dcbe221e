"""Statistics: the moments of the last returns."""

from functools import partial

from barmill.features.kernels import moments
from barmill.features.params import MomentsParams
from barmill.features.spec import FeatureSpec

FAMILY = "statistics"

_moment = partial(
    FeatureSpec,
    family=FAMILY,
    version=1,
    params=MomentsParams,
    usual=MomentsParams(window=60),
    inputs=("close",),
    kernel=moments.return_moments,
    kernel_params=lambda p: (p.window, 0.0, 3.0),
    lookback=lambda p: p.window,
    source="Joanes & Gill (1998), The Statistician 47(1)",
)

FEATURES = (
    _moment(
        name="return_mean",
        output="mean",
        unit="log return per bar",
        formula="mean of ln(C/C₋₁) over n bars",
    ),
    _moment(
        name="return_std",
        output="std",
        unit="log return per bar",
        formula="sample standard deviation of ln(C/C₋₁) over n bars; 0 where they are equal",
    ),
    _moment(
        name="return_skewness",
        output="skewness",
        unit="standardised third moment",
        formula="m₃/m₂^1.5 of ln(C/C₋₁) over n bars; 0 where they are equal",
    ),
    _moment(
        name="return_kurtosis",
        output="kurtosis",
        unit="standardised fourth moment, 3 is normal",
        formula="m₄/m₂² of ln(C/C₋₁) over n bars; 3 where they are equal",
    ),
)

__all__ = ["FAMILY", "FEATURES"]
