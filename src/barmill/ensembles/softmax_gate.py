"""Weights as a softmax of the regime columns: softmax(x A + b), of any columns, of which x are those brought to one scale.

Source: Jacobs, Jordan, Nowlan & Hinton (1991), Adaptive mixtures of local experts, Neural Computation 3 (the gating network).

Axes: n rows, m members, r regime columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add, mul
from typing import Any, Final

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.gate_loss import GateLoss, by_label
from barmill.ensembles.params import SoftmaxGatingParams
from barmill.errors import ShapeError
from barmill.uncertainty.links import softmax_at

FARTHEST: Final = 5.0  # scales from the centre beyond which a column is held: no market ever seen tells what to do there
_STEEPEST: Final = 600.0  # between the scores of two members, wherever the columns are: exp(-600) is not yet 0
_CLOSE: Final[dict[str, Any]] = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2_000, "maxfun": 20_000}


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxWeights:
    """centre, scale : float64 of shape (r,), of the columns; slopes : float64 of shape (r, m); intercepts : float64 of shape (m,)."""

    centre: Float64Array
    scale: Float64Array
    slopes: Float64Array
    intercepts: Float64Array
    _plain: tuple[Any, Any] = field(init=False, repr=False)  # centre and scale of each column; intercept and slopes of each member

    def __post_init__(self) -> None:
        shapes = (self.centre.shape, self.scale.shape, self.slopes.shape)
        r, m = self.centre.size, self.intercepts.size
        if self.intercepts.ndim != 1 or m == 0 or r == 0 or shapes != ((r,), (r,), (r, m)):
            raise ShapeError("softmax gate", f"has shapes {(*shapes, self.intercepts.shape)}", expected="(r,), (r,), (r, m) and (m,)")
        arrays = (self.centre, self.scale, self.slopes, self.intercepts)
        if not all(np.isfinite(array).all() for array in arrays) or (self.scale <= 0).any():
            raise ShapeError("softmax gate", "has a number that is not finite or a scale that is not above 0", expected="finite numbers")
        steepest = float(FARTHEST * np.ptp(self.slopes, axis=1).sum() + np.ptp(self.intercepts))
        if steepest > _STEEPEST:
            raise ShapeError("softmax gate", f"can tell members apart by {steepest:g}", expected=f"at most {_STEEPEST:g}")
        columns = tuple(zip(self.centre.tolist(), self.scale.tolist(), strict=True))
        object.__setattr__(self, "_plain", (columns, tuple(zip(self.intercepts.tolist(), self.slopes.T.tolist(), strict=True))))

    @property
    def n_members(self) -> int:
        return self.intercepts.size

    @property
    def n_columns(self) -> int:
        return self.centre.size

    def apply(self, regimes: Float64Array | None, n_rows: int) -> Float64Array:
        """The weights of each row, float64 of shape (n_rows, m), above 0.

        regimes : float64 of shape (n_rows, r), on the columns' own scale
        """
        assert regimes is not None  # the gate that holds these weights has looked
        if n_rows == 1:
            return np.array([self.of_row(regimes[0].tolist())])
        x = np.minimum(np.maximum((regimes - self.centre) / self.scale, -FARTHEST), FARTHEST)
        scores = x[:, :1] * self.slopes[0]
        scores += self.intercepts
        for j in range(1, len(self.slopes)):  # one by one: NumPy's own sum may choose another order for one row than for many
            scores += x[:, j : j + 1] * self.slopes[j]
        scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= np.add.accumulate(scores, axis=1)[:, -1:]
        return scores

    def of_row(self, regimes: Sequence[float]) -> Sequence[float]:
        """The same sums in the same order as plain floats, which give the same bits and are quicker for one row."""
        columns, by_member = self._plain
        x = [min(max((at - centre) / scale, -FARTHEST), FARTHEST) for at, (centre, scale) in zip(regimes, columns, strict=True)]
        return softmax_at([reduce(add, map(mul, x, slopes), intercept) for intercept, slopes in by_member])

    def of_members(self, order: Sequence[int]) -> "SoftmaxWeights":
        """The same of the members at these places."""
        return SoftmaxWeights(self.centre, self.scale, self.slopes[:, list(order)], self.intercepts[list(order)])

    def to_json(self) -> dict[str, Any]:
        names = ("centre", "scale", "slopes", "intercepts")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SoftmaxWeights":
        return cls(*(np.array(value[name], np.float64) for name in ("centre", "scale", "slopes", "intercepts")))


def fit_softmax(params: SoftmaxGatingParams, loss: GateLoss, regimes: Float64Array) -> tuple[SoftmaxWeights, dict[str, Any]]:
    """The slopes and intercepts that lose least, held near equal weights.

    Minimises sum of counts * loss(softmax(x A + b)) + l2 / 2 * (|A|^2 + |b|^2): a normal prior of variance 1 / l2 around equal weights,
    which many rows outweigh and few do not. Climbed by L-BFGS from equal weights, with the exact slope; the loss is convex in the weights
    and not in A, so this is the minimum next to equal weights, the same for the same rows.

    Parameters
    ----------
    loss : of rows that no member was fitted on
    regimes : float64 of shape (n, r), finite; a column that does not vary has no slope

    Returns
    -------
    weights; and plain JSON: "at_centre" (weights where every column is at its centre) and "effects": for each column the weights one
    scale above its centre less those there, the other columns being at theirs
    """
    spread = regimes.std(axis=0)
    varies = (regimes.max(axis=0) > regimes.min(axis=0)) & (spread > 0)
    centre, scale = np.where(varies, regimes.mean(axis=0), regimes[0]), np.where(varies, spread, 1.0)
    x = np.clip((regimes - centre) / scale, -FARTHEST, FARTHEST)
    r, m = x.shape[1], len(loss.labels)
    found = _minimum(lambda free: softmax_objective(free, x, loss, params.l2), np.zeros((r + 1) * m)) if m > 1 else np.zeros((r + 1) * m)
    slopes, intercepts = found[: r * m].reshape(r, m), found[r * m :]
    weights = SoftmaxWeights(centre, scale, slopes, intercepts)
    at = weights.apply(np.vstack([centre, centre + np.diag(scale)]), r + 1)
    return weights, {"at_centre": by_label(loss, at[0]), "effects": [by_label(loss, moved) for moved in at[1:] - at[0]]}


def softmax_objective(free: Float64Array, x: Float64Array, loss: GateLoss, l2: float) -> tuple[float, Float64Array]:
    """What `fit_softmax` minimises, over the rows' worth, and its slope; `free` holds A (r, m), row after row, and b (m,)."""
    r, m = x.shape[1], len(loss.labels)
    scores = np.einsum("nr,rm->nm", x, free[: r * m].reshape(r, m)) + free[r * m :]
    scores -= scores.max(axis=1, keepdims=True)
    w = np.exp(scores)
    w /= w.sum(axis=1, keepdims=True)
    losses, slopes = loss.of(w)
    by_score = loss.counts[:, None] * w * (slopes - (w * slopes).sum(axis=1, keepdims=True))
    by_free = np.concatenate([np.einsum("nr,nm->rm", x, by_score).ravel(), by_score.sum(axis=0)]) + l2 * free
    total = loss.counts.sum()
    return float(((loss.counts * losses).sum() + 0.5 * l2 * (free * free).sum()) / total), by_free / total


def _minimum(value_and_slope: Any, start: Float64Array) -> Float64Array:
    from scipy.optimize import minimize

    return np.asarray(minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=_CLOSE).x, dtype=np.float64)


__all__ = ["FARTHEST", "SoftmaxWeights", "fit_softmax", "softmax_objective"]
