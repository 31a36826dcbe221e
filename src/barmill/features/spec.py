"""What a feature is: its declaration, and one chosen with parameters, arguments and a timeframe.

A name and what it stands for determine each other: `rsi_14@5m` is the feature `rsi` with window 14 on closed five-minute
bars, `zscore_60(rsi_14)@5m` a transform of it on the same bars. Parameters stand in the name in their declared order, always
all of them; the base timeframe is left out, and an argument's too where it is that of the whole.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from barmill.features.columns import COLUMNS
from barmill.features.kernels import Kernel
from barmill.features.kernels.kernel import Float64Array
from barmill.features.params import FeatureParams
from barmill.market import BAR_COLUMNS, Timeframe

SETTLED = 1e-9  # the tolerance at which indicators are held equal to TA-Lib's

Scale = Literal["free", "price", "inverse", "log", "shift", "level"]
"""What a value does when every price is multiplied by one factor k: nothing; it is multiplied by k; divided by k; ln k is
added to it; another number is added, the same at every bar (`shift`); or something else (`level`)."""

Fit = Callable[[Any, Float64Array, npt.NDArray[np.int64]], tuple[float, ...]]
"""From the parameters, what the arguments were (n_rows, n_args) on the rows to fit on, and the first row of each stretch of
consecutive bars among them, to the numbers that the kernel takes after its own parameters."""


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
    inputs : tuple of str, the columns of a bar that it reads itself (its arguments read their own)
    kernel, output : what computes it, and which row of the kernel's output it is
    kernel_params : from the parameters to the kernel's numbers
    lookback : from the parameters to the bars of its own timeframe before its first value, counted from the first bar on which
        all its arguments and further columns have a value
    unit : str, of the value
    formula : str, the arithmetic, with the value taken where it is undefined
    source : str, who defined it
    scale : Scale, what the value does when all prices are multiplied by one factor
    base_only : bool, means nothing on a higher timeframe
    fades : from the parameters to the factors by which a bar shrinks the influence of those before its window, one per
        recursion that the value passes through; none where it depends on its window alone
    arity : how many features it takes as arguments: fewest, most
    usual_args : tuple of str, names of arguments as an example; as many as `arity` asks for
    scale_of : from the arguments' scales to its own, for features that take arguments
    fit : for features with fitted numbers; they are learned on training rows alone and travel with the plan
    n_fitted : from the parameters and the number of arguments to how many numbers `fit` gives; a plan that brings another number
        of them is refused, since a kernel finds its rows behind them
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
    scale: Scale = "free"
    base_only: bool = False
    fades: Callable[[Any], tuple[float, ...]] = _no_recursion
    arity: tuple[int, int] = (0, 0)
    usual_args: tuple[str, ...] = ()
    scale_of: Callable[[tuple[Scale, ...]], Scale] | None = None
    fit: Fit | None = None
    n_fitted: Callable[[Any, int], int] | None = None

    @property
    def further_inputs(self) -> tuple[str, ...]:
        """The columns it reads beyond open_time .. volume, in the order in which its kernel takes their rows."""
        return tuple(name for name in self.inputs if name not in BAR_COLUMNS)

    @property
    def needs_volume(self) -> bool:
        """Whether it says something only where the source has volume."""
        return "volume" in self.inputs

    def __str__(self) -> str:
        return self.name


def written(value: float) -> str:
    """A parameter as it stands in a name: 14, 2, 2.5."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature with its parameters and arguments.

    timeframe : None for the base timeframe of whichever plan it is in
    args : on the same timeframe or, for a feature of the base, on any: then what the base bars are shown of it
    """

    spec: FeatureSpec
    params: FeatureParams
    timeframe: Timeframe | None = None
    args: tuple["Feature", ...] = ()

    @property
    def name(self) -> str:
        """The one name that stands for it, such as `rsi_14@5m`."""
        return self.short if self.timeframe is None else f"{self.short}@{self.timeframe}"

    @property
    def short(self) -> str:
        """The name without its timeframe."""
        words = "_".join((self.spec.name, *map(written, self.params.values())))
        if not self.args:
            return words
        return f"{words}({','.join(arg.short if arg.timeframe == self.timeframe else arg.name for arg in self.args)})"

    @property
    def run_name(self) -> str:
        """The kernel run that computes it; features of one run share its state."""
        numbers = ",".join(map(written, self.spec.kernel_params(self.params)))
        of = "".join(f";{name}" for name in (*self.spec.further_inputs, *(arg.name for arg in self.args)))
        run = f"{self.spec.kernel.name}({numbers}{of})"
        return run if self.timeframe is None else f"{run}@{self.timeframe}"

    @property
    def scale(self) -> Scale:
        """What it does when all prices are multiplied by one factor."""
        return self.spec.scale_of(tuple(arg.scale for arg in self.args)) if self.spec.scale_of else self.spec.scale

    @property
    def further_inputs(self) -> tuple[str, ...]:
        """The columns beyond open_time .. volume that it and its arguments read, sorted."""
        return tuple(sorted({name for one in (*self.arguments, self) for name in one.spec.further_inputs}))

    @property
    def sources(self) -> tuple[str, ...]:
        """Those of `further_inputs` that must come with the bars; the calendar's are computed."""
        return tuple(name for name in self.further_inputs if not COLUMNS[name].calendar)

    @property
    def arguments(self) -> tuple["Feature", ...]:
        """All that it is computed from, at any depth, what is needed first standing first."""
        return tuple(dict.fromkeys(one for arg in self.args for one in (*arg.arguments, arg)))

    @property
    def reaches_higher(self) -> bool:
        """Whether it or an argument stands on a higher timeframe."""
        return any(one.timeframe is not None for one in (self, *self.arguments))

    @property
    def learned(self) -> tuple["Feature", ...]:
        """Those of it and its arguments that have fitted numbers, arguments first."""
        return tuple(one for one in (*self.arguments, self) if one.spec.fit is not None)

    def warmup_bars(self, base: Timeframe) -> int:
        """Rows before its first value on gapless bars that start with a bucket (a later start is never slower)."""
        return self._rows(base, lambda feature: feature.spec.lookback(feature.params))

    def settled_bars(self, base: Timeframe) -> int:
        """Rows before the start of the history matters no more: its influence has faded to SETTLED of what it was."""
        return self._rows(base, Feature._memory)

    def _memory(self) -> int:
        fading = sum(math.ceil(math.log(SETTLED) / math.log(factor)) for factor in self.spec.fades(self.params) if factor > 0.0)
        return self.spec.lookback(self.params) + fading

    def _rows(self, base: Timeframe, own: "Callable[[Feature], int]") -> int:
        if self.timeframe is None:
            return own(self) + max((arg._rows(base, own) for arg in self.args), default=0)
        return (self._bars(own) + 1) * (self.timeframe.ms // base.ms) - 1

    def _bars(self, own: "Callable[[Feature], int]") -> int:
        return own(self) + max((arg._bars(own) for arg in self.args), default=0)


__all__ = ["SETTLED", "Feature", "FeatureSpec", "Fit", "Scale", "written"]
