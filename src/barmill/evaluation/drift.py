"""How far a distribution moved between two blocks of rows (definitions.md, section 13)."""

import math

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError

Float64Array = npt.NDArray[np.float64]


def psi(reference: npt.ArrayLike, current: npt.ArrayLike, n_bins: int = 10, eps: float = 1e-4) -> float:
    """Population stability index of `current` against `reference`: 0 for equal shares, without an upper bound.

    Bins are (edge_{k-1}, edge_k], the outer two open; the edges are the inner quantiles 1/n .. (n-1)/n of the reference, by linear
    interpolation, each kept once. Shares below `eps` are raised to it, and not rescaled. The sum of (c - r) ln(c / r) over the bins.

    Parameters
    ----------
    reference, current : finite numbers, of shape (n,) and (m,)
    n_bins : int, at least 2
    eps : float, above 0

    The usual reading (0.1 a little, 0.25 much) supposes independent rows. A slow feature moves that far between any two stretches of
    one market: compare with the index of one part of the reference against another.
    Raises: ShapeError for no rows, or rows that are not finite.
    """
    before, after = _rows(reference, "reference"), _rows(current, "current")
    edges = _edges(before, n_bins, eps, "psi")
    r, c = _shares(before, edges, eps), _shares(after, edges, eps)
    return float(((c - r) * np.log(c / r)).sum())


def kl_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Relative entropy of `p` against `q` in nats: the sum of p ln(p / q), after both are scaled to sum 1.

    Parameters
    ----------
    p, q : of shape (n,), weights of the same n outcomes, none below 0, not all 0

    Returns
    -------
    float, 0 for equal shares; +inf where q is 0 and p is not. An outcome with p = 0 contributes 0. Not symmetric.
    Raises: ShapeError for weights that are negative, not finite, all 0, or not as many on both sides.
    """
    given, against = _weights(p, "p"), _weights(q, "q")
    if given.shape != against.shape:
        raise ShapeError("kl_divergence.q", f"has {against.size} outcomes", expected=f"{given.size}, as p has")
    there = given > 0
    if (against[there] == 0).any():
        return math.inf
    return float((given[there] * np.log(given[there] / against[there])).sum())


def kl_divergence_samples(current: npt.ArrayLike, reference: npt.ArrayLike, n_bins: int = 10, eps: float = 1e-4) -> float:
    """Relative entropy of `current` against `reference` over the bins of `psi`, in nats.

    Shares below `eps` are raised to it, then scaled to sum 1. What rows, bins and the usual reading are, see `psi`.

    Parameters
    ----------
    current, reference : finite numbers, of shape (m,) and (n,); the bins are quantiles of the reference
    n_bins : int, at least 2
    eps : float, above 0

    Raises: ShapeError for no rows, or rows that are not finite.
    """
    after, before = _rows(current, "current"), _rows(reference, "reference")
    edges = _edges(before, n_bins, eps, "kl_divergence_samples")
    return kl_divergence(_shares(after, edges, eps), _shares(before, edges, eps))


def wasserstein_1(u: npt.ArrayLike, v: npt.ArrayLike) -> float:
    """The area between the two empirical distribution functions: how far mass moves on average, in the units of the data.

    Parameters
    ----------
    u, v : finite numbers, of shape (n,) and (m,)

    Raises: ShapeError for no rows, or rows that are not finite.
    """
    first, second = np.sort(_rows(u, "u")), np.sort(_rows(v, "v"))
    at = np.sort(np.concatenate([first, second]))
    left = at[:-1]
    distance = np.searchsorted(first, left, side="right") / first.size - np.searchsorted(second, left, side="right") / second.size
    return float((np.abs(distance) * np.diff(at)).sum())


def _edges(reference: Float64Array, n_bins: int, eps: float, place: str) -> Float64Array:
    if n_bins < 2 or not eps > 0:
        raise ShapeError(place, f"n_bins {n_bins}, eps {eps}", expected="at least 2 bins and an eps above 0")
    return np.unique(np.quantile(reference, np.arange(1, n_bins) / n_bins))


def _weights(given: npt.ArrayLike, name: str) -> Float64Array:
    weights = _rows(given, name)
    total = weights.sum()
    if weights.min() < 0 or not total > 0:
        raise ShapeError(name, f"weights from {weights.min()} that sum to {total}", expected="none below 0, and not all 0")
    return weights / total


def _shares(rows: Float64Array, edges: Float64Array, eps: float) -> Float64Array:
    counts = np.bincount(np.searchsorted(edges, rows, side="left"), minlength=edges.size + 1)
    return np.maximum(counts / rows.size, eps)


def kolmogorov_smirnov(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The largest distance between the two empirical distribution functions, 0 to 1.

    No p-value comes with it: bars that follow each other are not independent rows, and it would be far too small.
    Raises: ShapeError for no rows, or rows that are not finite.
    """
    before, after = np.sort(_rows(reference, "reference")), np.sort(_rows(current, "current"))
    at = np.concatenate([before, after])
    distance = np.searchsorted(before, at, side="right") / before.size - np.searchsorted(after, at, side="right") / after.size
    return float(np.abs(distance).max())


def _rows(given: npt.ArrayLike, name: str) -> Float64Array:
    rows = np.asarray(given, dtype=np.float64)
    if rows.ndim != 1 or not rows.size or not np.isfinite(rows).all():
        found = f"has shape {rows.shape}" if rows.ndim != 1 or not rows.size else "holds numbers that are not finite"
        raise ShapeError(name, found, expected="one row or more, all finite", mend="Take the finite rows alone.")
    return rows


__all__ = ["kl_divergence", "kl_divergence_samples", "kolmogorov_smirnov", "psi", "wasserstein_1"]
