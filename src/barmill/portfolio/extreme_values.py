"""The tail beyond the data: a generalised Pareto distribution over a high threshold (definitions.md, section 8)."""

import math
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.uncertainty.checked import vector

Float64Array = npt.NDArray[np.float64]

_NEAREST_END = -36.0  # e^-36 is the smallest that a double still tells from 0 beside 1
_EXPONENTIAL = 1e-9  # below it the limit of the formulas at a shape of 0 is closer than their rounding


class VarEs(NamedTuple):
    """var : float, value at risk; es : float, expected shortfall, the mean loss beyond it."""

    var: float
    es: float


class GpdFit(NamedTuple):
    """A generalised Pareto tail.

    xi : float, shape; above 0 a heavy tail (SciPy's `c` has the same sign)
    beta : float, scale, in the units of the losses
    n, n_exceedances : int, losses in all, and those strictly above the threshold
    nll : float, negative log-likelihood of the exceedances, in nats
    """

    xi: float
    beta: float
    n: int
    n_exceedances: int
    nll: float


def gpd_fit(losses: npt.ArrayLike, threshold: float) -> GpdFit:
    """Maximum likelihood of a generalised Pareto distribution for what exceeds `threshold`; location fixed at 0.

    Parameters
    ----------
    losses : float64 array of shape (n,), positive numbers are losses; NaN rows are dropped
    threshold : float, high: the fit is of the tail alone

    Returns
    -------
    GpdFit. Fewer than two different exceedances: xi, beta and nll are NaN.

    The two parameters are one: given theta = xi / beta, xi is the mean of ln(1 + theta * excess). So the best theta is searched for in
    one dimension, first on a grid, since there can be several valleys. A shape below -1 has no likelihood to maximise (it grows without
    bound towards a tail that ends at the largest loss) and is not looked at.
    Raises: ShapeError for losses or a threshold that are not finite.
    Source: Grimshaw (1993), Technometrics 35(2); McNeil (1999).
    """
    if not math.isfinite(threshold):
        raise ShapeError("gpd_fit.threshold", f"{threshold}", expected="a finite loss")
    given = vector(losses, "losses", nan_allowed=True)
    kept = given[~np.isnan(given)]
    excess = kept[kept > threshold] - threshold
    n, n_exceedances = int(kept.size), int(excess.size)
    if n_exceedances < 2 or excess.min() == excess.max():
        return GpdFit(math.nan, math.nan, n, n_exceedances, math.nan)
    unit = float(excess.max())
    xi, beta, mean_nll = _likeliest(excess / unit)
    return GpdFit(xi, beta * unit, n, n_exceedances, n_exceedances * (mean_nll + math.log(unit)))


def evt_var_es(xi: float, beta: float, threshold: float, n: int, n_exceedances: int, q: float) -> VarEs:
    """Value at risk and expected shortfall at probability `q` from a fitted tail; positive numbers are losses.

    Parameters
    ----------
    xi, beta, n, n_exceedances : as `gpd_fit` gives them
    threshold : float, that of the fit
    q : float, above 0 and below 1; meant for q beyond 1 - n_exceedances / n, where the tail begins

    Returns
    -------
    var, es. With xi of 1 or more the mean beyond does not exist: es is +inf. NaN for a fit that is NaN.

    Raises: ShapeError for a q outside (0, 1), a beta not above 0, or counts that cannot be.
    Source: McNeil (1999), Extreme value theory for risk managers.
    """
    if not 0 < q < 1:
        raise ShapeError("evt_var_es.q", f"{q}", expected="a probability above 0 and below 1")
    if beta <= 0:
        raise ShapeError("evt_var_es.beta", f"{beta}", expected="a scale above 0")
    if not 0 < n_exceedances <= n:
        raise ShapeError("evt_var_es.n_exceedances", f"{n_exceedances} of {n}", expected="at least 1, and no more than there are losses")
    f = n / n_exceedances * (1.0 - q)
    if math.isnan(xi) or math.isnan(beta):
        return VarEs(math.nan, math.nan)
    if abs(xi) < _EXPONENTIAL:
        var = threshold - beta * math.log(f)
        return VarEs(var, var + beta)
    var = threshold + beta * math.expm1(-xi * math.log(f)) / xi
    return VarEs(var, (var + beta - xi * threshold) / (1.0 - xi) if xi < 1 else math.inf)


def _likeliest(y: Float64Array) -> tuple[float, float, float]:
    """xi, beta and the mean negative log-likelihood of exceedances of which the largest is 1.

    The search runs over s = ln(1 + theta), in which every tail from one that ends at the largest exceedance (minus infinity) to a heavy one
    (beyond it every exceedance is far out: -ln of the smallest) is a comparable distance away.
    """
    from scipy.optimize import brentq, minimize_scalar

    mean = float(y.mean())

    def shape(s: float) -> float:
        return float(np.log1p(math.expm1(s) * y).mean())

    def mean_nll(s: float) -> float:
        theta, xi = math.expm1(s), shape(s)
        return math.log(xi / theta if theta else mean) + xi + 1.0  # the limit of xi / theta at 0 is the mean

    lowest = _NEAREST_END if shape(_NEAREST_END) > -1.0 else cast(float, brentq(lambda s: shape(s) + 1.0, _NEAREST_END, 0.0))
    grid = np.linspace(lowest, math.log1p(1.0 / float(y.min())) + 1.0, 400)
    heights = np.array([mean_nll(s) for s in grid.tolist()])
    # an end of the grid is no valley: at the lower one the likelihood grows without bound beyond it
    inner = np.flatnonzero((heights[1:-1] <= heights[:-2]) & (heights[1:-1] <= heights[2:])) + 1
    at = int(inner[np.argmin(heights[inner])]) if inner.size else int(np.argmin(heights))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)]
    found: Any = minimize_scalar(mean_nll, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    s = float(found.x)
    theta, xi = math.expm1(s), shape(s)
    return xi, xi / theta if theta else mean, mean_nll(s)


__all__ = ["GpdFit", "VarEs", "evt_var_es", "gpd_fit"]
