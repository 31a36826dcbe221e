"""Many tests at once: p-values that may be held against one level, however many of them there are."""

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]


def holm_adjusted(p_values: npt.ArrayLike) -> Float64Array:
    """Holm's adjusted p-values: rejecting those at or below a level makes one false rejection or more at most that often.

    p_values : float64 of shape (n,), in [0, 1]; NaN is a test that could not be made, stays NaN and does not count

    Returns float64 of shape (n,). Nothing is supposed of how the tests hang together.
    Source: Holm (1979), Scandinavian J. of Statistics 6(2).
    """
    p = vector(p_values, "p_values", nan_allowed=True)
    known = np.flatnonzero(~np.isnan(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise ShapeError("p_values", "lie outside [0, 1]", expected="probabilities")
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(p.size, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(known.size, 0, -1)))
    return adjusted


__all__ = ["holm_adjusted"]
