"""Adaptive bands of a whole block: the same steps that a server takes, one decision and one outcome after the other."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector
from barmill.uncertainty.conformal.adaptive import AdaptiveState

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class AdaptiveBlock(NamedTuple):
    """lower, upper, level : float64 of shape (n,), the band said at each decision and the alpha_t that it was made with;
    state : after the last decision, with the outcomes that were known then; the others are pending.
    """

    lower: Float64Array
    upper: Float64Array
    level: Float64Array
    state: AdaptiveState


def adaptive_bands(
    state: AdaptiveState, decided_at: npt.ArrayLike, known_at: npt.ArrayLike, lo: npt.ArrayLike, hi: npt.ArrayLike, y: npt.ArrayLike
) -> AdaptiveBlock:
    """The bands that a server would have said, had it started from `state`.

    Before a decision all outcomes known by then are taken in, in the order in which they became known, of equal ones the earlier decision
    first. The band at t uses none that is known later. Outcomes of decisions that were pending in `state` are the caller's to give before.

    Parameters
    ----------
    decided_at : integers of shape (n,), ascending: the bar at whose close each forecast was made (t0), or its close time in ms
    known_at : integers of shape (n,), in the same unit, each later than its decision: the label's last bar (t1)
    lo, hi : float64 of shape (n,), the forecast band; lo = hi = prediction for a model that says a point
    y : float64 of shape (n,), NaN where the outcome never becomes known

    Raises: ShapeError for arrays that do not fit, decisions out of order, or an outcome known before its decision.
    Cost: about 30 microseconds a row.
    """
    decided, known = _times(decided_at, "decided_at"), _times(known_at, "known_at")
    n = decided.size
    low, high, came = vector(lo, "lo", n).tolist(), vector(hi, "hi", n).tolist(), vector(y, "y", n, nan_allowed=True)
    _check_order(decided, known)
    comes = np.flatnonzero(~np.isnan(came))
    coming = iter(comes[np.lexsort((comes, known[comes]))].tolist())
    outcome = next(coming, None)
    lower, upper, level = np.empty(n), np.empty(n), np.empty(n)
    for row, at in enumerate(decided.tolist()):
        while outcome is not None and known[outcome] <= at:
            state = state.update(int(decided[outcome]), float(came[outcome]))
            outcome = next(coming, None)
        level[row] = state.level
        state, lower[row], upper[row] = state.decide(at, low[row], high[row])
    return AdaptiveBlock(lower, upper, level, state)


def _times(values: npt.ArrayLike, name: str) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ShapeError(name, f"is {array.dtype} of shape {array.shape}", expected="integers in one dimension")
    return array.astype(np.int64)


def _check_order(decided: IntArray, known: IntArray) -> None:
    if known.size != decided.size:
        raise ShapeError("known_at", f"has {known.size} rows", expected=f"{decided.size}")
    if (np.diff(decided) <= 0).any():
        row = int(np.argmax(np.diff(decided) <= 0)) + 1
        raise ShapeError(f"decided_at row {row}", f"is {decided[row]} after {decided[row - 1]}", expected="ascending times")
    if (known <= decided).any():
        row = int(np.argmax(known <= decided))
        raise ShapeError(f"known_at row {row}", f"is {known[row]}", expected=f"later than its decision, {decided[row]}")


__all__ = ["AdaptiveBlock", "adaptive_bands"]
