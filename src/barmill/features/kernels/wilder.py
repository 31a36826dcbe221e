"""Wilder's recursions: relative strength, true range, directional movement. Start-up rules are TA-Lib's.

Source: Wilder (1978), New Concepts in Technical Trading Systems.
"""

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, Float64Array, kernel


@numba.njit(error_model="numpy")
def _true_range(high: float, low: float, close_before: float) -> float:
    return max(high - low, abs(high - close_before), abs(low - close_before))


@kernel("rsi", ("rsi",), lambda _: 4)
def rsi(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing moved. state: bars seen, last close, mean gain, mean loss."""
    n, undefined = params[0], params[1]
    seen, last, gain, loss = state[0], state[1], state[2], state[3]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            change = close - last
            up = change if change > 0.0 else 0.0
            down = -change if change < 0.0 else 0.0
            if seen < n:
                gain += up
                loss += down
            elif seen == n:
                gain = (gain + up) / n
                loss = (loss + down) / n
            else:
                gain = (gain * (n - 1.0) + up) / n
                loss = (loss * (n - 1.0) + down) / n
            if seen >= n:
                moved = gain + loss
                value = 100.0 * (gain / moved) if moved > 0.0 else undefined
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, last, gain, loss


@kernel("true_range", ("true_range", "share"), lambda _: 2)
def true_range(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """state: bars seen, last close. outputs: true range, true range as a share of the close."""
    seen, last = state[0], state[1]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = _true_range(bars[HIGH, t], bars[LOW, t], last) if seen > 0.0 else np.nan
        out[0, t] = value
        out[1, t] = value / close
        last = close
        seen += 1.0
    state[0], state[1] = seen, last


@kernel("atr", ("atr", "share"), lambda _: 3)
def atr(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, last close, mean true range. outputs: ATR, ATR as a share of the close."""
    n = params[0]
    seen, last, mean = state[0], state[1], state[2]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            true_range = _true_range(bars[HIGH, t], bars[LOW, t], last)
            if seen < n:
                mean += true_range
            elif seen == n:
                mean = (mean + true_range) / n
            else:
                mean = (mean * (n - 1.0) + true_range) / n
            if seen >= n:
                value = mean
        out[0, t] = value
        out[1, t] = value / close
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, last, mean


@kernel("adx", ("plus_di", "minus_di", "adx"), lambda _: 9)
def adx(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where there was no true range.

    state: bars seen, last high, low, close, sums of +DM, -DM, TR, mean DX, number of DX that were defined. A bar whose
    DX is undefined (no directional movement at all) leaves ADX as it was, as in TA-Lib.
    """
    n, undefined = params[0], params[1]
    seen, high_before, low_before, close_before = state[0], state[1], state[2], state[3]
    plus, minus, width, mean, defined = state[4], state[5], state[6], state[7], state[8]
    for t in range(bars.shape[1]):
        high, low = bars[HIGH, t], bars[LOW, t]
        plus_di, minus_di, value = np.nan, np.nan, np.nan
        if seen > 0.0:
            up, down = high - high_before, low_before - low
            plus_move = up if up > down and up > 0.0 else 0.0
            minus_move = down if down > up and down > 0.0 else 0.0
            true_range = _true_range(high, low, close_before)
            if seen < n:
                plus += plus_move
                minus += minus_move
                width += true_range
            else:
                plus = plus - plus / n + plus_move
                minus = minus - minus / n + minus_move
                width = width - width / n + true_range
                plus_di, minus_di = undefined, undefined
                if width > 0.0:
                    plus_di = 100.0 * (plus / width)
                    minus_di = 100.0 * (minus / width)
                    if plus_di + minus_di > 0.0:
                        index = 100.0 * (abs(plus_di - minus_di) / (plus_di + minus_di))
                        mean = mean + index if seen < 2.0 * n else (mean * (n - 1.0) + index) / n
                        defined += 1.0
                if seen == 2.0 * n - 1.0:
                    mean /= n
                if seen >= 2.0 * n - 1.0:
                    value = mean if defined > 0.0 else undefined
        out[0, t], out[1, t], out[2, t] = plus_di, minus_di, value
        high_before, low_before, close_before = high, low, bars[CLOSE, t]
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, high_before, low_before, close_before
    state[4], state[5], state[6], state[7], state[8] = plus, minus, width, mean, defined


KERNELS = (rsi, true_range, atr, adx)
