"""Transforms by SciPy, TA-Lib and NumPy, window by window."""

import numpy as np
import talib
from scipy import special, stats

from oracles.slow import before, per_window


def zscore(b, p, x):
    return per_window(lambda w: stats.zscore(w)[-1], p.window, x)


def percentile(b, p, x):
    return per_window(lambda w: stats.percentileofscore(w, w[-1], kind="mean") / 100.0, p.window, x)


def winsorise(b, p, x):
    return per_window(lambda w: np.clip(w[-1], *np.quantile(w, [p.share, 1.0 - p.share])), p.window, x)


def ewma(b, p, x):
    missing = int(np.argmax(np.isfinite(x)))
    return np.concatenate([np.full(missing, np.nan), talib.EMA(x[missing:], p.window)])


def fractional_weights(d, threshold):
    """The weights as signed binomial coefficients."""
    k = np.arange(100_000)
    weights = (-1.0) ** k * special.binom(d, k)
    return weights[: int(np.argmax(np.abs(weights) < threshold))]


def frac_diff(b, p, x):
    return np.convolve(x, fractional_weights(p.d, p.threshold))[: len(x)]


ORACLES = {
    "zscore": zscore,
    "percentile": percentile,
    "winsorise": winsorise,
    "ewma": ewma,
    "frac_diff": frac_diff,
    "lag": lambda b, p, x: before(x, p.lag),
    "change": lambda b, p, x: x - before(x, p.lag),
    "sum": lambda b, p, x: per_window(np.sum, p.window, x),
    "abs": lambda b, p, x: np.abs(x),
}
