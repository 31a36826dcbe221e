"""Do events forecast at 60 % happen in 60 % of the cases? Errors and the reliability curve (definitions.md, section 11)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import at_least_one_row, class_indices, class_probabilities, probabilities

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

Z_95 = 1.959963984540054  # norm.ppf(0.975)


class CalibrationError(NamedTuple):
    ece: float
    mce: float
    rmsce: float


def expected_calibration_error(p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 15) -> CalibrationError:
    """Distance between what the probability of class 1 says and what comes, over bins of equal width.

    Bins are ((k - 1)/n_bins, k/n_bins]; 0 falls into the first. In each bin that is not empty, gap = abs(mean p - share of y = 1).

    Parameters
    ----------
    p : float64 of shape (n,), probability of class 1
    y : 0 or 1, shape (n,)
    n_bins : int, at least 1

    Returns
    -------
    ece : mean of the gaps weighted by counts; mce : the largest; rmsce : root of the weighted mean square

    Source: Naeini, Cooper & Hauskrecht (2015), AAAI.
    """
    bins = _binned(p, y, n_bins)
    gap, weight = np.abs(bins.mean_p - bins.share), bins.count / bins.count.sum()
    return CalibrationError(float(weight @ gap), float(gap.max()), float(np.sqrt(weight @ gap**2)))


def top_label_calibration_error(P: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 15) -> CalibrationError:
    """The same of the likeliest class: p is its probability, y whether it came. Of two equal classes the first counts.

    Differs from `expected_calibration_error` for two classes as well: a p of 0.3 is there 0.3 for class 1, here 0.7 for class 0.

    Parameters
    ----------
    P : float64 of shape (n, n_classes), rows that sum to 1
    y : integers of shape (n,), class index
    """
    by_class = class_probabilities(P)
    came = class_indices(y, by_class.shape[1], length=by_class.shape[0])
    return expected_calibration_error(by_class.max(axis=1), by_class.argmax(axis=1) == came, n_bins)


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityCurve:
    """One entry for each bin that is not empty, in ascending order.

    mean_p : mean forecast; share : share of class 1; low, high : its 95 % Wilson interval; count : rows
    """

    mean_p: Float64Array
    share: Float64Array
    low: Float64Array
    high: Float64Array
    count: Int64Array


def reliability_curve(p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 10, overlap: float = 1.0) -> ReliabilityCurve:
    """What came against what was said, over the bins of `expected_calibration_error`, with a Wilson band.

    Parameters
    ----------
    p, y, n_bins : as in `expected_calibration_error`
    overlap : float, at least 1: how many rows share one outcome. Labels of 60 bars made at every bar overlap; with overlap 60 the band is
        that of a sixtieth of the rows, without it the rows pass for independent and the band is far too narrow.

    Source: Wilson (1927), JASA 22.
    """
    if not overlap >= 1:
        raise ShapeError("overlap", f"is {overlap}", expected="1 or more rows")
    bins = _binned(p, y, n_bins)
    n = np.maximum(bins.count / overlap, 1.0)
    centre = (bins.share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(bins.share * (1 - bins.share) / n + Z_95**2 / (4 * n**2))
    return ReliabilityCurve(bins.mean_p, bins.share, np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1), bins.count)


@dataclass(frozen=True, slots=True, eq=False)
class _Bins:
    mean_p: Float64Array
    share: Float64Array
    count: Int64Array


def _binned(p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int) -> _Bins:
    if n_bins < 1:
        raise ShapeError("n_bins", f"is {n_bins}", expected="at least 1")
    said = probabilities(p)
    at_least_one_row(said.size, "p")
    came = class_indices(y, 2, length=said.size)
    upper_edges = np.arange(1, n_bins + 1) / n_bins  # compared, not multiplied: 0.7 * 10 is above 7 in floating point
    place = np.searchsorted(upper_edges, said, side="left")
    count = np.bincount(place, minlength=n_bins)
    held = count > 0
    mean_p = np.bincount(place, weights=said, minlength=n_bins)[held] / count[held]
    share = np.bincount(place, weights=came, minlength=n_bins)[held] / count[held]
    return _Bins(mean_p, share, count[held])


__all__ = ["CalibrationError", "ReliabilityCurve", "expected_calibration_error", "reliability_curve", "top_label_calibration_error"]
