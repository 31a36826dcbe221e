"""How far an estimated Sharpe ratio may lie from the true one. Per observation; times sqrt(periods_per_year) it is annualised."""

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from barmill.artefacts import without_nan
from barmill.errors import ShapeError
from barmill.evaluation.overfitting.autocovariance import autocovariances
from barmill.evaluation.overfitting.moments import sharpe_moments
from barmill.evaluation.overfitting.probabilistic_sharpe import sharpe_variance
from barmill.evaluation.performance import drop_missing

Float64Array = npt.NDArray[np.float64]
ErrorMethod = Literal["iid_normal", "non_normal", "autocorrelated"]


class SharpeError(NamedTuple):
    """sr : Sharpe ratio per observation; standard_error : of it; n_obs : rows; method : what was assumed; lags : autocovariances used."""

    sr: float
    standard_error: float
    n_obs: int
    method: ErrorMethod
    lags: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The normal interval around `sr` that holds the true ratio with probability `level`."""
        if not 0 < level < 1:
            raise ShapeError("level", f"is {level}", expected="a number in (0, 1)")
        half = float(ndtri((1 + level) / 2)) * self.standard_error
        return self.sr - half, self.sr + half

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is undefined is null."""
        return without_nan(self._asdict())


def sharpe_standard_error(returns: npt.ArrayLike, method: ErrorMethod = "autocorrelated", lags: int | None = None) -> SharpeError:
    """Standard error of a Sharpe ratio per observation.

    | method | supposes | formula |
    |---|---|---|
    | iid_normal | independent normal returns | sqrt((1 + sr^2/2) / n) |
    | non_normal | independent returns | sqrt((1 - skew sr + (kurt - 1)/4 sr^2) / (n - 1)), as in the probabilistic Sharpe ratio |
    | autocorrelated | neither | sqrt(V/n), V the long-run variance of (r - m)/s - sr/2 ((r - m)^2/s^2 - 1), by Newey & West |

    Parameters
    ----------
    returns : float64 of shape (n,); NaN rows are dropped
    lags : autocovariances in V, weighted down linearly; floor(4 (n/100)^(2/9)) if None. A position that is held for h bars gives
        returns that hang together over h bars: ask for that many at least. With 0, it is the second row but for n - 1.

    Returns
    -------
    SharpeError; NaN with fewer than 2 rows or without variation.

    Raises: ShapeError for an unknown method, or lags that are negative or not fewer than the rows.
    Source: Lo (2002), Financial Analysts Journal 58(4), eq. 13 to 20; Mertens (2002); Opdyke (2007), J. Asset Management 8(5);
    Newey & West (1987), Econometrica 55.
    """
    if method not in get_args(ErrorMethod):
        raise ShapeError("method", f"is {method!r}", expected=" or ".join(get_args(ErrorMethod)))
    r = drop_missing(returns).returns
    moments = sharpe_moments(r)
    n, sr = r.size, moments.sr
    if math.isnan(sr):
        return SharpeError(sr, math.nan, n, method, 0)
    if method == "iid_normal":
        return SharpeError(sr, math.sqrt((1 + sr * sr / 2) / n), n, method, 0)
    if method == "non_normal":
        return SharpeError(sr, math.sqrt(sharpe_variance(sr, moments.skew, moments.kurt) / (n - 1)), n, method, 0)
    used = min(math.floor(4 * (n / 100) ** (2 / 9)), n - 1) if lags is None else lags
    if not 0 <= used < n:
        raise ShapeError("lags", f"is {used}", expected=f"a number from 0 to {n - 1}, fewer than the rows")
    z = (r - r.mean()) / r.std()
    influence = z - r.mean() / r.std() / 2 * (z * z - 1)
    return SharpeError(sr, math.sqrt(max(_long_run_variance(influence, used), 0.0) / n), n, method, used)


def _long_run_variance(x: Float64Array, lags: int) -> float:
    """Newey & West: autocovariances with weights that fall linearly to 0 at lags + 1, so that the sum cannot be negative."""
    covariances = autocovariances(x, lags)
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return float(covariances[0] + 2 * (weights @ covariances[1:]))


__all__ = ["ErrorMethod", "SharpeError", "sharpe_standard_error"]
