"""Did calibration help on rows that it did not see, by more than chance?"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.comparison.diebold_mariano import LossTest, diebold_mariano
from barmill.evaluation.comparison.holm import holm_adjusted
from barmill.uncertainty.checked import class_indices, class_probabilities, probabilities
from barmill.uncertainty.links import SMALLEST

Float64Array = npt.NDArray[np.float64]

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class CalibrationGain:
    """Forecasts after calibration against the same before it, on held-out rows.

    log_loss, brier : paired tests of what each loses, after less before: a difference below 0 is a gain
    alpha : how often one test or both may see a difference where there is none (Holm's over the two)
    """

    log_loss: LossTest
    brier: LossTest
    alpha: float

    @property
    def verdict(self) -> Literal["helped", "harmed", "mixed", "no difference beyond chance"]:
        """Of the scores that are told apart by more than chance: helped where all are better, harmed where all are worse, else mixed."""
        adjusted = holm_adjusted([self.log_loss.p_value, self.brier.p_value])
        told = [test.difference for test, p in zip((self.log_loss, self.brier), adjusted, strict=True) if p <= self.alpha]
        if not told:
            return "no difference beyond chance"
        if max(told) < 0:
            return "helped"
        return "harmed" if min(told) > 0 else "mixed"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return {"log_loss": self.log_loss.to_json(), "brier": self.brier.to_json(), "alpha": self.alpha, "verdict": self.verdict}


def calibration_gain(
    before: npt.ArrayLike, after: npt.ArrayLike, y: npt.ArrayLike, *, overlap: int = 1, alpha: float = ALPHA
) -> CalibrationGain:
    """Test of equal log loss and equal Brier score before and after calibration, paired by row.

    Parameters
    ----------
    before, after : float64 of shape (n,), probability of class 1, or (n, n_classes); what the model says of the same rows as it is and
        calibrated. The rows are in time order, and neither trained the model nor fitted the calibration: on rows that did, any
        calibration helps
    y : integers of shape (n,), class index
    overlap : rows that share an outcome, at least 1, see `diebold_mariano`
    alpha : in (0, 1)

    Returns
    -------
    CalibrationGain; log loss is natural, of probabilities clipped to [1e-15, 1 - 1e-15]; the Brier score is that of class 1 for two
    classes, and sums the squares of all for more

    Raises: ShapeError for arrays that do not fit.
    Source: Diebold & Mariano (1995), J. Business & Economic Statistics 13(3).
    """
    if not 0 < alpha < 1:
        raise ShapeError("alpha", f"is {alpha}", expected="a number between 0 and 1")
    if np.shape(before) != np.shape(after):
        raise ShapeError("after", f"has shape {np.shape(after)}", expected=f"{np.shape(before)}")
    before_losses, after_losses = _losses(before, y, "before"), _losses(after, y, "after")
    log_loss, brier = (diebold_mariano(new, old, overlap) for new, old in zip(after_losses, before_losses, strict=True))
    return CalibrationGain(log_loss, brier, alpha)


def _losses(p: npt.ArrayLike, y: npt.ArrayLike, name: str) -> tuple[Float64Array, Float64Array]:
    """Log loss and Brier score of each row."""
    said = np.asarray(p, dtype=np.float64)
    if said.ndim == 1:
        came = class_indices(y, 2, length=probabilities(said, name).size)
        right, brier = np.where(came == 1, said, 1 - said), (said - came) ** 2
    else:
        said = class_probabilities(said, name)
        came = class_indices(y, said.shape[1], length=said.shape[0])
        right = said[np.arange(came.size), came]
        brier = ((said - np.eye(said.shape[1])[came]) ** 2).sum(axis=1)
    return -np.log(np.clip(right, SMALLEST, 1 - SMALLEST)), brier


__all__ = ["CalibrationGain", "calibration_gain"]
