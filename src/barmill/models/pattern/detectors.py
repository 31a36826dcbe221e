"""Weak labels: which pattern stands at a bar's close, by rules.

A network that learns from them can at best learn the rules with a margin; what the rules mistake, it mistakes. Rows that a person has
looked at are worth more, and may replace these.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from barmill.models.contract import Float64Array
from barmill.models.pattern.detector_config import DetectorConfig

if TYPE_CHECKING:
    from barmill.market import Bars

PATTERNS = ("none", "flag", "wedge", "blow_off", "wick_exhaustion")  # what the class indices number
NONE, FLAG = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class PatternLabels:
    """What the rules see at each bar, arrays of shape (n_bars,).

    pattern : int8, number in PATTERNS; of several the clearest, of equally clear ones the first
    quality : float64 in 0 .. 1, how clearly its conditions are met; 0 for none
    direction : int8, +1 where pole, lines, run or move go up, -1 down, 0 for none
    pole_kATR : float64, height of a flag's pole in ATRs before it, NaN for all else
    confidence : float64 of shape (n_bars, 5), quality of each pattern by itself; of none, 1 less that of the clearest
    """

    pattern: npt.NDArray[np.int8]
    quality: Float64Array
    direction: npt.NDArray[np.int8]
    pole_kATR: Float64Array
    confidence: Float64Array

    def __len__(self) -> int:
        return len(self.pattern)

    @property
    def targets(self) -> dict[str, Float64Array]:
        """What the Pattern CNN learns beside the class, by the names in its spec."""
        return {"quality": self.quality, "pole_kATR": self.pole_kATR}


def detect_patterns(bars: "Bars", config: DetectorConfig | None = None) -> PatternLabels:
    """The pattern at each bar's close.

    Timing: row t is known at the close of bar t; it looks at `config.reach` bars before it and at the ATR's memory. Rows without enough
    bars before them are none. Cost: proportional to bars times the poles and rests that are tried, about 2 s a million bars.
    """
    from barmill.features import atr as average_true_range  # compiles kernels
    from barmill.models.pattern import detector_kernels as kernels  # compiles at first import; see there

    rules = config or DetectorConfig()
    n_bars = len(bars)
    opens, high, low, close = (np.ascontiguousarray(series) for series in (bars.open, bars.high, bars.low, bars.close))
    atr = np.ascontiguousarray(average_true_range(high, low, close, rules.atr_window)) if n_bars else np.empty(0)
    quality, direction = np.zeros((2, len(PATTERNS), n_bars))
    pole = np.full(n_bars, np.nan)
    flag, wedge, blow_off, wick = rules.flag, rules.wedge, rules.blow_off, rules.wick
    kernels.scan_flags(
        high,
        low,
        close,
        atr,
        flag.pole_bars,
        flag.pole_atr,
        flag.efficiency,
        *flag.rest_bars,
        flag.retrace,
        flag.overshoot,
        flag.calm,
        quality[FLAG],
        direction[FLAG],
        pole,
    )
    lengths = np.array(wedge.bars, dtype=np.int64)
    kernels.scan_wedges(
        high, low, atr, lengths, wedge.narrowing, wedge.travel, wedge.width_atr, wedge.fit, quality[FLAG + 1], direction[FLAG + 1]
    )
    kernels.scan_blow_offs(
        high,
        low,
        close,
        atr,
        blow_off.run_bars,
        blow_off.run_atr,
        blow_off.late_share,
        blow_off.turn_bars,
        blow_off.turn,
        quality[FLAG + 2],
        direction[FLAG + 2],
    )
    kernels.scan_wicks(
        opens, high, low, close, atr, wick.trend_bars, wick.trend_atr, wick.range_atr, wick.wick, quality[FLAG + 3], direction[FLAG + 3]
    )
    return _clearest(quality, direction, pole, rules.min_quality)


def _clearest(quality: Float64Array, direction: Float64Array, pole: Float64Array, min_quality: float) -> PatternLabels:
    """Of the patterns at each bar the clearest, and none where nothing is clear enough."""
    at = np.arange(quality.shape[1])
    best = quality.argmax(axis=0) if at.size else np.zeros(0, dtype=np.int64)
    best[quality[best, at] < min_quality] = NONE
    chosen = np.where(best == NONE, 0.0, quality[best, at])
    confidence = quality.copy()
    confidence[NONE] = 1.0 - quality.max(axis=0, initial=0.0)
    return PatternLabels(
        pattern=best.astype(np.int8),
        quality=chosen,
        direction=direction[best, at].astype(np.int8),
        pole_kATR=np.where(best == FLAG, pole, np.nan),
        confidence=np.ascontiguousarray(confidence.T),
    )
