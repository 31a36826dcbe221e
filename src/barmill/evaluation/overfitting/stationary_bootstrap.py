"""Resamples of a series that keep how its rows hang together: blocks of random length from random places.

Politis & Romano (1994), "The stationary bootstrap", JASA 89. The series is taken for a circle, a block's length is geometric,
so that the resample of a stationary series is stationary too.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.overfitting.autocovariance import autocovariances
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_AT_A_TIME = 16  # resamples whose counts are held at once


class Blocks(NamedTuple):
    """One resample of n rows: block i begins at row starts[i] and is lengths[i] rows long, the end of the series meeting its
    beginning. int64 (n_blocks,); the lengths sum to n."""

    starts: IntArray
    lengths: IntArray

    def resample(self, values: Float64Array) -> Float64Array:
        """The resample of `values`, float64 (n,)."""
        return _gathered(values, self.starts, self.lengths)

    def counts(self, n: int) -> IntArray:
        """How often each row stands in the resample, int64 (n,)."""
        rounds, ends = np.divmod(self.starts + self.lengths, n)
        begun = np.bincount(self.starts, minlength=n) - np.bincount(ends, minlength=n)
        return np.cumsum(begun) + rounds.sum()


@numba.njit(cache=True)
def _gathered(values: Float64Array, starts: IntArray, lengths: IntArray) -> Float64Array:
    n = values.size
    out = np.empty(lengths.sum())
    filled = 0
    for start, length in zip(starts, lengths):  # noqa: B905 (Numba knows no `strict`)
        row = start
        for _ in range(length):
            out[filled] = values[row]
            filled += 1
            row += 1
            if row == n:
                row = 0
    return out


def draw_blocks(draw: np.random.Generator, n: int, block: float) -> Blocks:
    """One resample of `n` rows in blocks of mean length `block`, the last one cut."""
    lengths = np.empty(0, dtype=np.int64)
    covered = 0
    while covered < n:  # nearly always once: the blocks asked for are more than enough but for a chance in millions
        missing = (n - covered) / block
        more = draw.geometric(1 / block, size=math.ceil(missing + 5 * math.sqrt(missing) + 1))
        lengths = np.concatenate([lengths, more])
        covered = int(lengths.sum())
    ends = np.cumsum(lengths)
    used = int(np.searchsorted(ends, n)) + 1
    lengths = lengths[:used]
    lengths[-1] -= ends[used - 1] - n
    return Blocks(draw.integers(0, n, size=used), lengths)


def resampled_means(columns: Float64Array, block: float, n_boot: int, seed: int) -> Float64Array:
    """Means of each column of float64 (n, n_columns) over each of `n_boot` resamples of the rows, float64 (n_boot, n_columns).

    Only how often a row was drawn matters to a mean: that many times the rows is a product of matrices. Raises ShapeError.
    """
    if n_boot < 20:
        raise ShapeError("n_boot", f"is {n_boot}", expected="at least 20 resamples")
    n = columns.shape[0]
    draw = np.random.default_rng(seed)
    parts: list[Float64Array] = []
    for first in range(0, n_boot, _AT_A_TIME):
        counts = [draw_blocks(draw, n, block).counts(n) for _ in range(min(_AT_A_TIME, n_boot - first))]
        parts.append(np.array(counts, dtype=np.float64) @ columns / n)
    return np.concatenate(parts)


def require_block(block: float, n: int) -> float:
    """A mean block length for n rows. Raises ShapeError."""
    if not 1 <= block <= n:
        raise ShapeError("block", f"is {block}", expected=f"a mean length from 1 to the {n} rows")
    return float(block)


def optimal_block_length(x: npt.ArrayLike) -> float:
    """The mean block length that serves the mean of a series best, from its autocovariances.

    x : float64 (n,), finite; gives 1 for a series without variation or fewer than 8 rows, at most min(3 sqrt(n), n/3)

    The first of max(5, log10 n) lags in a row with autocorrelations below 2 sqrt(log10(n) / n), as in the authors' program, is where
    nothing is left; twice as many lags, weighted by a flat-topped kernel, give the bias and the variance to be balanced.
    Source: Politis & White (2004), Econometric Reviews 23(1), with the correction of Patton, Politis & White (2009), 28(4).
    """
    series = vector(x, "x")
    n = series.size
    if n < 8 or series.max() == series.min():
        return 1.0
    run = max(5, int(math.log10(n)))
    most = math.ceil(math.sqrt(n)) + run
    covariances = autocovariances(series, min(most + run, n - 2))
    squares = np.cumsum((series - series.mean()) ** 2)
    lags = np.arange(1, covariances.size)
    overlapping = np.sqrt((squares[-1] - squares[lags]) * squares[n - 2 - lags])  # of the rows that a lag leaves, as arch has it
    small = n * np.abs(covariances[1:]) < 2 * math.sqrt(math.log10(n) / n) * overlapping
    quiet = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(small, run).all(axis=1))
    last = min(2 * (int(quiet[0]) + 1) if quiet.size else most, most, covariances.size - 1)
    lags = lags[:last]
    weights = np.minimum(1.0, 2 * (1 - lags / last))
    bias = 2 * float((weights * lags) @ covariances[1 : last + 1])
    spectrum = float(covariances[0] + 2 * (weights @ covariances[1 : last + 1]))
    if spectrum == 0:
        return 1.0
    best = (bias * bias / (spectrum * spectrum)) ** (1 / 3) * n ** (1 / 3)
    return min(max(best, 1.0), math.ceil(min(3 * math.sqrt(n), n / 3)))


__all__ = ["Blocks", "draw_blocks", "optimal_block_length", "require_block", "resampled_means"]
