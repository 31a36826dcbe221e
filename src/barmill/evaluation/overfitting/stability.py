"""Does a strategy keep out of sample what it showed in sample, and does it do so in every fold?"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.evaluation.overfitting.interpretation import stability_words
from barmill.uncertainty.checked import vector


class Stability(NamedTuple):
    """mean_is, mean_oos : mean Sharpe ratios over the folds that have both
    ratio : mean_is / mean_oos, NaN unless mean_oos is positive
    oos_cv : population standard deviation of the out-of-sample ratios over their mean, NaN unless that is positive
    n_folds : folds with both; words : what it means
    """

    mean_is: float
    mean_oos: float
    ratio: float
    oos_cv: float
    n_folds: int
    words: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def stability(is_sharpes: npt.ArrayLike, oos_sharpes: npt.ArrayLike) -> Stability:
    """Compare in-sample and out-of-sample Sharpe ratios of one model over the folds.

    Parameters
    ----------
    is_sharpes, oos_sharpes : float64 of shape (n_folds,), on one scale; a fold in which either is NaN is left out

    A ratio over 2 is taken for a sign of overfitting, a variation under 0.5 for stable. Of a strategy that loses out of sample the
    ratio would be negative, and read as harmless: it is NaN.
    """
    before = vector(is_sharpes, "is_sharpes", nan_allowed=True)
    after = vector(oos_sharpes, "oos_sharpes", before.size, nan_allowed=True)
    known = ~(np.isnan(before) | np.isnan(after))
    before, after = before[known], after[known]
    if not before.size:
        return Stability(math.nan, math.nan, math.nan, math.nan, 0, stability_words(math.nan, math.nan, math.nan))
    mean_is, mean_oos = float(before.mean()), float(after.mean())
    gains = mean_oos > 0
    ratio = mean_is / mean_oos if gains else math.nan
    oos_cv = float(after.std()) / mean_oos if gains and after.size > 1 else math.nan
    return Stability(mean_is, mean_oos, ratio, oos_cv, before.size, stability_words(mean_oos, ratio, oos_cv))


__all__ = ["Stability", "stability"]
