"""What a feature is: its declaration, and one chosen with parameters and a timeframe.

A name and what it stands for determine each other: `rsi_14@5m` is the feature `rsi` with window 14 on closed five-minute
bars. Parameters stand in the name in their declared order, always all of them; the base timeframe is left out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from barmill.features.kernels import Kernel
from barmill.market import Timeframe

SETTLED = 1e-9  # the tolerance at which indicators are held equal to TA-Lib's


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


def _no_recursion(_: Any) -> tuple[float, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A catalogue entry.

    Parameters
    ----------
    name : str, without parameters
    family : str, the module it stands in
    version : int, moves when the meaning of the name's numbers changes
    params : FeatureParams type
    usual : FeatureParams, the parameters people know it with; an example, not a default
    inputs : tuple of str, the columns of a bar that it reads
    kernel, output : what computes it, and which row of the kernel's output it is
    kernel_params : from the parameters to the kernel's numbers
    lookback : from the parameters to the bars of its own timeframe before its first value
    unit : str, of the value
    price_free : bool, unchanged when all prices are multiplied by one factor
    formula : str, the arithmetic, with the value taken where it is undefined
    source : str, who defined it
    base_only : bool, means nothing on a higher timeframe
    fades : from the parameters to the factors by which a bar shrinks the influence of those before its window, one per
        recursion that the value passes through; none where it depends on its window alone
    """

    name: str
    family: str
    version: int
    params: type[FeatureParams]
    usual: FeatureParams
    inputs: tuple[str, ...]
    kernel: Kernel
    output: str
    kernel_params: Callable[[Any], tuple[float, ...]]
    lookback: Callable[[Any], int]
    unit: str
    formula: str
    source: str
    price_free: bool = True
    base_only: bool = False
    fades: Callable[[Any], tuple[float, ...]] = _no_recursion

    @property
    def needs_volume(self) -> bool:
        """Whether it says something only where the source has volume."""
        return "volume" in self.inputs

    def __str__(self) -> str:
        return self.name


def _written(value: float) -> str:
    """A parameter as it stands in a name: 14, 2, 2.5."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature with its parameters; `timeframe` is None for the base timeframe of whichever plan it is in."""

    spec: FeatureSpec
    params: FeatureParams
    timeframe: Timeframe | None = None

    @property
    def name(self) -> str:
        """The one name that stands for it, such as `rsi_14@5m`."""
        short = "_".join((self.spec.name, *map(_written, self.params.values())))
        return short if self.timeframe is None else f"{short}@{self.timeframe}"

    @property
    def run_name(self) -> str:
        """The kernel run that computes it; features of one run share its state."""
        numbers = ",".join(map(_written, self.spec.kernel_params(self.params)))
        run = f"{self.spec.kernel.name}({numbers})"
        return run if self.timeframe is None else f"{run}@{self.timeframe}"

    def warmup_bars(self, base: Timeframe) -> int:
        """Rows before its first value on gapless bars that start with a bucket (a later start is never slower)."""
        return self._in_base_bars(self.spec.lookback(self.params), base)

    def settled_bars(self, base: Timeframe) -> int:
        """Rows before the start of the history matters no more: its influence has faded to SETTLED of what it was."""
        fading = sum(math.ceil(math.log(SETTLED) / math.log(factor)) for factor in self.spec.fades(self.params) if factor > 0.0)
        return self._in_base_bars(self.spec.lookback(self.params) + fading, base)

    def _in_base_bars(self, bars: int, base: Timeframe) -> int:
        return bars if self.timeframe is None else (bars + 1) * (self.timeframe.ms // base.ms) - 1


__all__ = [
    "SETTLED",
    "BollingerParams",
    "Feature",
    "FeatureParams",
    "FeatureSpec",
    "LagParams",
    "MacdParams",
    "MomentsParams",
    "NoParams",
    "StochasticParams",
    "WindowParams",
]
