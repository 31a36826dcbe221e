"""Signs of TA-Lib's means and of windows' extremes."""

import numpy as np
import talib


def ema_bias(b, p):
    fast, slow = talib.EMA(b.close, p.fast), talib.EMA(b.close, p.slow)
    up, down = (b.close > slow) & (fast > slow), (b.close < slow) & (fast < slow)
    return np.where(np.isnan(slow), np.nan, up.astype(float) - down)


def swing_bias(b, p):
    top, bottom = talib.MAX(b.high, p.window), talib.MIN(b.low, p.window)
    top_before, bottom_before = (np.concatenate([np.full(p.window, np.nan), x[: -p.window]]) for x in (top, bottom))
    value = ((top > top_before) & (bottom > bottom_before)).astype(float) - ((top < top_before) & (bottom < bottom_before))
    return np.where(np.isnan(top_before), np.nan, value)


ORACLES = {
    "ema_bias": ema_bias,
    "swing_bias": swing_bias,
    "alignment": lambda b, p, *args: np.mean(np.sign(args), axis=0),
}
