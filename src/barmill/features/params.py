"""The parameters of features: ranges are declared once here, and serve the check, the message and the docs."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FeatureParams(BaseModel):
    """Base of every feature's parameters: frozen, unknown keys refused, ranges on the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def values(self) -> tuple[float, ...]:
        """The numbers in their declared order."""
        return tuple(getattr(self, name) for name in type(self).model_fields)


class NoParams(FeatureParams):
    """Nothing to choose."""


class LagParams(FeatureParams):
    """A distance in bars of the feature's own timeframe."""

    lag: int = Field(ge=1, le=100_000)


class WindowParams(FeatureParams):
    """A window in bars of the feature's own timeframe."""

    window: int = Field(ge=2, le=100_000)


class MomentsParams(FeatureParams):
    """A window wide enough for four moments."""

    window: int = Field(ge=4, le=100_000)


class MacdParams(FeatureParams):
    """Spans of the two means and of the signal, in bars."""

    fast: int = Field(ge=2, le=100_000)
    slow: int = Field(ge=2, le=100_000)
    signal: int = Field(ge=1, le=100_000)

    @model_validator(mode="after")
    def _fast_is_faster(self) -> "MacdParams":
        if self.fast >= self.slow:
            raise ValueError("fast must be below slow")
        return self


class StochasticParams(FeatureParams):
    """Bars of the range, of the smoothing and of the slow line."""

    window: int = Field(ge=1, le=100_000)
    smooth: int = Field(ge=1, le=1_000)
    slow: int = Field(ge=1, le=1_000)


class BollingerParams(FeatureParams):
    """Window in bars and width in standard deviations."""

    window: int = Field(ge=2, le=100_000)
    width: float = Field(gt=0, le=100)


class BarsParams(FeatureParams):
    """A number of bars of the feature's own timeframe; 1 is the bar alone."""

    window: int = Field(ge=1, le=100_000)


class FastSlowParams(FeatureParams):
    """Spans of two means, in bars."""

    fast: int = Field(ge=2, le=100_000)
    slow: int = Field(ge=2, le=100_000)

    @model_validator(mode="after")
    def _fast_is_faster(self) -> "FastSlowParams":
        if self.fast >= self.slow:
            raise ValueError("fast must be below slow")
        return self


class LeadParams(FeatureParams):
    """A window, and by how many bars the other series is taken earlier."""

    window: int = Field(ge=2, le=100_000)
    lag: int = Field(ge=1, le=1_000)


class HoursParams(FeatureParams):
    """Hours between two settlements."""

    hours: int = Field(ge=1, le=24)


class RegimeParams(FeatureParams):
    """Bars of a volatility, and how many of its last values it is ranked among."""

    window: int = Field(ge=1, le=100_000)
    history: int = Field(ge=4, le=10_000)


class VarianceRatioParams(FeatureParams):
    """A window in bars, and the bars of the longer return that is compared with that of one bar."""

    window: int = Field(ge=4, le=10_000)
    span: int = Field(ge=2, le=1_000)

    @model_validator(mode="after")
    def _window_holds_it_twice(self) -> "VarianceRatioParams":
        if 2 * self.span > self.window:
            raise ValueError("window must be at least twice span")
        return self


class StatesParams(FeatureParams):
    """How many states a hidden Markov model has."""

    states: int = Field(ge=2, le=8)


class StateParams(FeatureParams):
    """How many states a hidden Markov model has, and one of them, counted from 0."""

    states: int = Field(ge=2, le=8)
    state: int = Field(ge=0, le=7)

    @model_validator(mode="after")
    def _state_is_there(self) -> "StateParams":
        if self.state >= self.states:
            raise ValueError("state must be below states")
        return self


class WinsoriseParams(FeatureParams):
    """A window in bars, and the share of its values that is cut off at each end."""

    window: int = Field(ge=3, le=100_000)
    share: float = Field(ge=0.0001, lt=0.5)

    @model_validator(mode="after")
    def _a_value_does_not_set_its_own_limit(self) -> "WinsoriseParams":
        if self.share * (self.window - 1) < 1.0:
            raise ValueError("share must be at least 1/(window - 1): one value at each end")
        return self


class FractionalParams(FeatureParams):
    """Order of a fractional difference, and the weight below which older values are left out."""

    d: float = Field(ge=0.01, le=2)
    threshold: float = Field(ge=0.0001, lt=1)

    @model_validator(mode="after")
    def _more_than_one_weight(self) -> "FractionalParams":
        if self.threshold > self.d:
            raise ValueError("threshold must not be above d: no older value would have a weight")
        return self


class WaveletParams(FeatureParams):
    """A level of the pyramid: about 2^level bars."""

    level: int = Field(ge=1, le=12)


class RollParams(FeatureParams):
    """A window wide enough for two pairs of neighbours."""

    window: int = Field(ge=3, le=100_000)


class VpinParams(FeatureParams):
    """Mean bars of a bucket, and buckets."""

    bucket_bars: int = Field(ge=1, le=10_000)
    n_buckets: int = Field(ge=2, le=10_000)

    @model_validator(mode="after")
    def _the_window_is_not_endless(self) -> "VpinParams":
        if self.bucket_bars * self.n_buckets > 100_000:
            raise ValueError("bucket_bars times n_buckets must be at most 100000")
        return self


class MinutesParams(FeatureParams):
    """A number of minutes, whatever the timeframe."""

    minutes: int = Field(ge=1, le=1_440)


__all__ = [
    "BarsParams",
    "BollingerParams",
    "FastSlowParams",
    "FeatureParams",
    "FractionalParams",
    "HoursParams",
    "LagParams",
    "LeadParams",
    "MacdParams",
    "MinutesParams",
    "MomentsParams",
    "NoParams",
    "RegimeParams",
    "RollParams",
    "StateParams",
    "StatesParams",
    "StochasticParams",
    "VarianceRatioParams",
    "VpinParams",
    "WaveletParams",
    "WindowParams",
    "WinsoriseParams",
]
