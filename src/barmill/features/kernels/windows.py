"""Quantities over the last n bars, recomputed from a ring at every bar (`rings.py`)."""

import math

import numpy as np

from barmill.features.kernels.kernel import CLOSE, HIGH, LOW, OPEN, VOLUME, Float64Array, kernel
from barmill.features.kernels.rings import highest, lowest, push, sum_of, sum_of_squares, varies

PARKINSON = 1.0 / (4.0 * math.log(2.0))
GARMAN_KLASS = 2.0 * math.log(2.0) - 1.0


def _one_ring(params: tuple[float, ...]) -> int:
    return 3 + 2 * int(params[0])


@kernel("log_return", ("log_return", "absolute", "simple", "percent"), lambda params: 2 + int(params[0]))
def log_return(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, the last n closes.

    outputs: the log return over n bars, its size, the simple return, and that in percent.
    """
    n = int(params[0])
    seen, place = state[0], int(state[1])
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        grown = close / state[2 + place] if seen >= n else np.nan
        log_grown = math.log(grown)
        out[0, t], out[1, t], out[2, t], out[3, t] = log_grown, abs(log_grown), grown - 1.0, 100.0 * (grown - 1.0)
        state[2 + place] = close
        place = place + 1 if place + 1 < n else 0
        seen += 1.0
    state[0], state[1] = seen, float(place)


@kernel("realised_volatility", ("realised_volatility",), _one_ring)
def realised_volatility(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, ring of log returns."""
    n = int(params[0])
    seen, place, last = state[0], int(state[1]), state[2]
    ring = state[3:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            place = push(ring, n, place, math.log(close / last))
            if seen >= n:
                value = math.sqrt(sum_of_squares(ring[place : place + n], 0.0) / n)
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@kernel("parkinson_volatility", ("parkinson_volatility",), _one_ring)
def parkinson_volatility(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, -, ring of squared log ranges."""
    n = int(params[0])
    seen, place = state[0], int(state[1])
    ring = state[3:]
    for t in range(bars.shape[1]):
        place = push(ring, n, place, math.log(bars[HIGH, t] / bars[LOW, t]) ** 2)
        seen += 1.0
        out[0, t] = math.sqrt(sum_of(ring[place : place + n]) / n * PARKINSON) if seen >= n else np.nan
    state[0], state[1] = seen, float(place)


@kernel("garman_klass_volatility", ("garman_klass_volatility",), _one_ring)
def garman_klass_volatility(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, -, ring of the bars' variances (not negative while low <= open, close <= high)."""
    n = int(params[0])
    seen, place = state[0], int(state[1])
    ring = state[3:]
    for t in range(bars.shape[1]):
        width = math.log(bars[HIGH, t] / bars[LOW, t])
        body = math.log(bars[CLOSE, t] / bars[OPEN, t])
        place = push(ring, n, place, 0.5 * width**2 - GARMAN_KLASS * body**2)
        seen += 1.0
        out[0, t] = math.sqrt(sum_of(ring[place : place + n]) / n) if seen >= n else np.nan
    state[0], state[1] = seen, float(place)


@kernel("bollinger", ("upper", "middle", "lower", "width", "position"), _one_ring)
def bollinger(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, k, position where nothing varies. state: bars seen, place, -, ring of closes.

    outputs: the three bands, (upper - lower)/middle, (close - lower)/(upper - lower).
    """
    n, k, undefined = int(params[0]), params[1], params[2]
    seen, place = state[0], int(state[1])
    ring = state[3:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        place = push(ring, n, place, close)
        seen += 1.0
        middle, half, position = np.nan, np.nan, np.nan
        if seen >= n:
            window = ring[place : place + n]
            middle, half, position = close, 0.0, undefined
            if varies(window):
                middle = sum_of(window) / n
                half = k * math.sqrt(sum_of_squares(window, middle) / n)
                position = (close - (middle - half)) / (2.0 * half)
        out[0, t], out[1, t], out[2, t] = middle + half, middle, middle - half
        out[3, t], out[4, t] = 2.0 * half / middle, position
    state[0], state[1] = seen, float(place)


def _stochastic_state(params: tuple[float, ...]) -> int:
    return 5 + 2 * int(2 * params[0] + params[1] + params[2])


@kernel("stochastic", ("slow_k", "slow_d"), _stochastic_state)
def stochastic(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: k, smooth, d, raw value where high and low are one. state: bars seen, four places, four rings."""
    n, smooth, d, undefined = int(params[0]), int(params[1]), int(params[2]), params[3]
    seen, place, place_raw, place_k = state[0], int(state[1]), int(state[2]), int(state[3])
    highs, lows = state[5 : 5 + 2 * n], state[5 + 2 * n : 5 + 4 * n]
    raws = state[5 + 4 * n : 5 + 4 * n + 2 * smooth]
    slow = state[5 + 4 * n + 2 * smooth :]
    for t in range(bars.shape[1]):
        push(highs, n, place, bars[HIGH, t])
        place = push(lows, n, place, bars[LOW, t])
        seen += 1.0
        slow_k, slow_d = np.nan, np.nan
        if seen >= n:
            low, high = lowest(lows[place : place + n]), highest(highs[place : place + n])
            raw = 100.0 * ((bars[CLOSE, t] - low) / (high - low)) if high > low else undefined
            place_raw = push(raws, smooth, place_raw, raw)
            if seen >= n + smooth - 1:
                slow_k = sum_of(raws[place_raw : place_raw + smooth]) / smooth
                place_k = push(slow, d, place_k, slow_k)
                if seen >= n + smooth + d - 2:
                    slow_d = sum_of(slow[place_k : place_k + d]) / d
        out[0, t], out[1, t] = slow_k, slow_d
    state[0], state[1], state[2], state[3] = seen, float(place), float(place_raw), float(place_k)


@kernel("volume_ratio", ("volume_ratio", "mean"), _one_ring)
def volume_ratio(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, ratio where nothing was traded. state: bars seen, place, -, ring of volumes. outputs: volume/mean, mean."""
    n, undefined = int(params[0]), params[1]
    seen, place = state[0], int(state[1])
    ring = state[3:]
    for t in range(bars.shape[1]):
        volume = bars[VOLUME, t]
        place = push(ring, n, place, volume)
        seen += 1.0
        value, mean = np.nan, np.nan
        if seen >= n:
            mean = sum_of(ring[place : place + n]) / n
            value = volume / mean if mean > 0.0 else undefined
        out[0, t], out[1, t] = value, mean
    state[0], state[1] = seen, float(place)


@kernel("obv", ("obv",), lambda _: 3)
def obv(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """state: bars seen, last close, on-balance volume."""
    seen, last, balance = state[0], state[1], state[2]
    for t in range(bars.shape[1]):
        close, volume = bars[CLOSE, t], bars[VOLUME, t]
        if seen == 0.0 or close > last:
            balance += volume
        elif close < last:
            balance -= volume
        out[0, t] = balance
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, last, balance


@kernel("obv_zscore", ("obv_zscore",), lambda params: 3 + 3 * int(params[0]))
def obv_zscore(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing varies. state: bars seen, place, last close, ring of signed volumes, room for n sums.

    The balance is summed from the window's start: a constant added to it does not move a z-score, and so the sum
    neither grows nor depends on where the history began.
    """
    n, undefined = int(params[0]), params[1]
    seen, place, last = state[0], int(state[1]), state[2]
    ring, balance = state[3 : 3 + 2 * n], state[3 + 2 * n :]
    for t in range(bars.shape[1]):
        close, volume = bars[CLOSE, t], bars[VOLUME, t]
        signed = 0.0
        if seen > 0.0 and close > last:
            signed = volume
        elif seen > 0.0 and close < last:
            signed = -volume
        place = push(ring, n, place, signed)
        last = close
        seen += 1.0
        value = np.nan
        if seen >= n:
            balance[0] = 0.0
            for i in range(1, n):
                balance[i] = balance[i - 1] + ring[place + i]
            value = undefined
            if varies(balance):
                mean = sum_of(balance) / n
                value = (balance[n - 1] - mean) / math.sqrt(sum_of_squares(balance, mean) / n)
        out[0, t] = value
    state[0], state[1], state[2] = seen, float(place), last


@kernel("vwap_distance", ("vwap_distance", "vwap"), lambda params: 3 + 4 * int(params[0]))
def vwap_distance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, distance where nothing was traded. state: bars seen, place, -, ring of turnover, ring of volumes.

    outputs: close/VWAP - 1, VWAP (the close where nothing was traded).
    """
    n, undefined = int(params[0]), params[1]
    seen, place = state[0], int(state[1])
    turnovers, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n :]
    for t in range(bars.shape[1]):
        close, volume = bars[CLOSE, t], bars[VOLUME, t]
        typical = (bars[HIGH, t] + bars[LOW, t] + close) / 3.0
        push(turnovers, n, place, typical * volume)
        place = push(volumes, n, place, volume)
        seen += 1.0
        distance, vwap = np.nan, np.nan
        if seen >= n:
            traded = sum_of(volumes[place : place + n])
            distance, vwap = undefined, close
            if traded > 0.0:
                turnover = sum_of(turnovers[place : place + n])
                distance, vwap = close * traded / turnover - 1.0, turnover / traded
        out[0, t], out[1, t] = distance, vwap
    state[0], state[1] = seen, float(place)


KERNELS = (
    log_return,
    realised_volatility,
    parkinson_volatility,
    garman_klass_volatility,
    bollinger,
    stochastic,
    volume_ratio,
    obv,
    obv_zscore,
    vwap_distance,
)
