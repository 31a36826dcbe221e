"""The one simple rule that every model of a run trades by: the surest forecasts, held for a fixed time."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from barmill.errors import ShapeError
from barmill.uncertainty.checked import at_least_one_row, probabilities

Float64Array = npt.NDArray[np.float64]

NEVER_SHORT, NEVER_LONG = 0.0, 1.0  # no probability is below the one or above the other


class TradingRule(BaseModel):
    """Long above one p_up, short below another, flat in between; a signal is held for `hold_bars`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trade_share: float = Field(default=0.10, gt=0, le=1, description="share of the selection slice's forecasts that give a signal")
    long_above: float | None = Field(default=None, ge=0, le=1, description="go long where p_up is above it, instead of by trade_share")
    short_below: float | None = Field(default=None, ge=0, le=1, description="go short where p_up is below it, instead of by trade_share")
    hold_bars: int | None = Field(default=None, ge=1, description="bars that a signal is held; the label's horizon if left out")
    allow_short: bool = Field(default=True, description="false: long or flat only")

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "TradingRule":
        if self.long_above is not None and self.short_below is not None and self.short_below > self.long_above:
            raise ValueError(f"short_below {self.short_below:g} is above long_above {self.long_above:g}; swap them")
        if self.short_below is not None and not self.allow_short:
            raise ValueError("short_below is given and allow_short is false; remove one of them")
        return self


class Thresholds(NamedTuple):
    """Short strictly below `low`, long strictly above `high`."""

    low: float
    high: float


def fit_thresholds(p: npt.ArrayLike, rule: TradingRule) -> Thresholds:
    """Thresholds of `rule` from the p_up of the selection slice; a threshold that the rule names is taken as it stands.

    Half of `trade_share` goes to each side (all of it to the long side without shorts). The threshold lies halfway between two
    neighbouring forecasts, where the share beyond it is nearest to the one asked for: with forecasts that are all
    different that is the quantile, and with few different ones (an isotonic curve has plateaus) a plateau is traded whole or
    not at all, not lost to a strict inequality. Forecasts that do not vary give (0, 1): no opinion, no trade.

    Parameters
    ----------
    p : float64 of shape (n,), p_up; in three classes, column 2

    Returns
    -------
    low, high : floats in [0, 1], low <= high; low is 0 where nothing is to be shorted
    """
    said = probabilities(p)
    at_least_one_row(said.size, "p")
    share = rule.trade_share / 2 if rule.allow_short else rule.trade_share
    values, counts = np.unique(said, return_counts=True)
    cuts = values[:-1] + np.diff(values) / 2
    below = np.cumsum(counts)[:-1] / said.size  # share of the forecasts below each cut
    high = rule.long_above if rule.long_above is not None else _nearest(cuts[::-1], 1 - below[::-1], share, NEVER_LONG)
    if not rule.allow_short:
        return Thresholds(NEVER_SHORT, high)
    low = rule.short_below if rule.short_below is not None else _nearest(cuts, below, share, NEVER_SHORT)
    return Thresholds(min(low, high), high)


def _nearest(cuts: Float64Array, beyond: Float64Array, share: float, never: float) -> float:
    """The cut with the share `beyond` it (ascending) nearest to `share`, the smaller share if tied; `never` without cuts."""
    return float(cuts[int(np.argmin(np.abs(beyond - share)))]) if cuts.size else never


def positions(p: npt.ArrayLike, lo: float, hi: float, hold_bars: int, allow_short: bool = True) -> Float64Array:
    """The path of positions that forecasts ask for: float64 of shape (n_bars,), +1, -1 or 0, one per bar.

    A forecast above `hi` signals +1, below `lo` -1. The last signal is held for `hold_bars` bars from its own bar on; the same
    signal again renews it, an opposite one flips the position at once, and no signal changes nothing.

    Parameters
    ----------
    p : float64 of shape (n_bars,), p_up known at each bar's close; NaN where there is no forecast, which is no signal
    lo, hi : as `fit_thresholds` gives them
    hold_bars : int, at least 1
    allow_short : bool; false: a forecast below `lo` closes a long position (an opposite signal) and opens nothing

    Timing: row t uses p[t - hold_bars + 1 .. t], so it is known at the close of bar t.
    """
    said = np.asarray(p, dtype=np.float64)
    if said.ndim != 1:
        raise ShapeError("p", f"has shape {said.shape}", expected="one dimension")
    if hold_bars < 1:
        raise ShapeError("hold_bars", f"is {hold_bars}", expected="at least 1")
    if not lo <= hi:
        raise ShapeError("thresholds", f"are {lo} and {hi}", expected="the lower one first")
    if ((said < 0) | (said > 1)).any():
        row = int(np.argmax((said < 0) | (said > 1)))
        raise ShapeError(f"p row {row}", f"is {said[row]}", expected="a probability in [0, 1] or NaN")
    signal = (said > hi).astype(np.float64) - (said < lo)  # a comparison with NaN is false
    bar = np.arange(said.size)
    last = np.maximum.accumulate(np.where(signal != 0, bar, -1))
    held = np.where((last >= 0) & (bar - last < hold_bars), signal[last], 0.0)
    return held if allow_short else np.maximum(held, 0.0)


__all__ = ["Thresholds", "TradingRule", "fit_thresholds", "positions"]
