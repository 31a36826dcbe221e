"""Compiled rules of the patterns. Signatures are explicit, so each is compiled once, when this module is first imported.

Every rule looks at bars up to t alone and measures in the ATR of a bar before the pattern began, which the pattern has not yet swollen.
A rule gives a quality in 0 .. 1 where it holds, 0 where it does not: the mean of how far each condition is met beyond its threshold.
"""

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.types import Array, float64, int64, void

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_prices = Array(float64, 1, "C", readonly=True)
_lengths = Array(int64, 1, "C", readonly=True)
_out = float64[::1]


@njit(cache=True, error_model="numpy", nogil=True)
def _beyond(value: float, threshold: float, full: float) -> float:
    """How far `value` has come from `threshold` (a tenth) to `full` (one); rising or falling."""
    share = (value - threshold) / (full - threshold)
    return 0.1 + 0.9 * min(1.0, max(0.0, share))


@njit(
    void(*(_prices,) * 4, int64, float64, float64, int64, int64, float64, float64, float64, _out, _out, _out),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_flags(
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    atr: Float64Array,
    pole_bars: int,
    pole_atr: float,
    efficiency: float,
    rest_least: int,
    rest_most: int,
    retrace: float,
    overshoot: float,
    calm: float,
    quality: Float64Array,
    direction: Float64Array,
    pole: Float64Array,
) -> None:
    """Of all poles and rests that end at each bar the clearest flag: its quality, +1 for a pole up, and its height in ATRs."""
    n_bars = len(close)
    shortest = max(1, pole_bars // 2)
    for t in range(pole_bars + rest_most, n_bars):
        deepest = np.inf
        highest = -np.inf
        top = -np.inf
        bottom = np.inf
        moved = 0.0
        for rest in range(1, rest_most + 1):
            u = t - rest + 1
            e = t - rest  # the last bar of the pole
            deepest = min(deepest, low[u])
            highest = max(highest, high[u])
            top = max(top, close[u])
            bottom = min(bottom, close[u])
            moved += abs(close[u] - close[u - 1])
            if rest < rest_least:
                continue
            way = 0.0
            for p in range(1, pole_bars + 1):
                b = e - p
                way += abs(close[b + 1] - close[b])
                if p < shortest:
                    continue
                unit = atr[b]
                height = abs(close[e] - close[b])
                if not (unit > 0.0 and height >= pole_atr * unit and height >= efficiency * way):
                    continue
                d = 1.0 if close[e] > close[b] else -1.0
                given_back = (close[e] - deepest if d > 0.0 else highest - close[e]) / height
                beyond = (top - close[e] if d > 0.0 else close[e] - bottom) / height
                calmness = (moved / rest) / (way / p)
                if given_back > retrace or beyond > overshoot or calmness > calm:
                    continue
                found = (
                    _beyond(height / unit, pole_atr, 2.0 * pole_atr)
                    + _beyond(height / way, efficiency, 1.0)
                    + _beyond(given_back, retrace, 0.0)
                    + _beyond(calmness, calm, 0.0)
                ) / 4.0
                if found > quality[t]:
                    quality[t] = found
                    direction[t] = d
                    pole[t] = height / unit


@njit(cache=True, error_model="numpy", nogil=True)
def _line(values: Float64Array, first: int, n: int) -> tuple[float, float, float]:
    """Least-squares line through `n` values from `first`: its value at the first, its slope a bar, and R²."""
    origin = values[first]  # sums of differences keep the digits that sums of prices lose
    mean = 0.0
    for j in range(n):
        mean += values[first + j] - origin
    mean /= n
    centre = (n - 1) / 2.0
    xx = n * (n * n - 1.0) / 12.0
    xy = 0.0
    yy = 0.0
    for j in range(n):
        y = values[first + j] - origin - mean
        xy += (j - centre) * y
        yy += y * y
    slope = xy / xx
    explained = xy * slope / yy if yy > 0.0 else 0.0
    return origin + mean - slope * centre, slope, explained


@njit(
    void(*(_prices,) * 3, _lengths, float64, float64, float64, float64, _out, _out),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_wedges(
    high: Float64Array,
    low: Float64Array,
    atr: Float64Array,
    lengths: Int64Array,
    narrowing: float,
    travel: float,
    width_atr: float,
    fit: float,
    quality: Float64Array,
    direction: Float64Array,
) -> None:
    """Of all lengths that end at each bar the clearest wedge: its quality, +1 where it rises."""
    for t in range(len(high)):
        for n in lengths:
            first = t - n + 1
            if first < 1 or not atr[first - 1] > 0.0:
                continue
            upper, upper_slope, upper_fit = _line(high, first, n)
            if upper_fit < fit:
                continue
            lower, lower_slope, lower_fit = _line(low, first, n)
            if lower_fit < fit or upper_slope * lower_slope <= 0.0:
                continue
            width = upper - lower
            last = width + (upper_slope - lower_slope) * (n - 1)
            if not (width >= width_atr * atr[first - 1] and last > 0.0 and last <= narrowing * width):
                continue
            way = abs(upper_slope + lower_slope) / 2.0 * (n - 1) / width
            if way < travel:
                continue
            found = (
                _beyond(upper_fit, fit, 1.0)
                + _beyond(lower_fit, fit, 1.0)
                + _beyond(last / width, narrowing, 0.0)
                + _beyond(way, travel, 3.0 * travel)
            ) / 4.0
            if found > quality[t]:
                quality[t] = found
                direction[t] = 1.0 if upper_slope > 0.0 else -1.0


@njit(
    void(*(_prices,) * 4, int64, float64, float64, int64, float64, _out, _out),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_blow_offs(
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    atr: Float64Array,
    run_bars: int,
    run_atr: float,
    late_share: float,
    turn_bars: int,
    turn: float,
    quality: Float64Array,
    direction: Float64Array,
) -> None:
    """Where a run that grew steeper has just broken: its quality, +1 where it ran up."""
    third = run_bars // 3
    for t in range(run_bars + turn_bars, len(close)):
        for since in range(turn_bars + 1):
            e = t - since
            b = e - run_bars
            unit = atr[b]
            if not unit > 0.0:
                continue
            for d in (1.0, -1.0):
                extreme = high[e] if d > 0.0 else low[e]
                height = d * (extreme - close[b])
                if not height >= run_atr * unit:
                    continue
                is_extreme = True
                for u in range(b, t + 1):
                    if (high[u] > extreme) if d > 0.0 else (low[u] < extreme):
                        is_extreme = False
                        break
                late = d * (extreme - close[e - third]) / height
                given_back = d * (extreme - close[t]) / height
                if not is_extreme or late < late_share or given_back < turn:
                    continue
                found = (
                    _beyond(height / unit, run_atr, 2.0 * run_atr) + _beyond(late, late_share, 1.0) + _beyond(given_back, turn, 2.0 * turn)
                ) / 3.0
                if found > quality[t]:
                    quality[t] = found
                    direction[t] = d


@njit(
    void(*(_prices,) * 5, int64, float64, float64, float64, _out, _out),
    cache=True,
    error_model="numpy",
    nogil=True,
)
def scan_wicks(
    open: Float64Array,
    high: Float64Array,
    low: Float64Array,
    close: Float64Array,
    atr: Float64Array,
    trend_bars: int,
    trend_atr: float,
    range_atr: float,
    wick: float,
    quality: Float64Array,
    direction: Float64Array,
) -> None:
    """Where a bar reached beyond the move before it and was thrown back: its quality, +1 where the move went up."""
    for t in range(trend_bars + 1, len(close)):
        unit = atr[t - 1]
        spread = high[t] - low[t]
        move = close[t - 1] - close[t - 1 - trend_bars]
        if not (unit > 0.0 and spread >= range_atr * unit and abs(move) >= trend_atr * unit):
            continue
        d = 1.0 if move > 0.0 else -1.0
        is_extreme = True
        for u in range(t - trend_bars, t):
            if (high[u] > high[t]) if d > 0.0 else (low[u] < low[t]):
                is_extreme = False
                break
        tail = high[t] - max(open[t], close[t]) if d > 0.0 else min(open[t], close[t]) - low[t]
        if not is_extreme or tail < wick * spread:
            continue
        quality[t] = (
            _beyond(abs(move) / unit, trend_atr, 2.0 * trend_atr)
            + _beyond(spread / unit, range_atr, 2.0 * range_atr)
            + _beyond(tail / spread, wick, 1.0)
        ) / 3.0
        direction[t] = d
