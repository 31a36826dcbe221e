"""Quantiles of a mixture: of several distributions that are each known by three quantiles, drawn from by weight.

A member's distribution is made of two halves of normal ones, which meet at its median and hold 45 % of all between there and its outer
quantile; their distribution functions are drawn by straight lines between knots at half, once and one and a half times that distance,
where they end. So the mixture's distribution function is linear between knots and is inverted exactly, and one function is inverted
at all levels: quantiles cannot cross. One member alone keeps its quantiles, and the mixture's lie between its members'. Of mixed normals
the share held below a quantile is off by less than 0.01.
"""

from collections.abc import Sequence

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.models.contract import LEVELS

ROWS_AT_ONCE = 4096

# A member's distribution in distances of its outer quantile from the median, negative below it.
KNOTS = np.array([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
_HALF_WAY = 0.794583  # the standard normal distribution function at half its 95 % quantile
LEVELS_AT_KNOTS = np.array([0.0, 0.05, 1 - _HALF_WAY, 0.5, _HALF_WAY, 0.95, 1.0])
_SIDES = np.array([0, 0, 0, 1, 2, 2, 2])  # which of the three quantiles is a knot's own; the median's distance is nothing

# Quantiles that coincide are drawn apart by this share of 1 + abs(median), which makes a jump of the distribution a steep slope.
_APART = 1e-9
# Levels this near are equal: over a gap where no member has mass, rounding would choose one end of it; so the middle is taken.
_EQUAL = 1e-12

_LEVELS = np.array(LEVELS)
_BELOW, _ABOVE = _LEVELS[:, None] - _EQUAL, _LEVELS[:, None] + _EQUAL


def mixture_quantiles(quantiles: Sequence[Float64Array], weights: Sequence[float]) -> Float64Array:
    """The 5, 50 and 95 % quantiles of the weighted mixture, float64 of shape (n, 3), not falling in a row.

    It is wider than the average of the quantiles where the members disagree, since it says what comes if one does not know which
    of them is right. A row's result depends on that row alone. Cost: quadratic in the members.

    Parameters
    ----------
    quantiles : of each member, float64 of shape (n, 3), the same three quantiles, not falling in a row
    weights : of each member, 0 or more, summing to 1

    Source: Stone (1961), The opinion pool, Annals of Mathematical Statistics 32(4); Lichtendahl, Grushka-Cockayne & Winkler (2013),
    Management Science 59(7), on how it differs from averaging quantiles.
    """
    n_rows = len(quantiles[0])
    if n_rows <= ROWS_AT_ONCE:
        return _quantiles(np.array(quantiles), weights)
    parts = [
        _quantiles(np.array([member[start : start + ROWS_AT_ONCE] for member in quantiles]), weights)
        for start in range(0, n_rows, ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)


def _quantiles(quantiles: Float64Array, weights: Sequence[float]) -> Float64Array:
    """Axes of `quantiles`: member, row, level."""
    n_members, n_rows, _ = quantiles.shape
    median = quantiles[:, :, 1:2]
    distance = np.maximum(np.abs(quantiles - median), _APART * (1 + np.abs(median)))
    knots = (median + distance.take(_SIDES, axis=2) * KNOTS).transpose(1, 0, 2).reshape(n_rows, -1)
    knots.sort(axis=1)
    away = knots - median
    levels = np.interp(away / np.where(away < 0, distance[:, :, :1], distance[:, :, 2:]), KNOTS, LEVELS_AT_KNOTS)
    level = levels[0] * weights[0]
    for member in range(1, n_members):
        level += levels[member] * weights[member]
    return _inverted(knots, level)


def _inverted(knots: Float64Array, level: Float64Array) -> Float64Array:
    """Where the function through (knots, level), rows of both ascending, reaches LEVELS: float64 of shape (n, 3)."""
    n_rows, n_knots = knots.shape
    by_level = level[:, None, :]
    row = np.arange(-1, n_rows * n_knots - 1, n_knots)[:, None]
    left = row + np.add.reduce(by_level <= _ABOVE, axis=2)  # the last knot that is not above the level
    right = row + np.add.reduce(by_level < _BELOW, axis=2) + 1  # the first that is not below it
    inside = left < right  # else the level is that of a knot, or of all knots from `right` to `left`
    x_left, y_left = knots.take(left), level.take(left)
    rise = np.where(inside, level.take(right) - y_left, 1.0)
    share = np.where(inside, (_LEVELS - y_left) / rise, 0.5)
    return np.maximum.accumulate(x_left + share * (knots.take(right) - x_left), axis=1)


__all__ = ["KNOTS", "LEVELS_AT_KNOTS", "mixture_quantiles"]
