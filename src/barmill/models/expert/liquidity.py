"""Liquidity clusters: low, middle and high by what was traded of late, so that no cluster is chosen by what comes after.

The measure is a feature like any other, known at the bar's close, such as `traded_value_60`; the borders between the clusters are
terciles of the training rows.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from barmill.models.contract import Float64Array

CLUSTERS = ("L", "M", "H")


def fit_borders(liquidity: npt.ArrayLike) -> Float64Array:
    """The two terciles of the training rows' liquidity: float64 of shape (2,)."""
    return np.quantile(np.asarray(liquidity, dtype=np.float64), [1 / 3, 2 / 3])


def cluster_of(liquidity: npt.ArrayLike, borders: Float64Array) -> npt.NDArray[np.int64]:
    """Number in CLUSTERS of each row; a row on a border belongs to the less liquid side."""
    return np.searchsorted(borders, np.asarray(liquidity, dtype=np.float64), side="left").astype(np.int64)


def cluster_at(liquidity: float, borders: Sequence[float]) -> int:
    """`cluster_of` one row."""
    return bisect_left(borders, liquidity)
