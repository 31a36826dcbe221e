"""Isotonic calibration: the best non-decreasing curve from what a model says to what comes."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import at_least_one_row, class_indices, probabilities

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IsotonicCurve:
    """A fitted curve: its corners, linear between them, constant outside their range.

    x : float64 of shape (k,), strictly increasing, what the model said
    y : float64 of shape (k,), non-decreasing and in [0, 1], what came
    """

    x: Float64Array
    y: Float64Array
    _corners: tuple[tuple[float, ...], tuple[float, ...]] = field(init=False, repr=False, compare=False)  # x and y as plain floats

    def __post_init__(self) -> None:
        x, y = self.x, self.y
        if x.ndim != 1 or x.shape != y.shape or x.size == 0 or not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ShapeError("isotonic curve", f"has {x.shape} and {y.shape} numbers", expected="as many finite x as y, at least one")
        if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
            raise ShapeError("isotonic curve", "does not rise", expected="x that increase and y that do not fall, in [0, 1]")
        object.__setattr__(self, "_corners", (tuple(x.tolist()), tuple(y.tolist())))

    def apply(self, p: Float64Array) -> Float64Array:
        """The curve at `p` (n,). Each segment ends at its own corner, so rounding cannot reverse an order."""
        if self.x.size == 1:
            return np.full(p.shape, self.y[0])
        if p.size == 1:
            return np.array([self.at(p.item())])
        left = np.clip(np.searchsorted(self.x, p, side="right") - 1, 0, self.x.size - 2)
        x0, x1, y0, y1 = self.x[left], self.x[left + 1], self.y[left], self.y[left + 1]
        rise = (y1 - y0) / (x1 - x0) * (np.clip(p, x0, x1) - x0)
        return np.where(p >= x1, y1, np.minimum(y0 + rise, y1))

    def at(self, p: float) -> float:
        """The curve at one number: the same sums in the same order as `apply`, without the cost of arrays."""
        x, y = self._corners
        if len(x) == 1:
            return y[0]
        left = min(max(bisect_right(x, p) - 1, 0), len(x) - 2)
        x0, x1, y0, y1 = x[left], x[left + 1], y[left], y[left + 1]
        if p >= x1:
            return y1
        return min(y0 + (y1 - y0) / (x1 - x0) * (max(p, x0) - x0), y1)


def fit_isotonic(p: npt.ArrayLike, y: npt.ArrayLike) -> IsotonicCurve:
    """Least-squares non-decreasing fit of y (0 or 1) on p; rows with equal p are pooled first.

    Corners inside a flat stretch are dropped: they change nothing between its ends.
    """
    from scipy.optimize import isotonic_regression

    said = probabilities(p, "p_cal")
    at_least_one_row(said.size, "p_cal")
    came = class_indices(y, 2, "y_cal", said.size)
    x, group, count = np.unique(said, return_inverse=True, return_counts=True)
    share = np.bincount(group, weights=came, minlength=x.size) / count
    fitted = np.clip(np.asarray(isotonic_regression(share, weights=count.astype(np.float64)).x, dtype=np.float64), 0.0, 1.0)
    corner = np.ones(x.size, dtype=bool)
    corner[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return IsotonicCurve(x[corner], fitted[corner])


def isotonic_calibration(p_cal: npt.ArrayLike, y_cal: npt.ArrayLike, p_new: npt.ArrayLike) -> Float64Array:
    """Calibrated `p_new`, float64 of shape (n_new,), by the isotonic fit of `y_cal` on `p_cal`.

    Prefer temperature scaling below about a thousand calibration rows: this curve has as many parameters as it wants,
    and it pools forecasts into ties.

    Parameters
    ----------
    p_cal, p_new : float64 of shape (n_cal,) and (n_new,), probabilities of class 1
    y_cal : 0 or 1, shape (n_cal,); rows that neither trained the model nor judge the result

    Raises: ShapeError for lengths that differ, no rows, probabilities outside [0, 1].
    Source: Zadrozny & Elkan (2002), KDD.
    """
    return fit_isotonic(p_cal, y_cal).apply(probabilities(p_new, "p_new"))


__all__ = ["IsotonicCurve", "fit_isotonic", "isotonic_calibration"]
