"""A whole distribution from nine deciles: straight lines between them, Student's tails beyond.

Foundation models were trained on the deciles from 10 to 90 % alone. What lies beyond is derived: the tail goes on as that of a Student
distribution through the two outermost deciles of its side, and is marked as derived wherever it is told.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Float64Array = npt.NDArray[np.float64]

LEVELS: Final = np.arange(1, 10) / 10
TAIL_DF: Final = 4.0  # tails of returns over minutes to days have an index of about 3 to 5
SPREAD: Final = 1e-9  # least distance of two outer deciles: a model that says one value for both leaves no tail to continue


def quantiles(deciles: Float64Array, levels: tuple[float, ...]) -> Float64Array:
    """Quantiles at `levels`, float64 (n, n_levels), of distributions with these deciles, float64 (n, 9), ascending in a row."""
    columns: list[Float64Array] = []
    for level in levels:
        if level < LEVELS[0] or level > LEVELS[-1]:
            inner, outer = _outermost(deciles, lower=level < LEVELS[0])
            columns.append(outer + _slope(inner, outer, level < LEVELS[0]) * (_t(level) - _t(_outer_level(level < LEVELS[0]))))
        else:
            place = float(np.interp(level, LEVELS, np.arange(LEVELS.size)))
            below = min(int(place), LEVELS.size - 2)
            share = place - below
            columns.append((1 - share) * deciles[:, below] + share * deciles[:, below + 1])
    return np.stack(columns, axis=1)


def share_above(deciles: Float64Array, threshold: Float64Array) -> Float64Array:
    """Probability of more than `threshold`, float64 (n,), under distributions with these deciles, float64 (n, 9)."""
    rows = np.arange(len(deciles))
    passed = (deciles <= threshold[:, None]).sum(axis=1)
    left, right = np.clip(passed - 1, 0, LEVELS.size - 2), np.clip(passed, 1, LEVELS.size - 1)
    start, stop = deciles[rows, left], deciles[rows, right]
    with np.errstate(invalid="ignore", divide="ignore"):  # two equal deciles: the level jumps there
        within = np.where(stop > start, (threshold - start) / (stop - start), 1.0)
    below = LEVELS[left] + within * (LEVELS[right] - LEVELS[left])
    for lower in (True, False):
        inner, outer = _outermost(deciles, lower=lower)
        tail = stdtr(TAIL_DF, _t(_outer_level(lower)) + (threshold - outer) / _slope(inner, outer, lower))
        below = np.where(passed == (0 if lower else LEVELS.size), tail, below)
    return 1.0 - below


def _outermost(deciles: Float64Array, *, lower: bool) -> tuple[Float64Array, Float64Array]:
    """The second outermost decile of a side, and the outermost."""
    return (deciles[:, 1], deciles[:, 0]) if lower else (deciles[:, -2], deciles[:, -1])


def _outer_level(lower: bool) -> float:
    return float(LEVELS[0] if lower else LEVELS[-1])


def _slope(inner: Float64Array, outer: Float64Array, lower: bool) -> Float64Array:
    """The scale of the Student distribution through both."""
    apart = _t(float(LEVELS[1 if lower else -2])) - _t(_outer_level(lower))
    return np.maximum(np.abs(inner - outer), SPREAD) / abs(apart)


def _t(level: float) -> float:
    return float(stdtrit(TAIL_DF, level))
