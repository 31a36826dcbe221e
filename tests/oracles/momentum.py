"""TA-Lib's momentum, and windows one by one where it has another rule."""

import numpy as np
import talib

from oracles.slow import before, per_window


def stochastic_k(b, p):
    low, high = per_window(np.min, p.window, b.low), per_window(np.max, p.window, b.high)
    return per_window(np.mean, p.smooth, 100 * (b.close - low) / (high - low))


ORACLES = {
    "log_return": lambda b, p: np.concatenate([np.full(p.lag, np.nan), np.log(b.close[p.lag :] / b.close[: -p.lag])]),
    "rsi": lambda b, p: talib.RSI(b.close, p.window),
    "macd": lambda b, p: talib.MACD(b.close, p.fast, p.slow, p.signal)[0] / b.close,
    "macd_signal": lambda b, p: talib.MACD(b.close, p.fast, p.slow, p.signal)[1] / b.close,
    "macd_hist": lambda b, p: talib.MACD(b.close, p.fast, p.slow, p.signal)[2] / b.close,
    "plus_di": lambda b, p: talib.PLUS_DI(b.high, b.low, b.close, p.window),
    "minus_di": lambda b, p: talib.MINUS_DI(b.high, b.low, b.close, p.window),
    "adx": lambda b, p: talib.ADX(b.high, b.low, b.close, p.window),
    "stochastic_k": stochastic_k,
    "stochastic_d": lambda b, p: talib.STOCH(b.high, b.low, b.close, p.window, p.smooth, 0, p.slow, 0)[1],
    "ema_distance": lambda b, p: b.close / talib.EMA(b.close, p.window) - 1,
    "abs_log_return": lambda b, p: np.abs(np.log(b.close / before(b.close, p.lag))),
    "return": lambda b, p: talib.ROCP(b.close, p.lag),
    "momentum": lambda b, p: talib.MOM(b.close, p.lag) / before(b.close, p.lag),
    "roc": lambda b, p: talib.ROC(b.close, p.lag),
    "sma": lambda b, p: talib.SMA(b.close, p.window),
    "sma_distance": lambda b, p: b.close / talib.SMA(b.close, p.window) - 1,
    "ema": lambda b, p: talib.EMA(b.close, p.window),
    "highest": lambda b, p: talib.MAX(b.high, p.window),
    "lowest": lambda b, p: talib.MIN(b.low, p.window),
    "range_position": lambda b, p: talib.STOCHF(b.high, b.low, b.close, p.window, 1, 0)[0] / 100,
    "williams_r": lambda b, p: talib.WILLR(b.high, b.low, b.close, p.window),
    "cci": lambda b, p: talib.CCI(b.high, b.low, b.close, p.window),
}
