"""Thresholds of the pattern rules. Lengths are bars, heights are ATRs or shares, so that no market needs its own."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FlagRules(_Rules):
    """A fast, straight pole, then a rest that gives little of it back."""

    pole_bars: int = Field(default=10, ge=2, le=64, description="bars of a pole at most; half of them at least")
    pole_atr: float = Field(default=4.5, gt=0, le=1000, description="height of a pole in ATRs before it, at least")
    efficiency: float = Field(default=0.75, gt=0, lt=1, description="height over the way that the closes went in the pole, at least")
    rest_bars: tuple[int, int] = Field(default=(6, 16), description="bars of the rest, at least and at most")
    retrace: float = Field(default=0.4, gt=0, lt=1, description="share of the pole that the rest gives back at most, wicks included")
    overshoot: float = Field(default=0.15, ge=0, lt=1, description="share of the pole by which closes of the rest go on beyond it at most")
    calm: float = Field(default=0.6, gt=0, lt=1, description="mean move of a close in the rest over that in the pole, at most")

    @model_validator(mode="after")
    def _rest_has_a_length(self) -> Self:
        if not 2 <= self.rest_bars[0] <= self.rest_bars[1] <= 64:
            raise ValueError(f"rest_bars {self.rest_bars} are no range; expected two numbers of bars from 2 to 64, rising")
        return self


class WedgeRules(_Rules):
    """Highs and lows along two lines that rise, or fall, together and come closer."""

    bars: tuple[int, ...] = Field(default=(20, 30, 40), min_length=1, max_length=8, description="lengths that are tried")
    narrowing: float = Field(default=0.6, gt=0, lt=1, description="distance of the lines at the end over that at the beginning, at most")
    travel: float = Field(default=1.0, gt=0, le=100, description="way of the middle between the lines over their first distance, at least")
    width_atr: float = Field(default=1.5, gt=0, le=1000, description="distance of the lines at the beginning in ATRs, at least")
    fit: float = Field(default=0.85, gt=0, lt=1, description="R² of highs and of lows along their lines, at least")

    @model_validator(mode="after")
    def _lengths_make_lines(self) -> Self:
        if min(self.bars) < 6 or max(self.bars) > 64:
            raise ValueError(f"bars {self.bars} make no wedge; expected lengths from 6 to 64")
        return self


class BlowOffRules(_Rules):
    """A run that grows ever steeper, and breaks."""

    run_bars: int = Field(default=24, ge=6, le=64, description="bars of the run")
    run_atr: float = Field(default=7.0, gt=0, le=1000, description="height of the run in ATRs before it, at least")
    late_share: float = Field(default=0.6, gt=0, lt=1, description="share of the height that the last third of its bars brought, at least")
    turn_bars: int = Field(default=3, ge=1, le=64, description="bars since the extreme at most; the extreme bar is 0")
    turn: float = Field(default=0.2, gt=0, lt=1, description="share of the run that the close has given back, at least")


class WickRules(_Rules):
    """After a move, a bar that reaches further and is thrown back."""

    trend_bars: int = Field(default=10, ge=2, le=64, description="bars of the move before")
    trend_atr: float = Field(default=3.0, gt=0, le=1000, description="height of the move in ATRs before the bar, at least")
    range_atr: float = Field(default=1.5, gt=0, le=1000, description="range of the bar in ATRs before it, at least")
    wick: float = Field(default=0.6, gt=0, lt=1, description="share of the range that is wick on the side of the move, at least")


class DetectorConfig(_Rules):
    """All rules, and what they share."""

    atr_window: int = Field(default=14, ge=1, le=1000, description="bars of the ATR that heights are measured in")
    min_quality: float = Field(default=0.0, ge=0, lt=1, description="quality below which a pattern is told as none")
    flag: FlagRules = FlagRules()
    wedge: WedgeRules = WedgeRules()
    blow_off: BlowOffRules = BlowOffRules()
    wick: WickRules = WickRules()

    @property
    def reach(self) -> int:
        """Bars before a bar that its pattern may look at, the ATR's memory aside."""
        flag = self.flag.pole_bars + self.flag.rest_bars[1]
        return max(flag, *self.wedge.bars, self.blow_off.run_bars + self.blow_off.turn_bars, self.wick.trend_bars + 1)
