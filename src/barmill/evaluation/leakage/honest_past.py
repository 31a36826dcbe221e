"""What any honest column may be made of: the bars up to the decision, as a few dozen numbers of many lengths of memory.

Whatever of a column these explain is no leak. What they do not explain is either another source, or the future.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

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
RIDGE = 5e-2  # of the rows, on columns of deviation 1


def log_moves(close: Float64Array) -> Float64Array:
    """Log return into each bar, 0 for the first."""
    x = np.log(close)
    return np.diff(x, prepend=x[0])


def local_volatility(close: Float64Array) -> Float64Array:
    """Volatility of a bar as known at its close; never below a thousandth of its mean, so that still bars divide nothing by 0."""
    moves = log_moves(close)
    volatility = np.sqrt(_mean(moves * moves, VOLATILITY_SPAN))
    return np.maximum(volatility, 1e-3 * volatility.mean() + 1e-18)


def honest_past(close: Float64Array, rows: Int64Array, times: Int64Array | None, bars: "Bars | None") -> Float64Array:
    """Numbers known at the closes of the bars `rows`: float64 of shape (len(rows), about 60).

    Parameters
    ----------
    close : closes of all bars
    rows : bars at whose close the numbers are wanted
    times : close time of each bar, ms; without it the clock is left out
    bars : for highs, lows and volumes; without it these are left out
    """
    x, moves, volatility = np.log(close), log_moves(close), local_volatility(close)
    columns = [_lagged(moves, lag)[rows] for lag in range(LAGS)]
    for length in MOVES:
        move = x - _lagged(x, length)
        columns += [move[rows], np.clip(move / volatility / np.sqrt(length), -REACH, REACH)[rows]]
    columns += [(x - _mean(x, span))[rows] for span in MEANS]
    columns += [(x - _window_mean(x, length))[rows] for length in WINDOWS]
    size = np.abs(moves)
    columns += [np.log(_mean(size, span) + 1e-9)[rows] for span in SPREADS]
    columns += [np.log(_mean(moves * moves, span) + 1e-18)[rows] for span in SPREADS]
    columns += [size[rows], _lagged(size, 1)[rows]]
    if bars is not None:
        high, low = np.log(bars.high), np.log(bars.low)
        body, height = 2 * x - high - low, high - low
        columns += [body[rows], height[rows]]
        for span in BODIES:
            columns += [_mean(body, span)[rows], _mean(height, span)[rows], _mean(body / volatility, span)[rows]]
        volume = np.log1p(bars.volume)
        columns += [_mean(volume, span)[rows] for span in VOLUMES]
    if times is not None:
        minute = (times[rows] // MINUTE_MS) % DAY_MINUTES
        for cycle in CYCLES:
            angle = 2 * np.pi * cycle * minute / DAY_MINUTES
            columns += [np.sin(angle), np.cos(angle)]
    return np.column_stack(columns)


@dataclass(frozen=True, slots=True, eq=False)
class PastFit:
    """Fits of anything by the honest past, on the rows themselves or on the other half of them.

    Parameters
    ----------
    spanned : float64 (n, K), orthonormal columns that span a constant and the past, of all rows
    halves : for either half its rows, those of the other, the past here, and what turns values of the other half into coefficients
    """

    spanned: Float64Array
    halves: tuple[tuple[slice, slice, Float64Array, Float64Array], ...]

    @classmethod
    def of(cls, past: Float64Array) -> "PastFit":
        """From what `honest_past` gives: float64 (n, K)."""
        centred = past - past.mean(axis=0)
        spread = centred.std(axis=0)
        moving = spread > 0
        held = np.clip(centred[:, moving] / spread[moving], -REACH, REACH)
        whole = np.column_stack([np.ones(len(held)), held])
        left, sizes, _ = np.linalg.svd(whole, full_matrices=False)
        middle = len(whole) // 2
        first, second = slice(0, middle), slice(middle, len(whole))
        halves = ((first, second, whole[first], _ridge(whole[second])), (second, first, whole[second], _ridge(whole[first])))
        return cls(left[:, sizes > sizes[0] * 1e-6], halves)

    def left_within(self, values: Float64Array) -> Float64Array:
        """What a fit on the same rows leaves of each column, outliers held."""
        return _without_outliers(values - self.spanned @ (self.spanned.T @ values))

    def left_across(self, values: Float64Array) -> Float64Array:
        """What a fit on the other half of the rows leaves of each column, outliers held.

        The remainder of a slow column that was fitted on its own rows turns back to 0 by itself, as if it knew the future; this one does
        not.
        """
        rest = np.empty_like(values)
        for here, other, past, fit in self.halves:
            rest[here] = values[here] - past @ (fit @ values[other])
        return _without_outliers(rest)


def _ridge(past: Float64Array) -> Float64Array:
    """The matrix that turns values into their ridge coefficients: float64 (K, n)."""
    gram = past.T @ past
    gram[np.diag_indices_from(gram)] += RIDGE * len(past)
    return np.asarray(np.linalg.solve(gram, past.T), dtype=np.float64)


def _without_outliers(rest: Float64Array) -> Float64Array:
    middle = np.median(rest, axis=0)
    sigma = 1.4826 * np.median(np.abs(rest - middle), axis=0)
    spread = rest.std(axis=0)
    sigma = np.where(sigma > 1e-3 * spread, sigma, spread)
    return np.clip(rest, middle - REACH * sigma, middle + REACH * sigma)


def _mean(x: Float64Array, span: int) -> Float64Array:
    """Exponential mean that begins with the first value."""
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


__all__ = ["PastFit", "honest_past", "local_volatility", "log_moves"]
