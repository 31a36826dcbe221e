"""Parameters of the foundation models, and what is to be told of them."""

from pydantic import AliasChoices, Field

from barmill.models.contract import ModelParams

_WHERE = "a folder with config.json and the weights, or a name on the hub whose files are in its cache"
PATCH = 32  # bars that TimesFM reads at once; Chronos-Bolt reads 16
SAME_WEIGHTS = {  # names on the hub whose files another library reads, and those that hold the same weights for ours
    "google/timesfm-2.5-200m": "google/timesfm-2.5-200m-transformers",  # the charter's
    "google/timesfm-2.5-200m-pytorch": "google/timesfm-2.5-200m-transformers",
}


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

    @property
    def weights_id(self) -> str:
        """Where the weights are looked for: `model_id`, or the name under which our library reads the same weights."""
        return SAME_WEIGHTS.get(self.model_id, self.model_id)


def foundation_notes(params: FoundationParams) -> tuple[str, ...]:
    """Which weights are read where the recipe names those of another library."""
    if params.weights_id == params.model_id:
        return ()
    return (f"model_id {params.model_id} is read as {params.weights_id}: the same weights, in the form that transformers loads.",)


class ChronosParams(FoundationParams):
    """Chronos-Bolt: an encoder and one decoder step that says nine deciles of the next 64 bars."""

    model_id: str = Field(
        "amazon/chronos-bolt-small",
        description="a folder with config.json and the weights, or a name on the hub whose files are in its cache",
    )


class TimesFMParams(FoundationParams):
    """TimesFM 2.5: a decoder alone that says nine deciles of the next 128 bars."""

    model_id: str = Field("google/timesfm-2.5-200m-transformers", description=_WHERE)
