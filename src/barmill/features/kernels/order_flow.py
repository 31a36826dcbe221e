"""Who crossed the spread, told from the signs and sizes of changes, from the bar's shape or from taker volume; how busy it was."""

import math

import numba
import numpy as np

from barmill.features.kernels.kernel import CLOSE, CLOSE_TIME, HIGH, LOW, VOLUME, Float64Array, kernel

HALF = math.sqrt(0.5)


@numba.njit(error_model="numpy")
def _push(ring: Float64Array, n: int, place: int, value: float) -> int:
    """Put `value` over the oldest; returns the place of the next one, which is where the window now starts."""
    ring[place] = value
    ring[place + n] = value
    return place + 1 if place + 1 < n else 0


@numba.njit(error_model="numpy")
def _sum(window: Float64Array) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.size - window.size % 4
    for i in range(0, whole, 4):
        a += window[i]
        b += window[i + 1]
        c += window[i + 2]
        d += window[i + 3]
    total = (a + b) + (c + d)
    for i in range(whole, window.size):
        total += window[i]
    return total


@numba.njit(error_model="numpy")
def _tick(change: float, sign: float) -> float:
    """The sign of the change; of no change, the sign before."""
    if change > 0.0:
        return 1.0
    return -1.0 if change < 0.0 else sign


@kernel("tick_rule", ("sign", "direction"), lambda _: 3)
def tick_rule(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: sign before the first change. state: bars seen, last close, sign. outputs: from the first bar on, from the second on."""
    seen, last, sign = state[0], state[1], state[2] if state[0] > 0.0 else params[0]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        if seen > 0.0:
            sign = _tick(close - last, sign)
        out[0, t], out[1, t] = sign, sign if seen > 0.0 else np.nan
        last = close
        seen += 1.0
    if seen > 0.0:
        state[0], state[1], state[2] = seen, last, sign


@kernel("tick_imbalance", ("tick_imbalance",), lambda params: 4 + 2 * int(params[0]))
def tick_imbalance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n. state: bars seen, place, last close, sign (0 before the first change), ring of signs."""
    n = int(params[0])
    seen, place, last, sign = state[0], int(state[1]), state[2], state[3]
    ring = state[4:]
    for t in range(bars.shape[1]):
        close = bars[CLOSE, t]
        value = np.nan
        if seen > 0.0:
            sign = _tick(close - last, sign)
            place = _push(ring, n, place, sign)
            if seen >= n:
                value = _sum(ring[place : place + n]) / n
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, float(place), last, sign


@kernel("close_location", ("close_location",), lambda _: 0)
def close_location(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:  # noqa: ARG001  as all kernels
    """params: value where the bar has no range."""
    for t in range(bars.shape[1]):
        high, low, close = bars[HIGH, t], bars[LOW, t], bars[CLOSE, t]
        out[0, t] = ((close - low) - (high - close)) / (high - low) if high > low else params[0]


@kernel("bulk_imbalance", ("bulk_imbalance",), lambda params: 3 + 6 * int(params[0]))
def bulk_imbalance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded.

    state: bars seen, place, last close, rings of squared changes, of bought less sold, of volumes. Bought less sold is, as a
    share of the volume, 2Φ(z) - 1 = erf(z/√2).
    """
    n, undefined = int(params[0]), params[1]
    seen, place, last = state[0], int(state[1]), state[2]
    squares, signed, volumes = state[3 : 3 + 2 * n], state[3 + 2 * n : 3 + 4 * n], state[3 + 4 * n :]
    for t in range(bars.shape[1]):
        close, volume = bars[CLOSE, t], bars[VOLUME, t]
        value = np.nan
        if seen > 0.0:
            change = close - last
            start = _push(squares, n, place, change * change)
            sigma = math.sqrt(_sum(squares[start : start + n]) / n)
            _push(signed, n, place, volume * math.erf(change / sigma * HALF) if sigma > 0.0 else 0.0)
            place = _push(volumes, n, place, volume)
            if seen >= 2 * n - 1:  # the oldest bar of the window has n changes behind it
                traded = _sum(volumes[place : place + n])
                value = _sum(signed[place : place + n]) / traded if traded > 0.0 else undefined
        out[0, t] = value
        last = close
        seen += 1.0
    state[0], state[1], state[2] = seen, float(place), last


@kernel("taker_imbalance", ("taker_imbalance",), lambda params: 2 + 4 * int(params[0]))
def taker_imbalance(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded, row of what takers bought.

    state: bars seen, place, rings of bought less sold, of volumes.
    """
    n, undefined, row = int(params[0]), params[1], int(params[2])
    seen, place = state[0], int(state[1])
    signed, volumes = state[2 : 2 + 2 * n], state[2 + 2 * n :]
    for t in range(bars.shape[1]):
        bought, volume = bars[row, t], bars[VOLUME, t]
        value = np.nan
        if math.isfinite(bought):
            _push(signed, n, place, 2.0 * bought - volume)
            place = _push(volumes, n, place, volume)
            seen += 1.0
            if seen >= n:
                traded = _sum(volumes[place : place + n])
                value = _sum(signed[place : place + n]) / traded if traded > 0.0 else undefined
        out[0, t] = value
    state[0], state[1] = seen, float(place)


@kernel("intensity", ("intensity",), lambda params: 3 + 4 * int(params[0]))
def intensity(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing happened, row of what is counted. state: bars seen, place, last close time, rings of counts, of times.

    A bar's time runs from the close of the bar before it, so that a gap is time without trades.
    """
    n, undefined, row = int(params[0]), params[1], int(params[2])
    seen, place, last = state[0], int(state[1]), state[2]
    counts, times = state[3 : 3 + 2 * n], state[3 + 2 * n :]
    for t in range(bars.shape[1]):
        count, now = bars[row, t], bars[CLOSE_TIME, t]
        value = np.nan
        if math.isfinite(count):
            if seen > 0.0:
                _push(counts, n, place, count)
                place = _push(times, n, place, now - last)
                if seen >= n:
                    total = _sum(counts[place : place + n])
                    value = undefined
                    if total > 0.0:
                        value = (count / (now - last)) / (total / _sum(times[place : place + n]))
            last = now
            seen += 1.0
        out[0, t] = value
    state[0], state[1], state[2] = seen, float(place), last


@kernel("trade_size", ("trade_size",), lambda params: 2 + 4 * int(params[0]))
def trade_size(params: Float64Array, state: Float64Array, bars: Float64Array, out: Float64Array) -> None:
    """params: n, value where nothing was traded, row of trades. state: bars seen, place, rings of volumes, of trades."""
    n, undefined, row = int(params[0]), params[1], int(params[2])
    seen, place = state[0], int(state[1])
    volumes, counts = state[2 : 2 + 2 * n], state[2 + 2 * n :]
    for t in range(bars.shape[1]):
        trades, volume = bars[row, t], bars[VOLUME, t]
        value = np.nan
        if math.isfinite(trades):
            _push(volumes, n, place, volume)
            place = _push(counts, n, place, trades)
            seen += 1.0
            if seen >= n:
                traded = _sum(volumes[place : place + n])
                value = undefined
                if trades > 0.0 and traded > 0.0:
                    value = (volume / trades) / (traded / _sum(counts[place : place + n]))
        out[0, t] = value
    state[0], state[1] = seen, float(place)


KERNELS = (tick_rule, tick_imbalance, close_location, bulk_imbalance, taker_imbalance, intensity, trade_size)
