"""How good a band of quantiles is: how often it holds the outcome, how wide it is, and how far off a share may be by chance."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrik

from barmill.errors import ShapeError
from barmill.evaluation.auc_interval import Interval
from barmill.uncertainty.checked import at_least_one_row, vector

Float64Array = npt.NDArray[np.float64]


class _Band(NamedTuple):
    came: Float64Array
    low: Float64Array
    high: Float64Array


def band_coverage(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> float:
    """Share of outcomes inside the band, both ends in.

    y, low, high : float64 of shape (n,), what came and its forecast band, low <= high

    Raises: ShapeError for arrays that do not fit, no rows, or the first row whose ends cross.
    """
    band = _band(y, low, high)
    return float(np.mean((band.came >= band.low) & (band.came <= band.high)))


def winkler_score(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, alpha: float = 0.1) -> float:
    """Mean width of a (1 - alpha) band plus 2/alpha times how far outcomes fell outside it: smallest at the true quantiles.

    Parameters
    ----------
    y, low, high : float64 of shape (n,), in the same unit
    alpha : in (0, 1), the share that is to fall outside

    Returns
    -------
    float in the unit of `y`. It weighs width against misses, so neither a band of everything nor one of nothing scores well.

    Source: Winkler (1972), JASA 67; Gneiting & Raftery (2007), JASA 102, eq. 43.
    """
    if not 0 < alpha < 1:
        raise ShapeError("alpha", f"is {alpha}", expected="a number between 0 and 1")
    band = _band(y, low, high)
    below, above = np.maximum(band.low - band.came, 0.0), np.maximum(band.came - band.high, 0.0)
    return float(np.mean(band.high - band.low + 2 / alpha * (below + above)))


def coverage_band(n_rows: float, level: float = 0.9, confidence: float = 0.95) -> Interval:
    """Where the share covered by a true `level` band lies with probability `confidence` or more: exact binomial quantiles.

    Parameters
    ----------
    n_rows : independent rows; of labels that overlap, their number over the mean overlap. It is rounded down
    level, confidence : in (0, 1)

    Returns
    -------
    low, high : shares. A coverage outside them is not chance. NaN with less than one row.
    """
    if not (0 < level < 1 and 0 < confidence < 1):
        raise ShapeError("coverage_band", f"level {level}, confidence {confidence}", expected="numbers between 0 and 1")
    n = math.floor(n_rows)
    if n < 1:
        return Interval(math.nan, math.nan)
    low, high = (_binomial_quantile(share, n, level) for share in ((1 - confidence) / 2, (1 + confidence) / 2))
    return Interval(low / n, high / n)


def _binomial_quantile(share: float, n: int, p: float) -> int:
    """The smallest count with a distribution function of at least `share`."""
    count = math.ceil(float(bdtrik(share, n, p)))
    # the inverse is a root finder: it may end a count too high where the function steps just there
    return count - 1 if count > 0 and float(bdtr(count - 1, n, p)) >= share else count


def _band(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> _Band:
    came = vector(y, "y")
    at_least_one_row(came.size, "y")
    band = _Band(came, vector(low, "low", came.size), vector(high, "high", came.size))
    if (band.low > band.high).any():
        row = int(np.argmax(band.low > band.high))
        raise ShapeError(f"low row {row}", f"is {band.low[row]:g}", expected=f"at most high, {band.high[row]:g}")
    return band


__all__ = ["band_coverage", "coverage_band", "winkler_score"]
