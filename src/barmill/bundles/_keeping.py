"""Compiled: the last rows of a stream's features, and how many of them are whole."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.kernel import VALUES, Float64Array, routine


@routine(types.void(VALUES, types.float64[:, ::1], types.int64[::1]))
def keep_row(line: Float64Array, kept: Float64Array, whole: npt.NDArray[np.int64]) -> None:
    """Put `line` (n_features,) at the end of `kept` (n, n_features), whose oldest row goes.

    whole : (1,), rows in succession up to the last in which every number is finite
    """
    for row in range(kept.shape[0] - 1):
        for column in range(line.size):
            kept[row, column] = kept[row + 1, column]
    last = kept.shape[0] - 1
    finite = True
    for column in range(line.size):
        kept[last, column] = line[column]
        finite = finite and math.isfinite(line[column])
    whole[0] = whole[0] + 1 if finite else 0


@routine(types.void(types.float32[:, ::1]))
def move_up(rows: npt.NDArray[np.float32]) -> None:
    """Each row takes the place of the one before it; the last one stands twice. NumPy would make a copy in between."""
    for row in range(rows.shape[0] - 1):
        for column in range(rows.shape[1]):
            rows[row, column] = rows[row + 1, column]


ROUTINES = (keep_row, move_up)
