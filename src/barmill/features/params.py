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


__all__ = [
    "BarsParams",
    "BollingerParams",
    "FastSlowParams",
    "FeatureParams",
    "HoursParams",
    "LagParams",
    "LeadParams",
    "MacdParams",
    "MomentsParams",
    "NoParams",
    "StochasticParams",
    "WindowParams",
]
