"""Hierarchical risk parity: weights from the tree of correlations, without inverting a covariance (definitions.md, section 8)."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


def hrp_weights(cov: npt.ArrayLike, distance: Literal["afml", "direct"] = "afml") -> Float64Array:
    """Weights that split risk along the branches of the assets' correlation tree.

    Assets that move together share one branch's weight. It asks less of the covariance than an optimiser, which inverts it: it works for
    matrices without an inverse, and small errors of the estimate stay small in the weights.

    Parameters
    ----------
    cov : float64 array of shape (n_assets, n_assets), symmetric, variances above 0
    distance : "afml" compares each asset's distances to all others, "direct" takes the distance of the two, sqrt((1 - correlation) / 2)

    Returns
    -------
    float64 array of shape (n_assets,), in the order of `cov`, each above 0, sum 1.

    Single linkage; of two clusters that are merged the one with the smaller number stands on the left, and the ordered list is
    halved, the left half getting the share 1 - V_left / (V_left + V_right), V the variance of a half under inverse-variance weights.
    Raises: ShapeError for a matrix that is no covariance.
    Cost: n_assets^2 log n_assets; cubic with "afml".
    Source: López de Prado (2016), J. Portfolio Management 42(4).
    """
    if distance not in ("afml", "direct"):
        raise ShapeError("hrp_weights.distance", f"'{distance}'", expected="'afml' or 'direct'")
    covariance = _checked(cov)
    if covariance.shape[0] == 1:
        return np.ones(1)
    return _bisected(covariance, _leaves(covariance, distance))


def _leaves(covariance: Float64Array, distance: str) -> Int64Array:
    """The assets from left to right in the tree of single linkage."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist, squareform

    deviation = np.sqrt(np.diag(covariance))
    correlation = np.clip(covariance / np.outer(deviation, deviation), -1.0, 1.0)
    apart = np.sqrt((1.0 - correlation) / 2.0)
    np.fill_diagonal(apart, 0.0)
    tree = linkage(pdist(apart) if distance == "afml" else squareform(apart, checks=False), method="single")
    tree[:, :2] = np.sort(tree[:, :2], axis=1)
    return leaves_list(tree).astype(np.int64)


def _bisected(covariance: Float64Array, leaves: Int64Array) -> Float64Array:
    weights = np.ones(leaves.size)
    parts = [leaves]
    while parts:
        part = parts.pop()
        if part.size < 2:
            continue
        left, right = part[: part.size // 2], part[part.size // 2 :]
        left_variance, right_variance = _variance(covariance, left), _variance(covariance, right)
        share = 1.0 - left_variance / (left_variance + right_variance)
        weights[left] *= share
        weights[right] *= 1.0 - share
        parts += [left, right]
    return weights


def _variance(covariance: Float64Array, part: Int64Array) -> float:
    """Variance of a part under inverse-variance weights."""
    inside = covariance[np.ix_(part, part)]
    weights = 1.0 / np.diag(inside)
    weights /= weights.sum()
    return float(weights @ inside @ weights)


def _checked(cov: npt.ArrayLike) -> Float64Array:
    covariance = np.asarray(cov, dtype=np.float64)
    n = covariance.shape[0] if covariance.ndim else 0
    if covariance.shape != (n, n) or not n or not np.isfinite(covariance).all():
        found = f"an array of shape {covariance.shape}" + (" with numbers that are not finite" if covariance.shape == (n, n) and n else "")
        raise ShapeError("hrp_weights.cov", found, expected="a finite matrix of shape (n_assets, n_assets)")
    if (np.abs(covariance - covariance.T) > 1e-8 * np.abs(covariance).max()).any():
        raise ShapeError("hrp_weights.cov", "a matrix that is not symmetric", expected="a covariance")
    variances = np.diag(covariance)
    if variances.min() <= 0:
        at = int(np.argmin(variances))
        raise ShapeError(
            f"hrp_weights.cov[{at}, {at}]", f"{variances[at]}", expected="a variance above 0", mend="Leave out what never moves."
        )
    return covariance


__all__ = ["hrp_weights"]
