"""Weights of members that vote: by inverse loss, or fitted to out-of-fold forecasts, where the loss of a blend is convex in them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Float64Array
from barmill.errors import TrainingError
from barmill.models.contract import LEVELS
from barmill.uncertainty.links import SMALLEST

SMOOTH = 0.01  # half-width, in units of volatility, of the parabola that rounds the corner of the pinball loss; adds at most SMOOTH / 4
GAP = 1e-5  # share of the loss of equal weights by which fitted ones may miss the best, at most

Weights = Float64Array  # of shape (m,), 0 or more, summing to 1


class BlendLoss(NamedTuple):
    """What a blend of m members loses, weighted over rows: a convex function of their weights.

    name : str, for a report
    value : of weights (m,), the mean loss
    slope : of weights (m,), the gradient (m,)
    """

    name: str
    value: Callable[[Weights], float]
    slope: Callable[[Weights], Float64Array]


def log_loss_of(p: Sequence[Float64Array], y: npt.NDArray[np.int64], weight: Float64Array) -> BlendLoss:
    """Log loss of the weighted mean of probabilities, each float64 of shape (n,), of class 1, or (n, k)."""
    of_what_came = [np.where(y == 1, member, 1 - member) if member.ndim == 1 else member[np.arange(y.size), y] for member in p]
    by_member, share = np.maximum(np.column_stack(of_what_came), SMALLEST), weight / weight.sum()

    def value(weights: Weights) -> float:
        return float(-(share @ np.log(by_member @ weights)))

    def slope(weights: Weights) -> Float64Array:
        return -((share / (by_member @ weights)) @ by_member)

    return BlendLoss("log loss", value, slope)


def pinball_loss_of(quantiles: Sequence[Float64Array], z: Float64Array, weight: Float64Array) -> BlendLoss:
    """Mean pinball loss of the quantiles averaged by level, each float64 of shape (n, 3), over the levels.

    Its corner is rounded within SMOOTH, so that it has a slope everywhere and stays convex.
    Source: Koenker & Bassett (1978), Econometrica 46; the rounding is that of Chen (2007), JCGS 16(1), a finite smoothing.
    """
    by_member, share = np.stack(quantiles, axis=2), weight / weight.sum() / len(LEVELS)  # (n, 3, m)
    levels = np.array(LEVELS)

    def beyond(weights: Weights) -> Float64Array:
        return z[:, None] - by_member @ weights

    def value(weights: Weights) -> float:
        u = beyond(weights)
        corner = np.maximum(SMOOTH - np.abs(u), 0.0) ** 2 / (4 * SMOOTH)
        return float(share @ (np.maximum(levels * u, (levels - 1) * u) + corner).sum(axis=1))

    def slope(weights: Weights) -> Float64Array:
        falling = levels - 0.5 + 0.5 * np.clip(beyond(weights) / SMOOTH, -1.0, 1.0)
        return -np.einsum("n,nl,nlm->m", share, falling, by_member)

    return BlendLoss("pinball loss", value, slope)


def squared_loss_of(expected: Sequence[Float64Array], z: Float64Array, weight: Float64Array) -> BlendLoss:
    """Squared error of the weighted mean of expected returns, each float64 of shape (n,)."""
    by_member, share = np.column_stack(expected), weight / weight.sum()

    def value(weights: Weights) -> float:
        return float(share @ (by_member @ weights - z) ** 2)

    def slope(weights: Weights) -> Float64Array:
        return 2 * ((share * (by_member @ weights - z)) @ by_member)

    return BlendLoss("squared error", value, slope)


def member_losses(loss: BlendLoss, n_members: int) -> Float64Array:
    """What each member loses alone, float64 of shape (m,)."""
    return np.array([loss.value(alone) for alone in np.eye(n_members)])


def inverse_loss_weights(losses: Float64Array) -> Weights:
    """Weights proportional to 1 / loss; a member that loses nothing shares all weight with its like.

    Losses of forecasts of returns differ little, and so do these weights; fitted ones tell members apart.
    Source: Bates & Granger (1969), Operational Research Quarterly 20(4), equation for uncorrelated errors.
    """
    if losses.min() <= 0:
        return (losses <= 0) / np.count_nonzero(losses <= 0)
    inverse = losses.min() / losses
    return inverse / inverse.sum()


def fitted_weights(loss: BlendLoss, n_members: int) -> Weights:
    """The weights that minimise `loss` on the simplex.

    The gap to the best is bounded by slope . (weights - best corner), since the loss is convex, and checked.

    Raises: TrainingError if that gap stays above GAP of the loss of equal weights.
    Source: the gap is that of Frank & Wolfe (1956), Naval Research Logistics 3; the solver is SLSQP of Kraft (1988).
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    if n_members == 1:
        return np.ones(1)
    equal = np.full(n_members, 1 / n_members)
    with threadpool_limits(limits=1):  # several add up in another order
        scale = max(loss.value(equal), np.finfo(np.float64).tiny)
        found = minimize(
            lambda weights: loss.value(weights) / scale,
            equal,
            jac=lambda weights: loss.slope(weights) / scale,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * n_members,
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
            options={"maxiter": 1000, "ftol": 1e-13},
        )
        weights = np.clip(np.asarray(found.x, dtype=np.float64), 0.0, 1.0)
        weights /= weights.sum()
        slope = loss.slope(weights) / scale
    gap = float(slope @ weights - slope.min())
    if not gap <= GAP:
        found_gap = f"are within {gap:.2g} of the best {loss.name}"
        raise TrainingError("ensemble.weights: fitted", found_gap, expected=f"{GAP:g}", mend="Use weights: inverse_loss or equal.")
    return weights


__all__ = [
    "BlendLoss",
    "fitted_weights",
    "inverse_loss_weights",
    "log_loss_of",
    "member_losses",
    "pinball_loss_of",
    "squared_loss_of",
]
