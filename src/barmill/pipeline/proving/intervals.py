"""Intervals over markets. Markets are drawn independently, so their figures are too, however much the labels within one overlap."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, stdtrit


class Estimate(NamedTuple):
    """A figure with its interval, both ends in; n : the markets that it rests on. NaN where there are too few."""

    value: float
    low: float
    high: float
    n: int

    @property
    def width(self) -> float:
        return self.high - self.low

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the interval; an interval that is not known holds nothing."""
        return self.low <= value <= self.high

    def to_json(self) -> dict[str, float | int]:
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def mean_estimate(values: Sequence[float], weights: Sequence[float], level: float) -> Estimate:
    """Weighted mean over markets with Student's interval.

    The variance is that of a ratio estimator (Cochran 1977, section 6.4), so that a market with half of the rows counts half:
    sum w^2 (x - mean)^2 / (sum w)^2 * n / (n - 1).
    """
    x, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    kept = np.isfinite(x) & (w > 0)
    x, w, n = x[kept], w[kept], int(kept.sum())
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    mean = float((w * x).sum() / w.sum())
    if n == 1:
        return Estimate(mean, float("nan"), float("nan"), 1)
    error = float(np.sqrt((w**2 * (x - mean) ** 2).sum() * n / (n - 1)) / w.sum())
    reach = float(stdtrit(n - 1, 0.5 + level / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, n)


def share_estimate(count: int, n: int, level: float) -> Estimate:
    """A share with its exact interval (Clopper and Pearson 1934, Biometrika 26)."""
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    tail = (1 - level) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return Estimate(count / n, low, high, n)


def ratio_estimate(above: Sequence[float], below: Sequence[float], level: float) -> Estimate:
    """Ratio of two means over the same markets, by the jackknife (Efron and Stein 1981): sum(above) / sum(below)."""
    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    n = a.size
    whole = float(a.sum() / b.sum()) if n and b.sum() > 0 else float("nan")
    if n < 2 or np.isnan(whole):
        return Estimate(whole, float("nan"), float("nan"), n)
    without = (a.sum() - a) / (b.sum() - b)
    error = float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    reach = float(stdtrit(n - 1, 0.5 + level / 2)) * error
    return Estimate(whole, whole - reach, whole + reach, n)


__all__ = ["Estimate", "mean_estimate", "ratio_estimate", "share_estimate"]
