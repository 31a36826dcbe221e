"""What a recipe says of its labels."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LabelConfig(BaseModel):
    """Parameters of `make_labels`; their defaults and ranges are the documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["triple_barrier", "fixed_horizon"] = Field(default="triple_barrier", description="what ends a trade")
    horizon: int = Field(default=60, ge=1, le=100_000, description="bars after which time ends a trade")
    k_up: float = Field(default=3.0, gt=0, le=1000, description="distance of the profit level in ATRs, net of costs")
    k_down: float = Field(default=3.0, gt=0, le=1000, description="distance of the stop in ATRs, net of costs")
    atr_window: int = Field(default=60, ge=1, le=100_000, description="bars of the ATR that sets the levels")
    cost_mode: Literal["net", "charter"] = Field(
        default="net", description="net: a touch earns k_up ATR net; charter: the charter's own formula"
    )
    classes: Literal[2, 3] = Field(default=2, description="2: up or not; 3: down, neither, up")
    every: int = Field(default=1, ge=1, le=100_000, description="a decision at every k-th bar of the clock")
    side: Literal["long", "short"] = Field(default="long", description="the trade that the label judges")
    shuffle: int | None = Field(
        default=None, ge=0, description="seed that deals the outcomes out anew, at random: a run that must come out as chance"
    )

    @property
    def side_sign(self) -> int:
        return 1 if self.side == "long" else -1
