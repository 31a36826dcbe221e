"""Value at risk and what lies beyond it, read off the returns themselves (definitions.md, section 8)."""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector


class TailRisk(NamedTuple):
    """var : float, the loss that is not exceeded with the probability of the level; cvar : float, the mean loss beyond it."""

    var: float
    cvar: float


def hist_var_cvar(returns: npt.ArrayLike, level: float) -> TailRisk:
    """Historical value at risk and conditional value at risk; positive numbers are losses.

    Parameters
    ----------
    returns : float64 array of shape (n,), simple returns; NaN rows are dropped
    level : float, above 0 and below 1, such as 0.95

    Returns
    -------
    var, the ceil(n * level)-th smallest loss, without interpolation; cvar, which counts the losses beyond it and so much of the loss
    at it as fills the tail. NaN without returns.

    `evt_var_es` looks further out than the data reach.
    Raises: ShapeError for a level outside (0, 1), or returns that are infinite.
    Source: Rockafellar & Uryasev (2002), J. Banking & Finance 26.
    """
    if not 0 < level < 1:
        raise ShapeError("hist_var_cvar.level", f"{level}", expected="a probability above 0 and below 1")
    given = vector(returns, "returns", nan_allowed=True)
    losses = -given[~np.isnan(given)]
    if not losses.size:
        return TailRisk(math.nan, math.nan)
    rank = math.ceil(losses.size * Fraction(repr(float(level))))  # 0.07 of 100 is 7, as it is written: a double would make it 8
    var = float(np.partition(losses, rank - 1)[rank - 1])
    beyond = float(np.maximum(losses - var, 0.0).sum())
    return TailRisk(var, var + beyond / (losses.size * (1.0 - level)))


__all__ = ["TailRisk", "hist_var_cvar"]
