"""CV+ for a server that holds the models of all folds: out-of-fold residuals around what those models say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ForecastError, InputError, ShapeError
from barmill.uncertainty.checked import vector
from barmill.uncertainty.conformal.bands import unreadable
from barmill.uncertainty.conformal.intervals import Bounds, finite
from barmill.uncertainty.conformal.leave_out import checked_folds, checked_residuals
from barmill.uncertainty.conformal.rank import checked_alpha, conformal_rank, enough_rows

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CvPlusBand:
    """The band of `cv_plus`, to the bit.

    A server must hold the K models of the folds and ask each of them at every row: K times the cost of a forecast. Without them use
    `JackknifeBand`, or `SplitBand` on a slice of its own.

    residuals : float64 of shape (n,), ascending, at least 0
    fold : int64 of shape (n,), from 0, the fold of each residual
    n_folds : int; alpha : below 0.5, since the promise is 1 - 2 alpha
    """

    residuals: Float64Array
    fold: IntArray
    n_folds: int
    alpha: float
    _rank: int = field(init=False, repr=False)  # both ends are the floor(alpha (n + 1))-th from outside

    def __post_init__(self) -> None:
        checked_alpha(self.alpha)
        if self.alpha >= 0.5:
            raise ShapeError("alpha", f"is {self.alpha:g}", expected="below 0.5: CV+ promises 1 - 2 alpha")
        n = checked_residuals(self.residuals).size
        checked_folds(self.fold, n, self.n_folds)
        enough_rows(n, self.alpha, "out-of-fold forecasts")
        if (np.diff(self.residuals) < 0).any():
            raise ShapeError("residuals", "are not in order", expected="ascending numbers")
        object.__setattr__(self, "_rank", n + 1 - conformal_rank(n, self.alpha))

    def apply(self, fold_predictions: npt.ArrayLike) -> Bounds:
        """Band of each row, from what the model of each fold says of it: float64 of shape (n, n_folds).

        The prediction itself, of the model fitted on all rows, is not used and need not lie in the middle.

        Raises: ForecastError for another shape or a number that is not finite.
        """
        said = finite(fold_predictions, "fold_predictions")
        if said.ndim != 2 or said.shape[1] != self.n_folds:
            raise ForecastError("fold_predictions", f"have shape {said.shape}", expected=f"(n, {self.n_folds})")
        lower, upper = np.empty(said.shape[0]), np.empty(said.shape[0])
        for row, folds in enumerate(said):
            lower[row], upper[row] = self._ends(folds)
        return Bounds(lower, upper)

    def _ends(self, folds: Float64Array) -> tuple[float, float]:
        """The j-th smallest of mu - R and the j-th largest of mu + R, j = floor(alpha (n + 1)).

        Only residuals near the j-th largest, R_j, can be the one sought. What the folds say lies within `spread`; a residual more than
        that above R_j ends further out than any from R_j down, whichever its fold, and one more than that below R_j further in. The
        window is opened a little more than rounding can move either, so that the result is that of sorting all of them.
        """
        residuals, n = self.residuals, self.residuals.size
        said = folds.tolist()
        least, most, edge = min(said), max(said), float(residuals[n - self._rank])
        spread = (most - least) + 1e-15 * (abs(least) + abs(most) + edge)
        first, last = residuals.searchsorted(edge - spread, "left"), residuals.searchsorted(edge + spread, "right")
        near, centre = residuals[first:last], folds[self.fold[first:last]]
        inward = self._rank - (n - int(last))  # those above the window end further out
        lower, upper = centre - near, centre + near
        lower.partition(inward - 1)
        upper.partition(upper.size - inward)
        return float(lower[inward - 1]), float(upper[upper.size - inward])

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        kept = {"residuals": self.residuals.tolist(), "fold": self.fold.tolist()}
        return {"method": "cv_plus", "alpha": self.alpha, "n_folds": self.n_folds, **kept}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CvPlusBand":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            if value["method"] != "cv_plus":
                raise ValueError(f"the method is {value['method']!r}, not 'cv_plus'")
            residuals, n_folds = np.array(value["residuals"], np.float64), int(value["n_folds"])
            fold = checked_folds(value["fold"], residuals.size, n_folds)
            return cls(residuals, fold, n_folds, float(value["alpha"]))
        except (KeyError, TypeError, ValueError, OverflowError, InputError) as error:
            raise unreadable(error) from error


def fit_cv_plus_band(y: npt.ArrayLike, out_of_fold: npt.ArrayLike, fold: npt.ArrayLike, n_folds: int, alpha: float) -> CvPlusBand:
    """CV+ for a server.

    Parameters
    ----------
    y, out_of_fold : float64 of shape (n,), outcomes, and predictions by the model that did not see the row's fold
    fold : integers of shape (n,), 0 .. n_folds - 1, in the order in which the fold models will be asked
    alpha : in (0, 0.5)

    Raises: SplitError with the number of rows needed where they are too few for alpha; ShapeError for arrays that do not fit.
    """
    came = vector(y, "y")
    residuals = np.abs(came - vector(out_of_fold, "out_of_fold", came.size))
    order = np.argsort(residuals, kind="stable")
    return CvPlusBand(residuals[order], checked_folds(fold, came.size, n_folds)[order], n_folds, alpha)


__all__ = ["CvPlusBand", "fit_cv_plus_band"]
