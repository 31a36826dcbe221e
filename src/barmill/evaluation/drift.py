"""How far a distribution moved between two blocks of rows (definitions.md, section 13)."""

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
    if n_bins < 2 or not eps > 0:
        raise ShapeError("psi", f"n_bins {n_bins}, eps {eps}", expected="at least 2 bins and an eps above 0")
    before, after = _rows(reference, "reference"), _rows(current, "current")
    edges = np.unique(np.quantile(before, np.arange(1, n_bins) / n_bins))
    r, c = _shares(before, edges, eps), _shares(after, edges, eps)
    return float(((c - r) * np.log(c / r)).sum())


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


__all__ = ["kolmogorov_smirnov", "psi"]
