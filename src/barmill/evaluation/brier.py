"""What the Brier score is made of: how honest forecasts are, how far they tell rows apart, and what nobody could know."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.evaluation.probability_bins import Binning, binned


class BrierParts(NamedTuple):
    """brier = reliability - resolution + uncertainty + within_variance - within_covariance, but for rounding.

    brier : mean (p - y)^2
    reliability : weighted mean square of what a bin said less what came in it; 0 is honest
    resolution : weighted mean square of what came in a bin less the base rate; 0 tells nothing apart
    uncertainty : variance of what came, base rate * (1 - base rate)
    within_variance, within_covariance : mean square of forecasts around their bin's mean, and twice their mean product with outcomes
        around theirs; both 0 where all rows of a bin said the same
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float

    @property
    def generalised_resolution(self) -> float:
        """Resolution with the two terms within bins: brier = reliability - this + uncertainty."""
        return self.resolution - self.within_variance + self.within_covariance


def brier_decomposition(p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int = 10, binning: Binning = "equal_width") -> BrierParts:
    """Murphy's three parts of the Brier score, and the two within bins without which they do not add up to it.

    Reliability is biased upward by about the number of bins times the uncertainty over the rows: a calibrated forecast does not reach 0
    (see `debiased_calibration_error`).

    Parameters
    ----------
    p : float64 of shape (n,), probability of class 1; y : 0 or 1, shape (n,)
    n_bins, binning : as in `expected_calibration_error`

    Raises: ShapeError for arrays that do not fit, or no rows.
    Source: Murphy (1973), J. Applied Meteorology 12; Stephenson, Coelho & Jolliffe (2008), Weather and Forecasting 23, eq. 5.
    """
    bins = binned(p, y, n_bins, binning)
    base_rate = float(bins.came.mean())
    around_p, around_y = bins.said - bins.mean_p[bins.place], bins.came - bins.share[bins.place]
    return BrierParts(
        brier=float(np.mean((bins.said - bins.came) ** 2)),
        reliability=float(bins.weight @ (bins.mean_p - bins.share) ** 2),
        resolution=float(bins.weight @ (bins.share - base_rate) ** 2),
        uncertainty=base_rate * (1 - base_rate),
        within_variance=float(np.mean(around_p**2)),
        within_covariance=float(2 * np.mean(around_y * around_p)),
    )


__all__ = ["BrierParts", "brier_decomposition"]
