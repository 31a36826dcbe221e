"""Liquidity clusters: low, middle and high by what was traded of late, so that no cluster is chosen by what comes after.

The measure is a feature like any other, known at the bar's close; the borders between the clusters are terciles of the training rows.
"""

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError, ShapeError
from barmill.models.contract import Float64Array

CLUSTERS = ("L", "M", "H")


def trailing_traded_value(close: npt.ArrayLike, volume: npt.ArrayLike, window: int) -> Float64Array:
    """Median of close·volume over the last `window` bars: float64 of shape (n_bars,), NaN until the window is full.

    A median, because one print of a block trade makes no market liquid.

    Timing: row t is known at the close of bar t. Raises: ShapeError if the lengths differ; InputError for a window below 1.
    """
    prices, volumes = np.asarray(close, dtype=np.float64), np.asarray(volume, dtype=np.float64)
    if prices.ndim != 1 or prices.shape != volumes.shape:
        found = f"arrays of shape {prices.shape} and {volumes.shape}"
        raise ShapeError("trailing_traded_value", found, expected="close and volume of one shape (n_bars,)")
    if window < 1:
        raise InputError("trailing_traded_value.window", f"{window}", expected="at least 1 bar")
    import polars as pl  # a forecast needs the clusters and not the frame library

    return pl.Series(prices * volumes).rolling_median(window).to_numpy().astype(np.float64)


def fit_borders(liquidity: npt.ArrayLike) -> Float64Array:
    """The two terciles of the training rows' liquidity: float64 of shape (2,)."""
    return np.quantile(np.asarray(liquidity, dtype=np.float64), [1 / 3, 2 / 3])


def cluster_of(liquidity: npt.ArrayLike, borders: Float64Array) -> npt.NDArray[np.int64]:
    """Number in CLUSTERS of each row; a row on a border belongs to the less liquid side."""
    return np.searchsorted(borders, np.asarray(liquidity, dtype=np.float64), side="left").astype(np.int64)
