"""Compiled copying of windows into a batch. Whoever calls imports this module inside its function: the other views need no Numba."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.kernel import routine

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

AS_IT_IS: Final = 0
LOG_PRICE: Final = 1
VOLUME: Final = 2

_POSITIONS = types.Array(types.int64, 1, "C", readonly=True)
_NUMBERS = types.Array(types.float64, 1, "C", readonly=True)
_NUMBERS_OUT = types.float64[:, ::1]
_BATCH = types.float32[:, :, ::1]


def _readonly(kind: types.Type) -> types.Array:
    return types.Array(kind, 2, "C", readonly=True)


@routine(types.void(_readonly(types.float32), _POSITIONS, types.int64, types.int64, _BATCH))
def copy_windows(base: Float32Array, newest: Int64Array, length: int, place: int, batch: Float32Array) -> None:
    """batch[i, place : place + length] = the rows of `base` up to newest[i], the newest last."""
    n_columns = base.shape[1]
    for i in range(newest.size):
        first = newest[i] - length + 1
        for j in range(length):
            for column in range(n_columns):
                batch[i, place + j, column] = base[first + j, column]


@routine(
    types.void(
        _readonly(types.float64),
        _POSITIONS,
        _POSITIONS,
        _NUMBERS,
        _NUMBERS,
        types.float64,
        types.float64,
        types.int64,
        types.int64,
        _BATCH,
    )
)
def copy_relative(
    base: Float64Array,
    kinds: Int64Array,
    newest: Int64Array,
    reference: Float64Array,
    unit: Float64Array,
    reach: float,
    clip: float,
    length: int,
    place: int,
    batch: Float32Array,
) -> None:
    """As `copy_windows`, log prices as (p - reference[i]) / (unit[i] reach) within -clip .. clip, volumes as ln((v + m) / 2m).

    kinds : for each column AS_IT_IS, LOG_PRICE or VOLUME; m is the volumes' mean in the window
    """
    for i in range(newest.size):
        first = newest[i] - length + 1
        for column in range(base.shape[1]):
            if kinds[column] == VOLUME:
                total = 0.0
                for j in range(length):
                    total += base[first + j, column]
                mean = total / length
                for j in range(length):
                    ratio = (base[first + j, column] + mean) / (2.0 * mean) if mean > 0.0 else 1.0
                    batch[i, place + j, column] = math.log(ratio)
            elif kinds[column] == LOG_PRICE:
                divisor = unit[i] * reach
                for j in range(length):
                    moved = (base[first + j, column] - reference[i]) / divisor
                    batch[i, place + j, column] = min(max(moved, -clip), clip)
            else:
                for j in range(length):
                    batch[i, place + j, column] = base[first + j, column]


@routine(types.void(_readonly(types.float64), _NUMBERS_OUT))
def logarithms(values: Float64Array, out: Float64Array) -> None:
    """out = ln(values), each alone: NumPy may take another algorithm for an array than for one number, and another last bit."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            out[i, j] = math.log(values[i, j])


ROUTINES = (copy_windows, copy_relative, logarithms)
