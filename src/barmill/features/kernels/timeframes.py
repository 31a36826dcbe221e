"""Base bars into closed bars of a higher timeframe, and their values back onto the base bars.

A bucket is floor(open_time / step), counted from the Unix epoch. Its bar closes with the first base bar that has closed
at or after the bucket's end, and is known from that base bar on, not before. After a gap one base bar can close
two: the bucket left unfinished before the gap, and its own.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.kernel import (
    BARS,
    CLOSE,
    CLOSE_TIME,
    HIGH,
    LOW,
    OPEN,
    OPEN_TIME,
    TABLE,
    VALUES,
    VOLUME,
    Float64Array,
    routine,
)

AGGREGATE_STATE = 7  # bucket end (0: none is open), open time, open, high, low, close, volume


@routine(types.void(types.float64, VALUES, BARS, types.float64[:, ::1], types.int64[::1]))
def aggregate(step: float, state: Float64Array, bars: Float64Array, higher: Float64Array, closed: npt.NDArray[np.int64]) -> None:
    """Write the higher bars that close here into `higher` (7, n + 1), and into `closed` (n,) how many have by bar t."""
    count = 0
    for t in range(bars.shape[1]):
        bucket = math.floor(bars[OPEN_TIME, t] / step) * step
        end = bucket + step
        if state[0] > 0.0 and state[0] < end:  # a gap: the base bar that would have closed this bucket never came
            higher[OPEN_TIME, count], higher[CLOSE_TIME, count] = state[1], state[0]
            for row in range(OPEN, VOLUME + 1):
                higher[row, count] = state[row]
            count += 1
            state[0] = 0.0
        if state[0] == 0.0:
            state[0], state[1] = end, bucket
            for row in range(OPEN, VOLUME + 1):
                state[row] = bars[row, t]
        else:
            state[HIGH] = max(state[HIGH], bars[HIGH, t])
            state[LOW] = min(state[LOW], bars[LOW, t])
            state[CLOSE] = bars[CLOSE, t]
            state[VOLUME] += bars[VOLUME, t]
        if bars[CLOSE_TIME, t] >= end:
            higher[OPEN_TIME, count], higher[CLOSE_TIME, count] = state[1], end
            for row in range(OPEN, VOLUME + 1):
                higher[row, count] = state[row]
            count += 1
            state[0] = 0.0
        closed[t] = count


@routine(types.void(TABLE, types.int64[::1], VALUES, TABLE))
def show(values: Float64Array, closed: npt.NDArray[np.int64], held: Float64Array, out: Float64Array) -> None:
    """Give each base bar the value of the last closed higher bar: `values` (k, m) or, before the first here, `held` (k,)."""
    for row in range(out.shape[0]):
        last = held[row]
        shown = 0
        for t in range(out.shape[1]):
            if closed[t] > shown:
                shown = closed[t]
                last = values[row, shown - 1]
            out[row, t] = last
        held[row] = last


@routine(types.void(types.float64[:, ::1], types.int64[::1], types.float64[:, ::1]))
def gather(rows: Float64Array, columns: npt.NDArray[np.int64], out: Float64Array) -> None:
    """out[t, j] = rows[columns[j], t]: from a kernel's layout to the table's."""
    for t in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[t, j] = rows[columns[j], t]


ROUTINES = (aggregate, show, gather)
