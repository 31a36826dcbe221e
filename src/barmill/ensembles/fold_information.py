"""Do out-of-fold forecasts give away which fold a row is from?

A fold's model has a level of its own, from the rows that it learned from. Where that level shows, a meta-learner can tell folds apart, and
with them the share of ups in each. Markets drift, so folds that follow each other in time differ in any case: but drift knows nothing of
the borders of folds. So forecasts are compared across each border with forecasts across other points of time, within folds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import FitRows, Float64Array, Member
from barmill.ensembles.meta_features import meta_features

LEAST_ROWS = 5  # on each side of a border: fewer have no mean to speak of
SMALL = 0.05  # a p, times the number of columns, below which the words say that chance does not explain a jump
ROUNDING = 1e-9  # of the largest forecast: less is no jump but the error of running sums
SPLITS = 10  # of the shortest fold: how many sides of a border fit into it


def fold_jumps(members: Sequence[Member], rows: FitRows, fold: npt.NDArray[np.int64]) -> dict[str, Any]:
    """How far the mean forecast jumps where one fold's models take over from another's, against points within folds.

    On both sides of a point the same number of rows is averaged, a tenth of the shortest fold; points within folds are as far apart as
    their sides need, so that no row is used twice. Overlapping labels and slow features move both kinds of points alike.

    Parameters
    ----------
    members, rows : as an ensemble is fitted with them, in time order
    fold : int64 of shape (n,), the fold of each row

    Returns
    -------
    plain JSON: rows_each_side, borders, points, and for each meta-feature of the members `jump` (mean of the absolute jumps at borders
    over that at points within folds; 1 where a border is a point like any other, null where there are none within folds) and `p`
    (one-sided Mann-Whitney; small where borders stand out). The smallest of several p is small by chance, and `words` allows for it.
    Without enough rows `jumps` is empty.
    """
    from scipy.stats import mannwhitneyu

    borders = np.flatnonzero(np.diff(fold)) + 1
    lengths = np.diff(np.concatenate([[0], borders, [fold.size]]))
    side = int(lengths.min()) // SPLITS
    if borders.size == 0 or side < LEAST_ROWS:
        words = f"{fold.size} rows in {lengths.size} folds are too few to tell whether forecasts jump where folds meet."
        return {"rows_each_side": side, "borders": int(borders.size), "points": 0, "jumps": {}, "words": words}
    starts = np.concatenate([[0], borders])
    within = np.concatenate(
        [np.arange(a + 2 * side, a + length - 2 * side + 1, 2 * side) for a, length in zip(starts, lengths, strict=True)]
    )
    features = meta_features(members, 2 if rows.said[0].p.ndim == 1 else 3)
    jumps: dict[str, dict[str, float | None]] = {}
    for name, column in zip(features.names, features.raw(rows.said, None), strict=True):
        at_borders, elsewhere = _jumps(column, borders, side), _jumps(column, within, side)
        usual = float(elsewhere.mean())
        if usual > 0 or at_borders.max() > 0:
            p = float(mannwhitneyu(at_borders, elsewhere, alternative="greater").pvalue)
            jumps[name] = {"jump": float(at_borders.mean()) / usual if usual > 0 else None, "p": p}
    return {
        "rows_each_side": side,
        "borders": int(borders.size),
        "points": int(within.size),
        "jumps": jumps,
        "words": _words(jumps),
    }


def _jumps(column: Float64Array, points: npt.NDArray[np.int64], side: int) -> Float64Array:
    """Absolute difference of the means of `side` rows after and before each point."""
    sums = np.concatenate([[0.0], np.cumsum(column - column.mean())])
    jumps = np.abs(sums[points + side] - 2 * sums[points] + sums[points - side]) / side
    return np.where(jumps > ROUNDING * np.abs(column).max(), jumps, 0.0)


def _words(jumps: dict[str, dict[str, float | None]]) -> str:
    if not jumps:
        return "No forecast varies, so nothing can be said of jumps between folds."
    likely = {name: found["p"] or 0.0 for name, found in jumps.items()}
    worst = min(likely, key=lambda name: likely[name])
    jump = jumps[worst]["jump"]
    told = f"{worst} jumps {'' if jump is None else f'{jump:.2f} times as far '}where folds meet "
    told += f"{'and nowhere else' if jump is None else 'as within them'} (p = {likely[worst]:.3f})"
    if likely[worst] * len(jumps) < SMALL:
        return f"{told}: its forecasts show which fold a row is from."
    return f"{told}, the likeliest of {len(jumps)} columns to show its fold: chance alone explains it."


__all__ = ["fold_jumps"]
