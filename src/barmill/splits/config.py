"""What a recipe says of its splits."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from barmill.errors import InstrumentError

if TYPE_CHECKING:
    from barmill.market import Timeframe

Share = Annotated[float, Field(gt=0, lt=1)]
BarsOrDuration = Annotated[int, Field(ge=0, le=10_000_000, strict=True)] | str


class SplitConfig(BaseModel):
    """Parameters of `holdout`; shares of the labelled decisions, in time order."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["holdout"] = Field(default="holdout", description="one training, one validation and one test block")
    train: Share = Field(default=0.70, description="share that models learn from")
    validation: Share = Field(default=0.15, description="share for early stopping, calibration and selection")
    test: Share = Field(default=0.15, description="share that judges, opened once")
    purge: BarsOrDuration = Field(
        default=60,
        description="base bars, or a duration such as 1d: the least that a label is taken to span; its own end counts where later",
    )
    embargo: BarsOrDuration = Field(
        default=1440, description="base bars, or a duration such as 1d, left out after a block's last label end"
    )

    @field_validator("purge", "embargo")
    @classmethod
    def _is_a_duration(cls, value: int | str) -> int | str:
        if isinstance(value, str):
            duration_ms(value)
        return value

    @model_validator(mode="after")
    def _shares_fill_the_whole(self) -> "SplitConfig":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the three shares add up to {total:g}; make them add up to 1")
        return self

    def purge_bars(self, timeframe: "Timeframe") -> int:
        """`purge` in base bars."""
        return bars_of(self.purge, timeframe)

    def embargo_bars(self, timeframe: "Timeframe") -> int:
        """`embargo` in base bars."""
        return bars_of(self.embargo, timeframe)


def bars_of(value: int | str, timeframe: "Timeframe") -> int:
    """A number of base bars as it is, a duration as the bars that fill it, rounded up.

    A market that closes has fewer bars in a day than fill it: there the embargo is longer than the duration, never shorter.
    """
    if isinstance(value, int):
        return value
    return -(-duration_ms(value) // timeframe.ms)


def duration_ms(duration: str) -> int:
    """The milliseconds of such as 90m, 4h or 1d; ValueError for another text, as Pydantic wants it."""
    from barmill.market import Timeframe

    try:
        return Timeframe.parse(duration).ms
    except InstrumentError as error:
        raise ValueError(f"'{duration}' is neither a number of bars nor a duration such as 90m, 4h or 1d") from error
