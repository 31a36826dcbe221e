"""Compiled drawing of bars into images. Whoever calls imports this module inside its function: the other views need no Numba."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.kernel import routine

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

SIDE: Final = 64  # bars across, rows down

WICK: Final = 0.3
FALLING: Final = 0.6
UNCHANGED: Final = 0.8
RISING: Final = 1.0

# A price that lies between two rows in exact arithmetic, as many do on a grid of ticks, goes down whatever the last bit says.
TIE: Final = 1e-9

_PRICES = types.Array(types.float64, 2, "C", readonly=True)
_SIGNALS = types.Array(types.float32, 2, "C", readonly=True)
_POSITIONS = types.Array(types.int64, 1, "C", readonly=True)


@routine([types.void(_PRICES, _SIGNALS, _POSITIONS, types.Array(types.float32, 4, order)) for order in "CA"])
def draw(prices: Float64Array, signals: Float32Array, ends: Int64Array, images: Float32Array) -> None:
    """images[i] = the bars up to ends[i], (3, SIDE, SIDE): channel, row from the top, bar from the oldest.

    prices : (n_bars, 4), open, high, low, close
    signals : (n_bars, 3), shade of the second channel, filled rows and shade of the third, as `PatternImage` says
    """
    high_row, top_row, bottom_row, low_row, fill_row = np.empty((5, SIDE), dtype=np.int32)
    body = np.empty(SIDE, dtype=np.float32)
    wick = np.float32(WICK)
    nothing = np.float32(0.0)
    for i in range(ends.size):
        first = ends[i] - SIDE + 1
        highest, lowest = prices[first, 1], prices[first, 2]
        for j in range(1, SIDE):
            highest = max(highest, prices[first + j, 1])
            lowest = min(lowest, prices[first + j, 2])
        span = highest - lowest
        for j in range(SIDE):
            opened, closed = prices[first + j, 0], prices[first + j, 3]
            if span > 0.0:
                scale = (SIDE - 1) / span
                high_row[j] = math.floor((highest - prices[first + j, 1]) * scale + 0.5 + TIE)
                low_row[j] = math.floor((highest - prices[first + j, 2]) * scale + 0.5 + TIE)
                top_row[j] = math.floor((highest - max(opened, closed)) * scale + 0.5 + TIE)
                bottom_row[j] = math.floor((highest - min(opened, closed)) * scale + 0.5 + TIE)
            else:
                high_row[j] = low_row[j] = top_row[j] = bottom_row[j] = SIDE // 2
            body[j] = RISING if closed > opened else (FALLING if closed < opened else UNCHANGED)
            fill_row[j] = SIDE - np.int32(signals[first + j, 1])
        for row in range(SIDE):
            for j in range(SIDE):
                shade = wick if high_row[j] <= row <= low_row[j] else nothing
                images[i, 0, row, j] = body[j] if top_row[j] <= row <= bottom_row[j] else shade
                images[i, 1, row, j] = signals[first + j, 0]
                images[i, 2, row, j] = signals[first + j, 2] if row >= fill_row[j] else nothing


ROUTINES = (draw,)
