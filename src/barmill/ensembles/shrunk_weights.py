"""Weights of members in each regime, fitted on out-of-fold rows and pulled to a prior that counts in rows.

Axes: n rows, m members, k regimes.
"""

from typing import Any

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.gate_loss import GateLoss

LEAST = 1e-9  # no weight is 0, so that those of some members can always be divided by their sum
_CLOSE: dict[str, Any] = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2_000, "maxfun": 20_000}


def shrunk_weights(loss: GateLoss, beliefs: Float64Array, prior: Float64Array, strength: float) -> Float64Array:
    """The weights W (k, m) that minimise sum of counted loss(beliefs @ W) + strength * sum over regimes of KL(prior || W_k).

    Convex: the loss is, in the blend, and the blend is linear in W; the divergence is. It is the logarithm of a Dirichlet density: the pull
    of `strength` more rows in each regime, in a share `prior` of which each member alone was right. Such rows leave no doubt; real ones
    do, as members say nearly the same, so it takes many times as many of them to outweigh it. W is climbed as a softmax, in which a
    minimum inside the simplex is the only stationary point.

    Parameters
    ----------
    loss : of n rows, each counted as `loss.counts` says
    beliefs : float64 of shape (n, k), probabilities of the regimes, rows that sum to 1
    prior : float64 of shape (m,), above 0, summing to 1
    strength : 0 or more; 0 leaves each regime to its rows

    Source: Jordan & Jacobs (1994), Neural Computation 6, section 4 (mixtures of experts); the prior is a Dirichlet's.
    """
    from scipy.optimize import minimize

    k, m = beliefs.shape[1], prior.size
    start = np.tile(np.log(prior), (k, 1))
    counts = loss.counts
    if m == 1 or counts.sum() <= 0:
        return above_zero(np.exp(start))
    total = counts.sum() + strength

    def value_and_slope(free: Float64Array) -> tuple[float, Float64Array]:
        log_w = _log_softmax(free.reshape(k, m))
        w = np.exp(log_w)
        losses, slopes = loss.of(np.einsum("nk,km->nm", beliefs, w))
        by_weight = np.einsum("n,nk,nm->km", counts, beliefs, slopes)
        by_score = w * (by_weight - (w * by_weight).sum(axis=1, keepdims=True)) + strength * (w - prior)
        value = (counts * losses).sum() - strength * (prior * (log_w - np.log(prior))).sum()
        return float(value / total), by_score.ravel() / total

    found = minimize(value_and_slope, start.ravel(), jac=True, method="L-BFGS-B", options=_CLOSE)
    return above_zero(np.exp(_log_softmax(found.x.reshape(k, m))))


def above_zero(weights: Float64Array) -> Float64Array:
    """Rows of (k, m) at LEAST or above, summing to 1."""
    raised = np.maximum(weights, LEAST)
    return raised / raised.sum(axis=1, keepdims=True)


def _log_softmax(scores: Float64Array) -> Float64Array:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


__all__ = ["LEAST", "above_zero", "shrunk_weights"]
