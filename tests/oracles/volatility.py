"""Volatility from windows one by one; TA-Lib's true range and bands."""

import math

import numpy as np
import talib

from oracles.slow import of_returns, per_window, returns


def bands(b, p):
    """Upper, middle, lower."""
    return talib.BBANDS(b.close, p.window, p.width, p.width)


def ewma_volatility(b, p):
    squares = returns(b)[1:] ** 2
    return np.sqrt(np.concatenate([[np.nan], talib.EMA(squares, p.window)]))


ORACLES = {
    "realised_volatility": of_returns(lambda r: math.sqrt(np.mean(r**2))),
    "parkinson_volatility": lambda b, p: per_window(
        lambda h, low: math.sqrt(np.mean(np.log(h / low) ** 2) / (4 * math.log(2))), p.window, b.high, b.low
    ),
    "garman_klass_volatility": lambda b, p: np.sqrt(
        per_window(np.mean, p.window, 0.5 * np.log(b.high / b.low) ** 2 - (2 * math.log(2) - 1) * np.log(b.close / b.open) ** 2)
    ),
    "atr": lambda b, p: talib.ATR(b.high, b.low, b.close, p.window) / b.close,
    "bollinger_width": lambda b, p: (bands(b, p)[0] - bands(b, p)[2]) / bands(b, p)[1],
    "bollinger_position": lambda b, p: (b.close - bands(b, p)[2]) / (bands(b, p)[0] - bands(b, p)[2]),
    "ewma_volatility": ewma_volatility,
    "volatility_ratio": lambda b, p: per_window(lambda r: math.sqrt(np.mean(r[-p.fast :] ** 2) / np.mean(r**2)), p.slow, returns(b)),
    "rogers_satchell_volatility": lambda b, p: np.sqrt(
        per_window(
            np.mean,
            p.window,
            np.log(b.high / b.close) * np.log(b.high / b.open) + np.log(b.low / b.close) * np.log(b.low / b.open),
        )
    ),
    "true_range": lambda b, p: talib.TRANGE(b.high, b.low, b.close) / b.close,
    "true_range_price": lambda b, p: talib.TRANGE(b.high, b.low, b.close),
    "atr_price": lambda b, p: talib.ATR(b.high, b.low, b.close, p.window),
    "bollinger_upper": lambda b, p: bands(b, p)[0],
    "bollinger_middle": lambda b, p: bands(b, p)[1],
    "bollinger_lower": lambda b, p: bands(b, p)[2],
}
