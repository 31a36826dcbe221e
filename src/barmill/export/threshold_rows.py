"""The trees that a model asks, and rows on which they are hard to follow: on their thresholds, a float32 step aside, and around 0."""

import numpy as np
import numpy.typing as npt

from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.boosting.symmetric_trees import SymmetricTrees
from barmill.models.contract import Forecaster

_AROUND_ZERO = (0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1.1754944e-38, 1e-35, -1e-35)  # denormals, and what LightGBM takes for 0


def trees_of(forecaster: Forecaster) -> tuple[FlatTrees, ...]:
    """The boosters that a forecaster asks, each once, in the order in which it holds them; none of other models."""
    asked: tuple[FlatTrees | SymmetricTrees, ...] = getattr(forecaster, "boosters", ())
    return tuple(trees if isinstance(trees, FlatTrees) else trees.flat() for trees in dict.fromkeys(asked))


def threshold_rows(trees: FlatTrees, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Half of the rows ordinary; in the others every feature stands on one of its own thresholds, a step beside it, or around 0.

    Ordinary rows are normal with the thresholds' own middle and spread. Each feature is drawn by itself, so that whichever way a row
    goes, the next question is as close.

    Returns
    -------
    float32 (n, n_features), finite, C order; ordinary rows first
    """
    asked: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(trees.n_features)]
    for tree in trees.trees():
        for feature in np.unique(tree.feature[tree.feature >= 0]):
            asked[feature].append(tree.threshold[tree.feature == feature])
    rows = rng.standard_normal((n, trees.n_features), dtype=np.float32)
    for feature, parts in enumerate(asked):
        at = np.unique(np.concatenate([np.empty(0, dtype=np.float32), *parts]))
        at = at[np.abs(at) < np.finfo(np.float32).max]  # a step beside it is still a number
        if at.size:
            rows[:, feature] = rows[:, feature] * np.float32(at.std() or 1.0) + np.float32(np.median(at))
        rows[n // 2 :, feature] = rng.choice(_beside(at), n - n // 2)
    return rows


def _beside(at: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Thresholds and their neighbours, and each number around 0 about as often as one of these."""
    zero = np.array(_AROUND_ZERO, dtype=np.float32)
    return np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf)), zero])


__all__ = ["threshold_rows", "trees_of"]
