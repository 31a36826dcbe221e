"""Is a Sharpe ratio above a benchmark, given its length and its tails? And how long must a record be to say so?

Bailey & López de Prado (2012), "The Sharpe ratio efficient frontier", Journal of Risk 15(2). Everything is per
observation: divide an annualised Sharpe ratio by sqrt(periods_per_year) first.
"""

import math
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.moments import sharpe_moments


class ProbabilisticSharpe(NamedTuple):
    """sr, skew, kurt : of the series, as in `SharpeMoments`; psr : the probability that the true Sharpe ratio is above the benchmark."""

    sr: float
    skew: float
    kurt: float
    psr: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


@overload
def probabilistic_sharpe_ratio(sr: float, sr_benchmark: float, n_obs: float, skew: float, kurt: float) -> float: ...
@overload
def probabilistic_sharpe_ratio(returns: npt.ArrayLike, /, sr_benchmark: float = 0.0) -> ProbabilisticSharpe: ...
@overload
def probabilistic_sharpe_ratio(*, returns: npt.ArrayLike, sr_benchmark: float = 0.0) -> ProbabilisticSharpe: ...
def probabilistic_sharpe_ratio(
    sr: npt.ArrayLike | None = None,
    sr_benchmark: float = 0.0,
    n_obs: float | None = None,
    skew: float | None = None,
    kurt: float | None = None,
    *,
    returns: npt.ArrayLike | None = None,
) -> float | ProbabilisticSharpe:
    """The probability that the true Sharpe ratio is above `sr_benchmark`.

    Phi((sr - sr_benchmark) sqrt(n_obs - 1) / sqrt(1 - skew sr + (kurt - 1)/4 sr^2)).

    Parameters
    ----------
    sr, sr_benchmark : Sharpe ratios per observation
    n_obs : number of returns
    skew, kurt : of the returns, kurt not excess (normal: 3)
    returns : instead of sr, n_obs, skew and kurt: float64 of shape (n,); NaN rows are dropped

    Returns
    -------
    float from numbers; `sr, skew, kurt, psr` from a series. NaN where the second root's argument is not positive, where sr is
    NaN, or with fewer than two observations.

    The returns are taken for independent. Where they are not, `sharpe_standard_error(method="autocorrelated")` is wider.
    """
    series = returns if returns is not None else sr
    if series is not None and n_obs is None and np.ndim(series) > 0:
        moments = sharpe_moments(series)
        return ProbabilisticSharpe(*moments[:3], _psr(moments.sr, sr_benchmark, moments.n_obs, moments.skew, moments.kurt))
    if sr is None or n_obs is None or skew is None or kurt is None:
        expected = "sr, sr_benchmark, n_obs, skew and kurt, or returns and sr_benchmark"
        raise ShapeError("probabilistic_sharpe_ratio", "neither numbers nor a series", expected=expected)
    return _psr(float(np.asarray(sr)), sr_benchmark, n_obs, skew, kurt)


def min_track_record_length(sr: float, sr_benchmark: float, skew: float, kurt: float, alpha: float = 0.05) -> float:
    """How many observations make the probability of a true Sharpe ratio above `sr_benchmark` reach 1 - alpha.

    1 + (1 - skew sr + (kurt - 1)/4 sr^2) (z(1 - alpha) / (sr - sr_benchmark))^2, one-sided.

    Returns
    -------
    float, observations; +inf for sr <= sr_benchmark: no length will do. NaN where the variance is not positive.

    Raises: ShapeError for an alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ShapeError("alpha", f"is {alpha}", expected="a number in (0, 1)")
    if sr <= sr_benchmark:
        return math.inf
    variance = sharpe_variance(sr, skew, kurt)
    return 1.0 + variance * float(ndtri(1 - alpha) / (sr - sr_benchmark)) ** 2


def sharpe_variance(sr: float, skew: float, kurt: float) -> float:
    """n_obs times the variance of an estimated Sharpe ratio of independent returns; NaN where it would not be positive."""
    variance = 1.0 - skew * sr + (kurt - 1.0) / 4.0 * sr * sr
    return variance if variance > 0 else math.nan


def _psr(sr: float, sr_benchmark: float, n_obs: float, skew: float, kurt: float) -> float:
    if not n_obs >= 0:
        raise ShapeError("n_obs", f"is {n_obs}", expected="a number of observations")
    if n_obs < 2:
        return math.nan
    return float(ndtr((sr - sr_benchmark) * math.sqrt(n_obs - 1) / math.sqrt(sharpe_variance(sr, skew, kurt))))


__all__ = ["ProbabilisticSharpe", "min_track_record_length", "probabilistic_sharpe_ratio", "sharpe_variance"]
