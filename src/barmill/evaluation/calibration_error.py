"""Do events forecast at 60 % happen in 60 % of the cases? Errors of calibration (definitions.md, section 11)."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.probability_bins import Binning, binned
from barmill.uncertainty.checked import class_indices, class_probabilities


class CalibrationError(NamedTuple):
    ece: float
    mce: float
    rmsce: float


class DebiasedError(NamedTuple):
    """squared : mean square calibration error without its bias, below 0 by chance where forecasts are calibrated
    rmsce : its root, 0 where it is below 0; this one is not free of bias near 0
    """

    squared: float
    rmsce: float


def expected_calibration_error(p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 15, binning: Binning = "equal_width") -> CalibrationError:
    """Distance between what the probability of class 1 says and what comes, over bins of what it says.

    Bins of equal width are ((k - 1)/n_bins, k/n_bins]; 0 falls into the first. Forecasts of markets crowd near the base rate, where
    few of those bins hold rows: bins of equal mass then see more. In each bin that is not empty, gap = abs(mean p - share of y = 1).
    All three are biased upward, the more so the more bins and the fewer rows: compare models on the same rows and bins alone, or
    take `debiased_calibration_error`.

    Parameters
    ----------
    p : float64 of shape (n,), probability of class 1
    y : 0 or 1, shape (n,)
    n_bins : int, at least 1
    binning : "equal_width", or "equal_mass": bins of as many rows each as ties allow

    Returns
    -------
    ece : mean of the gaps weighted by counts; mce : the largest; rmsce : root of the weighted mean square

    Source: Naeini, Cooper & Hauskrecht (2015), AAAI; of equal mass: Nixon et al. (2019), CVPR workshops, section 3.
    """
    bins = binned(p, y, n_bins, binning)
    gap = np.abs(bins.mean_p - bins.share)
    return CalibrationError(float(bins.weight @ gap), float(gap.max()), float(np.sqrt(bins.weight @ gap**2)))


def top_label_calibration_error(P: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 15, binning: Binning = "equal_width") -> CalibrationError:
    """The same of the likeliest class: p is its probability, y whether it came. Of two equal classes the first counts.

    Differs from `expected_calibration_error` for two classes as well: a p of 0.3 is there 0.3 for class 1, here 0.7 for class 0.

    Parameters
    ----------
    P : float64 of shape (n, n_classes), rows that sum to 1
    y : integers of shape (n,), class index
    """
    by_class = class_probabilities(P)
    came = class_indices(y, by_class.shape[1], length=by_class.shape[0])
    return expected_calibration_error(by_class.max(axis=1), by_class.argmax(axis=1) == came, n_bins, binning)


def debiased_calibration_error(
    p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 15, overlap: float = 1.0, binning: Binning = "equal_mass"
) -> DebiasedError:
    """Mean square calibration error less what chance alone puts into it: its mean is 0 for calibrated forecasts, however few the rows.

    A bin of m rows misses its forecast by chance with a variance that share * (1 - share) / (m - 1) estimates without bias; that is
    taken from each square gap. What forecasts differ within a bin by adds a little to it, less the narrower the bins.

    Parameters
    ----------
    p, y, n_bins : as in `expected_calibration_error`
    overlap : float, at least 1: how many rows share one outcome; a bin of m rows then counts for m / overlap
    binning : "equal_mass", or "equal_width"

    Returns
    -------
    squared, rmsce : floats; NaN where a bin counts for no more than one row, which shows no variance

    Raises: ShapeError as `expected_calibration_error`, or for an overlap below 1.
    Source: Kumar, Liang & Ma (2019), "Verified uncertainty calibration", NeurIPS, section 4, the debiased estimator.
    """
    if not overlap >= 1:
        raise ShapeError("overlap", f"is {overlap}", expected="1 or more rows")
    bins = binned(p, y, n_bins, binning)
    rows = bins.count / overlap
    if rows.min() <= 1:
        return DebiasedError(math.nan, math.nan)
    by_chance = bins.share * (1 - bins.share) / (rows - 1)
    squared = float(bins.weight @ ((bins.mean_p - bins.share) ** 2 - by_chance))
    return DebiasedError(squared, math.sqrt(max(squared, 0.0)))


__all__ = ["CalibrationError", "DebiasedError", "debiased_calibration_error", "expected_calibration_error", "top_label_calibration_error"]
