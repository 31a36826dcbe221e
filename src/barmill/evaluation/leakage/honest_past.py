"""What any honest column may be made of: the bars up to the decision, as a few dozen numbers of many lengths of memory.

Whatever of a column these explain is no leak. What they do not explain is either another source, or the future.
"""

from typing import TYPE_CHECKING

import numpy as np

from barmill.evaluation.leakage.dossier import Float64Array, Int64Array
from barmill.market.timeframe import MINUTE_MS

if TYPE_CHECKING:
    from barmill.market import Bars

LAGS = 4
MOVES = (1, 2, 5, 15, 60, 240)
MEANS = (3, 8, 20, 60, 200, 600, 1440, 5000)
WINDOWS = (5, 15, 30, 60, 240, 1440)
SPREADS = (5, 20, 60, 240, 1440)
BODIES = (3, 8, 20, 60)
VOLUMES = (1, 5, 20, 60)
CYCLES = (1, 2, 24)  # a day
DAY_MINUTES = 1440
REACH = 6.0  # robust sigmas at which numbers are held
VOLATILITY_SPAN = 60
FAST = 240  # bars of memory


def log_moves(close: Float64Array) -> Float64Array:
    """Log return into each bar, 0 for the first."""
    x = np.log(close)
    return np.diff(x, prepend=x[0])


def local_volatility(close: Float64Array) -> Float64Array:
    """Volatility of a bar as known at its close; never below a thousandth of its mean, so that still bars divide nothing by 0."""
    moves = log_moves(close)
    volatility = np.sqrt(_mean(moves * moves, VOLATILITY_SPAN))
    return np.maximum(volatility, 1e-3 * volatility.mean() + 1e-18)


def honest_past(close: Float64Array, rows: Int64Array, times: Int64Array | None, bars: "Bars | None") -> tuple[Float64Array, Float64Array]:
    """Numbers known at the closes of the bars `rows`: those that forget within some hours of minutes, and those that remember longer.

    Parameters
    ----------
    close : closes of all bars
    rows : bars at whose close the numbers are wanted
    times : close time of each bar, ms; without it the clock is left out
    bars : for highs, lows and volumes; without it these are left out

    Returns
    -------
    two float64 arrays of shape (len(rows), about 50) and (len(rows), about 10)
    """
    x, moves, volatility = np.log(close), log_moves(close), local_volatility(close)
    size, squares = np.abs(moves), moves * moves
    fast = [_lagged(moves, lag)[rows] for lag in range(LAGS)]
    for length in MOVES:
        move = x - _lagged(x, length)
        fast += [move[rows], np.clip(move / volatility / np.sqrt(length), -REACH, REACH)[rows]]
    fast += [size[rows], _lagged(size, 1)[rows]]
    slow: list[Float64Array] = []
    for span in MEANS:
        (fast if span <= FAST else slow).append((x - _mean(x, span))[rows])
    for length in WINDOWS:
        (fast if length <= FAST else slow).append((x - _window_mean(x, length))[rows])
    for span in SPREADS:
        spread = np.log(_mean(size, span) + 1e-9)[rows], np.log(_mean(squares, span) + 1e-18)[rows]
        (fast if span <= FAST else slow).extend(spread)
    if bars is not None:
        high, low = np.log(bars.high), np.log(bars.low)
        body, height = 2 * x - high - low, high - low
        fast += [body[rows], height[rows]]
        for span in BODIES:
            fast += [_mean(body, span)[rows], _mean(height, span)[rows], _mean(body / volatility, span)[rows]]
        volume = np.log1p(bars.volume)
        fast += [_mean(volume, span)[rows] for span in VOLUMES]
    if times is not None:
        minute = (times[rows] // MINUTE_MS) % DAY_MINUTES
        for cycle in CYCLES:
            angle = 2 * np.pi * cycle * minute / DAY_MINUTES
            (fast if cycle > 2 else slow).extend((np.sin(angle), np.cos(angle)))
    return np.column_stack(fast), np.column_stack(slow)


def directions(past: Float64Array) -> Float64Array:
    """Orthonormal columns that span a constant and the columns of `past`, outliers held: float64 of shape (n, at most K + 1)."""
    centred = past - past.mean(axis=0)
    spread = centred.std(axis=0)
    moving = spread > 0
    held = np.clip(centred[:, moving] / spread[moving], -REACH, REACH)
    left, sizes, _ = np.linalg.svd(np.column_stack([np.ones(len(held)), held]), full_matrices=False)
    return left[:, sizes > sizes[0] * 1e-6]


def unexplained(values: Float64Array, spanned: Float64Array) -> Float64Array:
    """What of each column the orthonormal columns `spanned` leave, outliers held; float64 of the shape of `values`."""
    return _without_outliers(values - spanned @ (spanned.T @ values))


def _without_outliers(rest: Float64Array) -> Float64Array:
    middle = np.median(rest, axis=0)
    sigma = 1.4826 * np.median(np.abs(rest - middle), axis=0)
    spread = rest.std(axis=0)
    sigma = np.where(sigma > 1e-3 * spread, sigma, spread)
    return np.clip(rest, middle - REACH * sigma, middle + REACH * sigma)


def _mean(x: Float64Array, span: int) -> Float64Array:
    """Exponential mean that begins with the first value."""
    from scipy.signal import lfilter  # slow to load, and most who import this run no check

    a = 2.0 / (span + 1)
    return lfilter([a], [1.0, a - 1.0], x, zi=[(1.0 - a) * x[0]])[0]


def _window_mean(x: Float64Array, length: int) -> Float64Array:
    """Mean of the last `length` values, of fewer at the beginning."""
    total = np.concatenate([[0.0], np.cumsum(x - x[0])])
    end = np.arange(1, x.size + 1)
    begin = np.maximum(end - length, 0)
    return x[0] + (total[end] - total[begin]) / (end - begin)


def _lagged(x: Float64Array, lag: int) -> Float64Array:
    return x if lag == 0 else np.concatenate([np.full(min(lag, x.size), x[0]), x[:-lag]])


__all__ = ["directions", "honest_past", "local_volatility", "log_moves", "unexplained"]
