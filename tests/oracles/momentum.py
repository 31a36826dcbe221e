"""TA-Lib's momentum, and windows one by one where it has another rule."""

import numpy as np
import talib

from oracles.slow import per_window


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
}
