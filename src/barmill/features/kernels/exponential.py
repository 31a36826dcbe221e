"""Exponential means. Start-up rules are TA-Lib's: seeded with a simple mean.

Source: Appel (2005), Technical Analysis: Power Tools for Active Investors; J.P. Morgan (1996), RiskMetrics (volatility).
"""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, Float64Array, kernel


@kernel("ema", ("ema", "distance"), lambda _: 2)
def ema(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, mean (until the n-th bar: the sum). outputs: EMA, close/EMA - 1."""
    n = params[0]
    alpha = 2.0 / (n + 1.0)
    seen, mean = state[0], state[1]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen < n:
            mean += close
            if seen == n - 1.0:
                mean /= n
                value = mean
        else:
            mean = (close - mean) * alpha + mean
            value = mean
        out[0, t] = value
        out[1, t] = close / value - 1.0
        seen += 1.0
    state[0], state[1] = seen, mean


@kernel("macd", ("macd", "signal", "hist", "macd_share", "signal_share", "hist_share"), lambda _: 4)
def macd(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: fast, slow, signal. state: bars seen, fast mean, slow mean, signal mean (sums until their first values).

    outputs: MACD, its signal, their difference, and the same three as a share of the close. Both means start on bar
    slow - 1, the fast one from the `fast` bars that end there.
    """
    fast, slow, signal = params[0], params[1], params[2]
    alpha_fast, alpha_slow, alpha_signal = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0), 2.0 / (signal + 1.0)
    seen, mean_fast, mean_slow, mean_signal = state[0], state[1], state[2], state[3]
    first = slow + signal - 2.0
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        if seen < slow:
            mean_slow += close
            if seen >= slow - fast:
                mean_fast += close
            if seen == slow - 1.0:
                mean_slow /= slow
                mean_fast /= fast
        else:
            mean_fast = (close - mean_fast) * alpha_fast + mean_fast
            mean_slow = (close - mean_slow) * alpha_slow + mean_slow
        line, line_signal = np.nan, np.nan
        if seen >= slow - 1.0:
            difference = mean_fast - mean_slow
            if seen <= first:
                mean_signal += difference
                if seen == first:
                    mean_signal /= signal
            else:
                mean_signal = (difference - mean_signal) * alpha_signal + mean_signal
            if seen >= first:
                line, line_signal = difference, mean_signal
        out[0, t], out[1, t], out[2, t] = line, line_signal, line - line_signal
        out[3, t], out[4, t], out[5, t] = line / close, line_signal / close, (line - line_signal) / close
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, mean_fast, mean_slow, mean_signal


@kernel("ewma_volatility", ("ewma_volatility",), lambda _: 3)
def ewma_volatility(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, last close, mean of squared log returns (until the n-th: their sum)."""
    n = params[0]
    alpha = 2.0 / (n + 1.0)
    seen, last, mean = state[0], state[1], state[2]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            squared = math.log(close / last) ** 2
            if seen <= n:
                mean += squared
                if seen == n:
                    mean /= n
            else:
                mean = (squared - mean) * alpha + mean
            if seen >= n:
                value = math.sqrt(mean)
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, last, mean


KERNELS = (ema, macd, ewma_volatility)
