"""An interval for the AUC of overlapping labels, by a moving-block bootstrap over time.

DeLong's interval takes the rows for independent. Labels that span 60 bars and are made at every bar share most of
their outcome with their neighbours, and the forecasts are as persistent; blocks at least as long as a label keep that.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import at_least_one_row, class_indices, probabilities

Float64Array = npt.NDArray[np.float64]


class Interval(NamedTuple):
    low: float
    high: float


def auc_interval(p: npt.ArrayLike, y: npt.ArrayLike, block: int, seed: int, level: float = 0.95, n_replicates: int = 200) -> Interval:
    """Percentile interval of the AUC over replicates made of blocks of consecutive rows, drawn with replacement.

    The forecasts are sorted once; a replicate is a count for each row, so it costs one pass over the rows (200 of them: 0.03 s for
    30 000 rows, 3.5 s for a million).

    Parameters
    ----------
    p : float64 of shape (n,), probability of class 1; y : 0 or 1, shape (n,); both in time order
    block : int, rows in a block: at least as many as share an outcome (label length over decision spacing)
    seed : int; level : float in (0, 1); n_replicates : int, at least 20

    Returns
    -------
    low, high : floats; NaN if y holds one class only, or if fewer than two blocks fit (there is nothing to resample).
    Replicates that drew one class only are left out.

    Source: Künsch (1989), Annals of Statistics 17.
    """
    said = probabilities(p)
    at_least_one_row(said.size, "p")
    came = class_indices(y, 2, length=said.size)
    if block < 1 or n_replicates < 20 or not 0 < level < 1:
        raise ShapeError(
            "auc_interval", f"block {block}, level {level}, {n_replicates} replicates", expected="1 or more, (0, 1), 20 or more"
        )
    n = said.size
    if came.min() == came.max() or n < 2 * block:
        return Interval(float("nan"), float("nan"))
    order = np.argsort(said, kind="stable")
    up, begins_tie = came[order] == 1, np.diff(said[order], prepend=-1.0) != 0
    draw = np.random.default_rng(seed)
    replicates = np.array([_auc_of_counts(_times_drawn(draw, n, block), order, up, begins_tie) for _ in range(n_replicates)])
    found = replicates[np.isfinite(replicates)]
    if found.size < n_replicates / 2:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


@numba.njit(cache=True)
def _auc_of_counts(
    times: npt.NDArray[np.int32], order: npt.NDArray[np.int64], up: npt.NDArray[np.bool_], begins_tie: npt.NDArray[np.bool_]
) -> float:
    """AUC where row i counts `times[i]` times; `order` sorts the rows by forecast, `up` and `begins_tie` are in that order."""
    n_up, n_rest, won = 0.0, 0.0, 0.0
    tied_up, tied_rest = 0.0, 0.0
    for i in range(order.size):
        if begins_tie[i]:
            won += tied_up * (n_rest + tied_rest / 2)
            n_up += tied_up
            n_rest += tied_rest
            tied_up, tied_rest = 0.0, 0.0
        drawn = float(times[order[i]])
        if up[i]:
            tied_up += drawn
        else:
            tied_rest += drawn
    won += tied_up * (n_rest + tied_rest / 2)
    pairs = (n_up + tied_up) * (n_rest + tied_rest)
    return won / pairs if pairs > 0 else float(np.nan)


def _times_drawn(draw: np.random.Generator, n: int, block: int) -> npt.NDArray[np.int32]:
    """How often each of n rows stands in one replicate: blocks with evenly drawn starts, the last one cut so that n rows come."""
    n_blocks = -(-n // block)
    starts = draw.integers(0, n - block + 1, size=n_blocks)
    lengths = np.full(n_blocks, block)
    lengths[-1] = n - block * (n_blocks - 1)
    begun = np.bincount(starts, minlength=n + 1) - np.bincount(starts + lengths, minlength=n + 1)
    return np.cumsum(begun)[:n].astype(np.int32)


__all__ = ["Interval", "auc_interval"]
