"""Parameters of the foundation models."""

from typing import Any

from pydantic import AliasChoices, Field, model_validator

from barmill.models.contract import ModelParams

_WHERE = "a folder with config.json and the weights, or a name on the hub whose files are in its cache"
PATCH = 32  # bars that TimesFM reads at once; Chronos-Bolt reads 16


class FoundationParams(ModelParams):
    """A network whose weights come from elsewhere, and how much of the past it is shown."""

    model_id: str = Field(description=_WHERE)
    seq_len: int = Field(
        512,
        ge=PATCH,
        le=512,
        multiple_of=PATCH,
        validation_alias=AliasChoices("seq_len", "context_length"),
        description="bars of the past that it is shown; also called context_length",
    )
    target: str | None = Field(None, description="the feature that is the one-bar log return; found by its name if left out")
    recentre_rows: int = Field(
        512, ge=0, le=100_000, description="training rows, evenly spread, on which the mean error is taken off; 0 takes nothing off"
    )


class ChronosParams(FoundationParams):
    """Chronos-Bolt: an encoder and one decoder step that says nine deciles of the next 64 bars."""

    model_id: str = Field(
        "amazon/chronos-bolt-small",
        description="a folder with config.json and the weights, or a name on the hub whose files are in its cache",
    )


class TimesFMParams(FoundationParams):
    """TimesFM 2.5: a decoder alone that says nine deciles of the next 128 bars."""

    model_id: str = Field("google/timesfm-2.5-200m-transformers", description=_WHERE)

    @model_validator(mode="before")
    @classmethod
    def _of_its_own_library(cls, value: Any) -> Any:
        """The name under which the charter knows the weights means those that transformers reads."""
        if isinstance(value, dict) and value.get("model_id") in ("google/timesfm-2.5-200m", "google/timesfm-2.5-200m-pytorch"):
            return {**value, "model_id": "google/timesfm-2.5-200m-transformers"}
        return value
