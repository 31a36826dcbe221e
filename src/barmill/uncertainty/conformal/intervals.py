"""Split conformal bands and conformalised quantile regression, as functions of calibration and test rows."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ForecastError
from barmill.uncertainty.checked import all_finite, vector
from barmill.uncertainty.conformal.rank import conformal_rank, kth_smallest

Float64Array = npt.NDArray[np.float64]


class Bounds(NamedTuple):
    """Lower and upper end of the band of each row, float64 of shape (n,)."""

    lower: Float64Array
    upper: Float64Array


class ConformalInterval(NamedTuple):
    """q : the k-th smallest calibration score, +inf where the rows are too few; lower, upper : float64 of shape (n,)."""

    q: float
    lower: Float64Array
    upper: Float64Array


def split_conformal(y_cal: npt.ArrayLike, pred_cal: npt.ArrayLike, pred_test: npt.ArrayLike, alpha: float) -> ConformalInterval:
    """Prediction minus and plus the k-th smallest absolute error of the calibration rows, k = ceil((n + 1)(1 - alpha)).

    On exchangeable rows a new outcome falls inside with probability 1 - alpha or more. Every row's band has the same width; `cqr` follows
    a width that the model forecasts.

    Parameters
    ----------
    y_cal, pred_cal : float64 of shape (n,), rows that neither trained the model nor judge the band
    pred_test : float64 of shape (m,)
    alpha : in (0, 1), the share that may fall outside

    Raises: ShapeError for arrays that do not fit.
    Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), JASA 113, Algorithm 2.
    """
    return cqr(y_cal, pred_cal, pred_cal, pred_test, pred_test, alpha)


def cqr(
    y_cal: npt.ArrayLike, lo_cal: npt.ArrayLike, hi_cal: npt.ArrayLike, lo_test: npt.ArrayLike, hi_test: npt.ArrayLike, alpha: float
) -> ConformalInterval:
    """[lo - q, hi + q], q the k-th smallest of the calibration scores max(lo - y, y - hi): what a forecast band lacked, or had too much.

    Where the forecast bands are too wide q is negative and narrows them. A band narrower than 2 |q| then has lower > upper, which says
    that the set is empty; `CqrBand`, which a server applies, says a point there.

    Parameters
    ----------
    y_cal, lo_cal, hi_cal : float64 of shape (n,), rows that neither trained the model nor judge the band
    lo_test, hi_test : float64 of shape (m,)
    alpha : in (0, 1), the share that may fall outside

    Raises: ShapeError for arrays that do not fit.
    Source: Romano, Patterson & Candès (2019), NeurIPS 32, section 4, the symmetric version.
    """
    scores = band_scores(y_cal, lo_cal, hi_cal)
    q = kth_smallest(scores, conformal_rank(scores.size, alpha))
    lower = vector(lo_test, "lo_test")
    upper = vector(hi_test, "hi_test", lower.size)
    return ConformalInterval(q, lower - q, upper + q)


def band_scores(y: npt.ArrayLike, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Float64Array:
    """max(lo - y, y - hi) of shape (n,): how far each outcome fell outside its band, negative inside; abs(y - lo) where lo = hi."""
    came = vector(y, "y")
    return np.maximum(vector(lo, "lo", came.size) - came, came - vector(hi, "hi", came.size))


def widened(lo: npt.ArrayLike, hi: npt.ArrayLike, q: float | Float64Array) -> Bounds:
    """[lo - q, hi + q], and the middle of lo and hi twice where these ends cross: what a server says.

    The set that crossing ends describe is empty; a point holds it, so no outcome is lost by it.

    Raises: ForecastError for an end that is not finite, or ends of unequal shape.
    """
    low, high = np.asarray(lo, dtype=np.float64), np.asarray(hi, dtype=np.float64)
    if low.shape != high.shape:
        raise ForecastError("band", f"has {low.shape} lower and {high.shape} upper ends", expected="one of each for a row")
    lower, upper = low - q, high + q
    if lower.size == 1 and -math.inf < lower.item() <= upper.item() < math.inf:  # as `sound` below, in a fifth of the time
        return Bounds(lower, upper)
    sound = np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)
    if sound.all():  # one look at all that may be wrong: a server asks for one row, and each look costs a microsecond
        return Bounds(lower, upper)
    middle = 0.5 * finite(low, "lo") + 0.5 * finite(high, "hi")
    return Bounds(np.where(sound, lower, middle), np.where(sound, upper, middle))


def widened_at(lo: float, hi: float, q: float) -> tuple[float, float]:
    """`widened` of one row, whose ends are finite."""
    lower, upper = lo - q, hi + q
    if -math.inf < lower <= upper < math.inf:
        return lower, upper
    middle = 0.5 * lo + 0.5 * hi
    return middle, middle


def around(prediction: npt.ArrayLike, q: float) -> Bounds:
    """[prediction - q, prediction + q]. Raises: ForecastError for a prediction that is not finite."""
    centre = finite(prediction, "prediction")
    return Bounds(centre - q, centre + q)


def finite(values: npt.ArrayLike, name: str) -> Float64Array:
    """`values` as float64; ForecastError with the first row that is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if not all_finite(array):
        row = int(np.argwhere(~np.isfinite(array))[0][0]) if array.ndim else 0
        raise ForecastError(f"{name} row {row}", "is not finite", expected="a finite number", reason="not_finite")
    return array


__all__ = ["Bounds", "ConformalInterval", "around", "band_scores", "cqr", "finite", "split_conformal", "widened", "widened_at"]
