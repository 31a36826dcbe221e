"""One set of weights for all rows: the static optimal gating weights of a walk through time.

Axes: n rows, m members, v windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.gate_loss import GateLoss, by_label, compared, equal_weights
from barmill.ensembles.params import StaticGatingParams
from barmill.ensembles.shrunk_weights import shrunk_weights
from barmill.errors import ShapeError
from barmill.splits.kfold import group_bounds

SUM_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class StaticWeights:
    """weights : float64 of shape (m,), above 0, summing to 1."""

    weights: Float64Array
    _plain: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_plain", tuple(np.ravel(self.weights).tolist()))
        check_shares("static weights", self.weights[None] if self.weights.ndim == 1 else self.weights)

    @property
    def n_members(self) -> int:
        return self.weights.size

    @property
    def n_columns(self) -> int:
        return 0

    def apply(self, regimes: Float64Array | None, n_rows: int) -> Float64Array:
        """The weights of each row, float64 of shape (n_rows, m); a view, not to be written to."""
        if n_rows == 1:
            return self.weights[None]
        return np.broadcast_to(self.weights, (n_rows, self.weights.size))

    def of_row(self, regimes: Sequence[float]) -> Sequence[float]:
        """The weights of one row."""
        return self._plain

    def of_members(self, order: Sequence[int]) -> "StaticWeights":
        """The same of the members at these places."""
        return StaticWeights(self.weights[list(order)])

    def to_json(self) -> dict[str, Any]:
        return {"weights": self.weights.tolist()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StaticWeights":
        return cls(np.array(value["weights"], np.float64))


def check_shares(place: str, weights: Float64Array) -> None:
    """Raises ShapeError unless the rows of (k, m) are above 0 and sum to 1."""
    if weights.ndim != 2 or weights.size == 0 or not np.isfinite(weights).all() or (weights <= 0).any():
        raise ShapeError(place, f"are {weights.tolist()}", expected="numbers above 0")
    if (np.abs(weights.sum(axis=1) - 1.0) > SUM_TOLERANCE).any():
        raise ShapeError(place, f"sum to {weights.sum(axis=1).tolist()}", expected="1")


def fit_static(params: StaticGatingParams, loss: GateLoss) -> tuple[StaticWeights, dict[str, Any]]:
    """The weights that lose least over windows that walk forward in time.

    The seed names 'optimal gating weights' and does not define them; here they are the w, not negative and summing to one, that minimise

        n / v * (sum over windows of the mean loss in the window) + shrinkage * KL(equal || w)

    over v contiguous windows of out-of-sample forecasts, each window counting the same whatever its rows are worth, n being what all
    rows are worth. So a calm year and a wild one have the same say; for the pull to equal weights see `shrunk_weights`.

    Parameters
    ----------
    params : n_windows, shrinkage
    loss : of rows in time order that no member was fitted on

    Returns
    -------
    weights; and plain JSON: "windows" (first and last row, this window's own optimum, and what it, equal weights and each member
    lose there), "spread" (standard deviation over the windows of each member's own optimum: where it is as large as the weights
    are, there is nothing static about them), and "walk_forward" (the same of each window after the first, for the weights fitted on
    the windows before it).
    """
    n = loss.counts.size
    bounds = group_bounds(n, min(params.n_windows, n), "walk-forward windows")
    windows = [slice(a, b) for a, b in pairwise(bounds)]
    own = np.array([_optimum(loss.at(window), params.shrinkage) for window in windows])
    walked = [_optimum(loss.at(slice(0, window.start)), params.shrinkage) for window in windows[1:]]
    level = replace(loss, counts=_same_say(loss.counts, windows))
    summary = {
        "windows": [_told(loss, window, optimum) for window, optimum in zip(windows, own, strict=True)],
        "spread": by_label(loss, own.std(axis=0)),
        "walk_forward": [_told(loss, window, before) for window, before in zip(windows[1:], walked, strict=True)],
    }
    return StaticWeights(_optimum(level, params.shrinkage)), summary


def _optimum(loss: GateLoss, shrinkage: float) -> Float64Array:
    return shrunk_weights(loss, np.ones((loss.counts.size, 1)), equal_weights(loss), shrinkage)[0]


def _same_say(counts: Float64Array, windows: Sequence[slice]) -> Float64Array:
    """Counts whose sum is what it was, the same in every window that has any."""
    worth = [counts[window].sum() for window in windows]
    share = counts.sum() / np.count_nonzero(worth)
    return np.concatenate([counts[window] * (share / total if total > 0 else 0.0) for window, total in zip(windows, worth, strict=True)])


def _told(loss: GateLoss, window: slice, weights: Float64Array) -> dict[str, Any]:
    rows = {"first": int(window.start), "last": int(window.stop) - 1}
    return {**rows, "weights": by_label(loss, weights), **compared(loss.at(window), weights)}


__all__ = ["StaticWeights", "check_shares", "fit_static"]
