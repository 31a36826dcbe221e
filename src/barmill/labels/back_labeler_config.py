"""What a recipe says of the trades that the back-labeler simulates: one holding rule for all experts of a family."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

OFFSETS_ATR = (-0.25, -0.15, 0.0, 0.15, 0.25)  # the alert charter, section 7


class OutcomeConfig(BaseModel):
    """The holding rule: where a trade enters, and what ends it. Entry, risk, reward and offset all learn from trades held by it.

    With R = `stop_atr` ATRs, a touch of the stop costs exactly 1 R and a touch of the target brings `target_R` R, costs inside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    side: Literal["long", "short"] = Field(default="long", description="the trade that is proposed")
    stop_atr: float = Field(default=1.0, gt=0, le=1000, description="distance of the stop in ATRs, net of costs: one R")
    target_R: float | None = Field(
        default=None, gt=0, le=1000, description="profit in R, net of costs, at which a trade ends; none lets it run to stop or time"
    )
    entry_R: float = Field(default=1.0, gt=0, le=1000, description="profit in R, net of costs, that a good entry reaches before its stop")
    horizon: int = Field(default=6, ge=1, le=100_000, description="bars after which time ends a trade (the charter's 6)")
    atr_window: int = Field(default=14, ge=1, le=100_000, description="bars of the ATR that measures stop, target and offsets")
    fill_bars: int = Field(default=3, ge=1, le=100_000, description="bars for which an order away from the open waits to be touched")
    offsets_atr: tuple[float, ...] = Field(default=OFFSETS_ATR, min_length=1, max_length=64, description="entry offsets tried, in ATRs")
    every: int = Field(default=1, ge=1, le=100_000, description="a decision at every k-th bar of the clock")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.target_R is not None and self.target_R < self.entry_R:
            raise ValueError(
                f"trades end at target_R {self.target_R:g}, before they could reach entry_R {self.entry_R:g}; "
                "expected target_R at or above entry_R. Raise target_R, or leave it out."
            )
        if self.fill_bars > self.horizon:
            raise ValueError(f"fill_bars {self.fill_bars} is more than horizon {self.horizon}; an order would outlive its trade")
        if len({*self.offsets_atr}) != len(self.offsets_atr):
            raise ValueError(f"offsets_atr {self.offsets_atr} names an offset twice; expected each once")
        return self

    @property
    def side_sign(self) -> int:
        return 1 if self.side == "long" else -1
