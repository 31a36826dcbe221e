"""The arithmetic of the robust scaler, compiled: the same machine code scales a history and the one row that a server has.

Whoever calls imports this module inside its function: to read a scaler needs no Numba."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.kernel import routine

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_TABLE = types.Array(types.float64, 2, "A", readonly=True)
_POSITIONS = types.Array(types.int64, 1, "C", readonly=True)
_NUMBERS = types.Array(types.float64, 1, "C", readonly=True)


@routine(types.void(_TABLE, _POSITIONS, _POSITIONS, _NUMBERS, _NUMBERS, types.float64, types.float32[:, ::1]))
def scale_rows(
    values: Float64Array,
    rows: Int64Array,
    columns: Int64Array,
    center: Float64Array,
    scale: Float64Array,
    clip: float,
    out: npt.NDArray[np.float32],
) -> None:
    """out[i, j] = (values[rows[i], columns[j]] - center[j]) / scale[j], in float64, held within -clip .. clip and only then rounded.

    What is not finite becomes NaN: an infinity is never clipped into a number.
    """
    for i in range(rows.size):
        row = rows[i]
        for j in range(columns.size):
            value = values[row, columns[j]]
            scaled = min(max((value - center[j]) / scale[j], -clip), clip)
            out[i, j] = scaled if math.isfinite(value) else math.nan


ROUTINES = (scale_rows,)
