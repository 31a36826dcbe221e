"""TA-Lib's on-balance volume, and windows one by one."""

import numpy as np
import talib

from oracles.slow import per_window


def obv_zscore(b, p):
    return per_window(lambda x: (x[-1] - x.mean()) / x.std(), p.window, talib.OBV(b.close, b.volume))


def vwap_distance(b, p):
    typical = (b.high + b.low + b.close) / 3
    return per_window(lambda c, x, v: c[-1] / np.average(x, weights=v) - 1, p.window, b.close, typical, b.volume)


ORACLES = {
    "volume_ratio": lambda b, p: per_window(lambda v: v[-1] / v.mean(), p.window, b.volume),
    "obv_zscore": obv_zscore,
    "vwap_distance": vwap_distance,
}
