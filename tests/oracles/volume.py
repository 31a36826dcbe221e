"""TA-Lib's on-balance volume, and windows one by one."""

import math

import numpy as np
import talib

from oracles.slow import before, per_window


def obv_zscore(b, p):
    return per_window(lambda x: (x[-1] - x.mean()) / x.std(), p.window, talib.OBV(b.close, b.volume))


def vwap_distance(b, p):
    typical = (b.high + b.low + b.close) / 3
    return per_window(lambda c, x, v: c[-1] / np.average(x, weights=v) - 1, p.window, b.close, typical, b.volume)


ORACLES = {
    "volume_ratio": lambda b, p: per_window(lambda v: v[-1] / v.mean(), p.window, b.volume),
    "obv_zscore": obv_zscore,
    "vwap_distance": vwap_distance,
    "log_volume_ratio": lambda b, p: per_window(lambda v: math.log1p(v[-1] / v.mean()) - math.log(2), p.window, b.volume),
    "volume_zscore": lambda b, p: per_window(lambda v: (v[-1] - v.mean()) / v.std(), p.window, b.volume),
    "traded_value": lambda b, p: per_window(lambda v: math.log(np.median(v)), p.window, b.close * b.volume),
    "volume_change": lambda b, p: (b.volume - before(b.volume, p.lag)) / (b.volume + before(b.volume, p.lag)),
    "volume_sma": lambda b, p: talib.SMA(b.volume, p.window),
    "volume_std": lambda b, p: per_window(lambda v: np.std(v, ddof=1), p.window, b.volume),
    "obv": lambda b, p: talib.OBV(b.close, b.volume),
    "vwap": lambda b, p: per_window(lambda x, v: np.average(x, weights=v), p.window, (b.high + b.low + b.close) / 3, b.volume),
    "mfi": lambda b, p: talib.MFI(b.high, b.low, b.close, b.volume, p.window),
}
