"""Rows in bins of what was forecast: of equal width, or with as equal a number of rows as ties allow."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import at_least_one_row, class_indices, probabilities

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

Binning: TypeAlias = Literal["equal_width", "equal_mass"]


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Forecasts and outcomes in bins that are not empty, in ascending order of the forecast.

    said, came : float64 and int64 of shape (n_rows,), probability of class 1, and 1 where it came
    place : int64 of shape (n_rows,), bin of each row, from 0
    mean_p, share : float64 of shape (n_bins,), mean forecast and share of class 1
    count : int64 of shape (n_bins,), rows, at least one
    """

    said: Float64Array
    came: Int64Array
    place: Int64Array
    mean_p: Float64Array
    share: Float64Array
    count: Int64Array

    @property
    def weight(self) -> Float64Array:
        """Share of the rows in each bin."""
        return self.count / self.count.sum()


def binned(p: npt.ArrayLike, y: npt.ArrayLike, n_bins: int, binning: Binning = "equal_width") -> Bins:
    """Checked rows in at most `n_bins` bins.

    p : float64 of shape (n,), probability of class 1; y : 0 or 1, shape (n,)
    binning : "equal_width", ((k - 1)/n_bins, k/n_bins], 0 in the first; or "equal_mass", the k-th of which ends at the forecast of rank
        ceil(k n / n_bins), that one included and every row that ties with it: bins are fewer where many rows tie

    Raises: ShapeError for arrays that do not fit, no rows, a number of bins below 1 or another binning.
    """
    if n_bins < 1:
        raise ShapeError("n_bins", f"is {n_bins}", expected="at least 1")
    said = probabilities(p)
    at_least_one_row(said.size, "p")
    came = class_indices(y, 2, length=said.size)
    k = np.arange(1, n_bins + 1)
    if binning == "equal_width":
        upper_edges = k / n_bins  # compared, not multiplied: 0.7 * 10 is above 7 in floating point
    elif binning == "equal_mass":
        upper_edges = np.unique(np.sort(said)[-(-k * said.size // n_bins) - 1])
    else:
        raise ShapeError("binning", f"is {binning!r}", expected="equal_width or equal_mass")
    every = np.searchsorted(upper_edges, said, side="left")
    held, place = np.unique(every, return_inverse=True)
    count = np.bincount(place, minlength=held.size)
    mean_p = np.bincount(place, weights=said) / count
    share = np.bincount(place, weights=came) / count
    return Bins(said, came, place, mean_p, share, count)


__all__ = ["Binning", "Bins", "binned"]
