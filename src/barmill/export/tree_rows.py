"""The boosters that a model asks, and rows on their thresholds."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.contract import Forecaster


def trees_of(forecaster: Forecaster) -> tuple[FlatTrees, ...]:
    """The boosters that a forecaster asks, in the order in which it holds them; none of other models."""
    return tuple(_trees_among(vars(forecaster).values()))


def _trees_among(values: Iterable[Any]) -> Iterator[FlatTrees]:
    for value in values:
        if isinstance(value, FlatTrees):
            yield value
        elif isinstance(value, Mapping):
            yield from _trees_among(cast(Mapping[Any, Any], value).values())
        elif isinstance(value, tuple | list):
            yield from _trees_among(cast(Iterable[Any], value))


def threshold_rows(trees: FlatTrees, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Rows (n, n_features) of which half the numbers are on a threshold of their feature, or one float32 step to either side."""
    rows = rng.standard_normal((n, trees.n_features)).astype(np.float32)
    asked = [(tree.feature[tree.feature >= 0], tree.threshold[tree.feature >= 0]) for tree in trees.trees()]
    feature, threshold = (np.concatenate(parts) for parts in zip(*asked, strict=True))
    for column in np.unique(feature):
        at = rng.choice(threshold[feature == column], n)
        step = rng.integers(-1, 2, n)
        at = np.where(step == 0, at, np.nextafter(at, np.where(step < 0, np.float32(-np.inf), np.float32(np.inf))))
        rows[:, column] = np.where(rng.random(n) < 0.5, at, rows[:, column])
    return rows


__all__ = ["threshold_rows", "trees_of"]
