"""Does one model lose less than another at the same labels, by more than chance?"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.autocovariance import autocovariances
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]


class LossTest(NamedTuple):
    """difference : mean loss of the first model less that of the second; below 0 the first is better
    standard_error : of the difference, with the correction for small samples in it
    statistic : their ratio, Student-t with n_rows - 1 degrees of freedom if the models lose alike
    p_value : two-sided
    n_rows, lags : rows, and autocovariances in the error
    """

    difference: float
    standard_error: float
    statistic: float
    p_value: float
    n_rows: int
    lags: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def diebold_mariano(loss_a: npt.ArrayLike, loss_b: npt.ArrayLike, overlap: int = 1) -> LossTest:
    """Diebold & Mariano's test of equal losses, with the correction of Harvey, Leybourne & Newbold for small samples.

    Labels that overlap share outcomes, so losses hang together over as many rows as a label overlaps: autocovariances up to
    `overlap` - 1 enter the variance with full weight, as in the paper. Where their sum is not above 0, which this weighting allows,
    those up to twice as many lags with weights that fall linearly (Newey & West) take its place.

    Parameters
    ----------
    loss_a, loss_b : float64 of shape (n,), losses at the same rows in time order
    overlap : rows that share an outcome, at least 1 (a label of 60 bars every 15 bars: 4); `h`, the steps ahead, in the paper

    Returns
    -------
    LossTest; statistic and p-value are NaN where the difference does not vary, and for fewer than 2 rows or rows no more than the
    overlap.

    The test is of the forecasts, not of models: parameters are taken as they were fitted.
    Raises: ShapeError for arrays that do not fit, or an overlap below 1.
    Source: Diebold & Mariano (1995), J. Business & Economic Statistics 13(3); Harvey, Leybourne & Newbold (1997), Int. J. of
    Forecasting 13(2), eq. 8 and 9.
    """
    if overlap < 1:
        raise ShapeError("overlap", f"is {overlap}", expected="1 or more rows")
    first = vector(loss_a, "loss_a")
    d = first - vector(loss_b, "loss_b", first.size)
    n = d.size
    mean = float(d.mean()) if n else math.nan
    if n < 2 or overlap >= n or d.max() == d.min():
        return LossTest(mean, math.nan, math.nan, math.nan, n, overlap - 1)
    variance, lags = _long_run_variance(d, overlap)
    # HLN eq. 9: of the statistic, so its inverse is of the error
    shrink = math.sqrt((n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n)
    error = math.sqrt(variance / n) / shrink
    statistic = mean / error
    return LossTest(mean, error, statistic, 2 * float(stdtr(n - 1, -abs(statistic))), n, lags)


def _long_run_variance(d: Float64Array, overlap: int) -> tuple[float, int]:
    """n times the variance of the mean, above 0, and the lags in it."""
    lags = overlap - 1
    covariances = autocovariances(d, min(2 * overlap, d.size - 1))
    variance = float(covariances[0] + 2 * covariances[1 : lags + 1].sum())
    if variance > 0:
        return variance, lags
    lags = covariances.size - 1
    falling = 1 - np.arange(1, lags + 1) / (lags + 1)
    return float(covariances[0] + 2 * (falling @ covariances[1:])), lags


__all__ = ["LossTest", "diebold_mariano"]
