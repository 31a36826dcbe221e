"""The engine's own routines: base bars into closed bars of the higher timeframes, all kernels, and the values into a table.

They work on one sheet of memory, float64 (n_rows, width), a stretch of rows for each timeframe: first the columns of its bars,
then what its kernels write. The sheet holds one block of base bars.

A bucket is counted from the Unix epoch or, where a plan is anchored to sessions, from the open of each session, the last one
ending with the session. Its bar closes with the first base bar that has closed at or after the bucket's end, and is known
from that base bar on, not before. After a gap one base bar can close two: the bucket left unfinished before the gap, and
its own.
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from barmill.features.kernels.calls import call_kernel
from barmill.features.kernels.kernel import CLOSE, CLOSE_TIME, HIGH, LOW, OPEN_TIME, VALUES, VOLUME, Float64Array, routine

Int64Array = npt.NDArray[np.int64]

FORMING = 1  # what a bar that is forming remembers before its columns: the end of its bucket, 0 where none is open

_NUMBERS = types.int64[::1]
_INTEGERS = types.int64[:, ::1]
_SHEET = types.float64[:, ::1]


@numba.njit(error_model="numpy")
def _emit(forming: Float64Array, sheet: Float64Array, first: Any, place: int) -> None:
    """Write the bar that has formed; its close time is the end of its bucket."""
    for row in range(forming.size - FORMING):
        sheet[first + row, place] = forming[FORMING + row]
    sheet[first + CLOSE_TIME, place] = forming[0]
    forming[0] = 0.0


@numba.njit(error_model="numpy")
def _begin(forming: Float64Array, sheet: Float64Array, t: int, step: Any, opens: int, closes: int) -> None:
    """Start a bar with base bar t; `opens` and `closes` are the rows of its session, negative where the epoch counts."""
    for row in range(forming.size - FORMING):
        forming[FORMING + row] = sheet[row, t]
    now = sheet[OPEN_TIME, t]
    anchor = sheet[opens, t] if opens >= 0 else 0.0
    start = anchor + math.floor((now - anchor) / step) * step
    end = start + step
    if closes >= 0 and now < sheet[closes, t] < end:
        end = sheet[closes, t]
    forming[FORMING + OPEN_TIME] = start
    forming[0] = end


@routine(types.void(_NUMBERS, VALUES, _NUMBERS, _NUMBERS, types.int64, types.int64, _SHEET, _SHEET, types.int64, _INTEGERS, _NUMBERS))
def aggregate(
    layers: Int64Array,
    steps: Float64Array,
    firsts: Int64Array,
    sums: Int64Array,
    opens: int,
    closes: int,
    forming: Float64Array,
    sheet: Float64Array,
    n_bars: int,
    closed: Int64Array,
    counts: Int64Array,
) -> None:
    """For each of `layers`: its closed bars into its rows of the sheet, and how many have closed by base bar t into `closed`.

    steps, firsts : per layer, length in ms and first row of the sheet
    sums : for each column after the volume, 1 if a longer bar adds it up, 0 if it shows the last
    opens, closes : rows of the session's open and close, or -1
    forming : (n_layers, 1 + n_columns), the bars that are forming
    counts : per layer, bars that closed in this block
    """
    n_columns = forming.shape[1] - FORMING
    for layer in layers:
        bar, first, step = forming[layer], firsts[layer], steps[layer]
        count = 0
        for t in range(n_bars):
            if bar[0] > 0.0 and bar[0] <= sheet[OPEN_TIME, t]:  # a gap: the base bar that would have closed it never came
                _emit(bar, sheet, first, count)
                count += 1
            if bar[0] == 0.0:
                _begin(bar, sheet, t, step, opens, closes)
            else:
                bar[FORMING + HIGH] = max(bar[FORMING + HIGH], sheet[HIGH, t])
                bar[FORMING + LOW] = min(bar[FORMING + LOW], sheet[LOW, t])
                bar[FORMING + CLOSE] = sheet[CLOSE, t]
                bar[FORMING + VOLUME] += sheet[VOLUME, t]
                for row in range(VOLUME + 1, n_columns):
                    bar[FORMING + row] = sheet[row, t] + (bar[FORMING + row] if sums[row - VOLUME - 1] else 0.0)
            if sheet[CLOSE_TIME, t] >= bar[0]:
                _emit(bar, sheet, first, count)
                count += 1
            closed[layer, t] = count
        counts[layer] = count


@routine(types.void(_NUMBERS, _INTEGERS, VALUES, VALUES, _SHEET, _NUMBERS))
def run_kernels(
    addresses: Int64Array, places: Int64Array, params: Float64Array, state: Float64Array, sheet: Float64Array, counts: Int64Array
) -> None:
    """Run each kernel over the bars of its layer that closed in this block.

    places : per kernel, first and end of its params, of its state, of its outputs' rows and of its layer's rows, and the layer
    """
    for i in range(addresses.size):
        place = places[i]
        n_bars = counts[place[8]]
        if n_bars:
            call_kernel(
                addresses[i],
                params[place[0] : place[1]],
                state[place[2] : place[3]],
                sheet[place[6] : place[7], :n_bars],
                sheet[place[4] : place[5], :n_bars],
            )


@routine(types.void(_INTEGERS, VALUES, _INTEGERS, types.int64, _SHEET))
def show(shown: Int64Array, held: Float64Array, closed: Int64Array, n_bars: int, sheet: Float64Array) -> None:
    """Give base bars the value of the last closed higher bar or, before the first of this block, the one held.

    shown : (n, 3), the row of the value, its layer, and the row to write
    """
    for i in range(shown.shape[0]):
        source, layer, row = shown[i, 0], shown[i, 1], shown[i, 2]
        for t in range(n_bars):
            last = closed[layer, t]
            sheet[row, t] = sheet[source, last - 1] if last else held[source]


@routine(types.void(_INTEGERS, _NUMBERS, _SHEET, VALUES))
def hold(layers: Int64Array, counts: Int64Array, sheet: Float64Array, held: Float64Array) -> None:
    """Keep the last value of each row for the next block; `layers` (n, 3) are a layer and its rows."""
    for i in range(layers.shape[0]):
        count = counts[layers[i, 0]]
        if count:
            for row in range(layers[i, 1], layers[i, 2]):
                held[row] = sheet[row, count - 1]


_GATHERED = (_INTEGERS, _NUMBERS, VALUES, _INTEGERS, _SHEET, types.int64, types.int64)


@routine([types.void(*_GATHERED, kind[::1], kind[:, ::1]) for kind in (types.float64, types.float32)])
def gather(
    columns: Int64Array,
    parts: Int64Array,
    held: Float64Array,
    closed: Int64Array,
    sheet: Float64Array,
    start: int,
    stop: int,
    line: npt.NDArray[np.floating],
    out: npt.NDArray[np.floating],
) -> None:
    """out[t, j] = the value at base bar t of column j, for t in [start, stop).

    columns : (n, 2), a column of the table and its row of the sheet, those of one layer together
    parts : for each layer, the first of its `columns`; at the end their number
    line : (n_columns,), room for one line of the table

    Most columns stand still from bar to bar: a line is copied whole, with what closed since put into it, and the columns of the
    base bars are written over it, four bars at a time.
    """
    for first in range(start, stop, 4):
        end = min(first + 4, stop)
        for t in range(first, end):
            for layer in range(1, parts.size - 1):
                last = closed[layer, t]
                if t == start or last != closed[layer, t - 1]:
                    for i in range(parts[layer], parts[layer + 1]):
                        row = columns[i, 1]
                        line[columns[i, 0]] = sheet[row, last - 1] if last else held[row]
            for j in range(line.size):
                out[t, j] = line[j]
        if end < first + 4:
            for i in range(parts[0], parts[1]):
                for t in range(first, end):
                    out[t, columns[i, 0]] = sheet[columns[i, 1], t]
        else:  # four loads at once, then four stores: spelt out, since a loop over them is not unrolled
            for i in range(parts[0], parts[1]):
                column, row = columns[i, 0], columns[i, 1]
                a, b, c, d = sheet[row, first], sheet[row, first + 1], sheet[row, first + 2], sheet[row, first + 3]
                out[first, column], out[first + 1, column], out[first + 2, column], out[first + 3, column] = a, b, c, d


ROUTINES = (aggregate, run_kernels, show, hold, gather)
