"""The engine: one scan over base bars that runs each kernel once per timeframe and keeps all the state there is.

History and live differ only in how many bars `advance` is given. Long histories go through in blocks small enough for
the processor's cache; by the law of the kernels the cuts change no bit. Several threads share the runs among them, never a
run or a sum, so their number changes no bit either.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import SchemaError
from barmill.features.columns import COLUMNS
from barmill.features.kernels import timeframes
from barmill.features.kernels.kernel import BAR_ROWS, Float64Array
from barmill.features.layout import Layout, Run, lay_out
from barmill.features.sharing import share
from barmill.features.spec import Feature
from barmill.market import Timeframe

BLOCK = 2048  # bars; what a thread works on at once stays near its second-level cache
SHARED_BARS = 4 * BLOCK  # fewer bars than this are not worth a second thread
_PAD = 8  # rows of the sheet do not begin a power of two apart, where they would share the sets of the cache

Int64Array = npt.NDArray[np.int64]


def usual_threads() -> int:
    """OMP_NUM_THREADS where it is set, else the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Work:
    """Runs that one thread does in each block: those of its layers, and some of the base."""

    layers: Int64Array
    addresses: Int64Array
    places: Int64Array


class Scan:
    """The state of a list of features, and how it advances.

    Parameters
    ----------
    base : timeframe of the bars that go in
    features : sequence of Feature, in the order of the columns to write
    further : names of the columns after the volume, in the order of the rows that `advance` is given
    anchored : whether buckets are counted from the session's open; its columns are then among `further`
    fitted : for each feature with fitted numbers, by name, those numbers
    """

    def __init__(
        self,
        base: Timeframe,
        features: Sequence[Feature],
        further: Sequence[str] = (),
        anchored: bool = False,
        fitted: Mapping[str, tuple[float, ...]] | None = None,
    ) -> None:
        layout = lay_out(features, further, fitted or {})
        self._base, self._layout = base, layout
        self._n_inputs = len(BAR_ROWS) + len(further)
        self._anchor = tuple(len(BAR_ROWS) + further.index(name) if anchored else -1 for name in ("session_open", "session_close"))
        self._sums = np.array([COLUMNS[name].gather == "sum" for name in further], dtype=np.int64)
        self._steps = np.array([0.0 if layer.timeframe is None else float(layer.timeframe.ms) for layer in layout.layers])
        self._firsts = np.array([layer.first_row for layer in layout.layers], dtype=np.int64)
        self._outputs = np.array(
            [(i, layer.first_output, layer.last_row) for i, layer in enumerate(layout.layers) if i], dtype=np.int64
        ).reshape(-1, 3)
        self._columns, self._parts = _by_layer(layout, features)
        self._shown = np.array(layout.shown, dtype=np.int64).reshape(-1, 3)
        self._params, self._spans = _joined(layout)
        self._late = self._work((), [run for run in layout.runs if run.late])
        self._shares: dict[int, tuple[_Work, ...]] = {}
        self._state = np.zeros(layout.state_size)
        self._forming = np.zeros((len(layout.layers), timeframes.FORMING + self._n_inputs))
        self._held = np.full(layout.n_rows, np.nan)
        self._width = 0
        self._make_room(1)

    def advance(self, bars: Float64Array, values: npt.NDArray[np.floating], threads: int = 1) -> Iterator[int]:
        """Read `bars` (7 + n_further, n), write `values` (n, n_features), C-contiguous, float64 or float32.

        Yields how many bars are done, block by block.
        """
        n_bars = bars.shape[1]
        self._make_room(min(n_bars, BLOCK))
        if threads == 1 or n_bars < SHARED_BARS:
            works = self._shared_among(1)
            for start in range(0, n_bars, BLOCK):
                stop = min(start + BLOCK, n_bars)
                self._begin_block(bars[:, start:stop])
                self._run(works[0], stop - start)
                self._finish_runs(stop - start)
                self._write(0, stop - start, values[start:stop])
                self._end_block()
                yield stop
            return
        works = self._shared_among(threads)
        with ThreadPoolExecutor(threads - 1) as pool:
            for start in range(0, n_bars, BLOCK):
                stop = min(start + BLOCK, n_bars)
                self._advance_together(works, pool, bars[:, start:stop], values[start:stop])
                yield stop

    def _advance_together(
        self, works: Sequence[_Work], pool: ThreadPoolExecutor, bars: Float64Array, values: npt.NDArray[np.floating]
    ) -> None:
        n_bars = bars.shape[1]
        self._begin_block(bars)
        others = [pool.submit(self._run, work, n_bars) for work in works[1:]]
        self._run(works[0], n_bars)
        for other in others:
            other.result()
        self._finish_runs(n_bars)
        cuts = [n_bars * i // len(works) for i in range(len(works) + 1)]
        others = [pool.submit(self._write, cuts[i], cuts[i + 1], values) for i in range(1, len(works))]
        self._write(0, cuts[1], values)
        for other in others:
            other.result()
        self._end_block()

    def _begin_block(self, bars: Float64Array) -> None:
        self._sheet[: self._n_inputs, : bars.shape[1]] = bars
        self._counts[0] = bars.shape[1]

    def _run(self, work: _Work, n_bars: int) -> None:
        if work.layers.size:
            timeframes.aggregate.compiled(
                work.layers,
                self._steps,
                self._firsts,
                self._sums,
                *self._anchor,
                self._forming,
                self._sheet,
                n_bars,
                self._closed,
                self._counts,
            )
        timeframes.run_kernels.compiled(work.addresses, work.places, self._params, self._state, self._sheet, self._counts)

    def _finish_runs(self, n_bars: int) -> None:
        if self._shown.size:
            timeframes.show.compiled(self._shown, self._held, self._closed, n_bars, self._sheet)
            late = self._late
            timeframes.run_kernels.compiled(late.addresses, late.places, self._params, self._state, self._sheet, self._counts)

    def _write(self, start: int, stop: int, values: npt.NDArray[np.floating]) -> None:
        line = np.empty(values.shape[1], dtype=values.dtype)
        timeframes.gather.compiled(self._columns, self._parts, self._held, self._closed, self._sheet, start, stop, line, values)

    def _end_block(self) -> None:
        timeframes.hold.compiled(self._outputs, self._counts, self._sheet, self._held)

    def _make_room(self, n_bars: int) -> None:
        """A sheet wide enough for blocks of `n_bars`; one bar more can close on a higher timeframe than went in."""
        if n_bars <= self._width:
            return
        self._width = n_bars
        self._sheet = np.empty((self._layout.n_rows, n_bars + _PAD))
        self._closed = np.zeros((len(self._layout.layers), n_bars), dtype=np.int64)
        self._counts = np.zeros(len(self._layout.layers), dtype=np.int64)

    def _shared_among(self, threads: int) -> tuple[_Work, ...]:
        if threads not in self._shares:
            self._shares[threads] = tuple(self._work(layers, runs) for layers, runs in share(self._layout, self._base, threads))
        return self._shares[threads]

    def _work(self, layers: Sequence[int], runs: Sequence[Run]) -> _Work:
        places = np.array([self._spans[run.name] for run in runs], dtype=np.int64).reshape(-1, 9)
        addresses = np.array([run.kernel.address for run in runs], dtype=np.int64)
        return _Work(np.array(layers, dtype=np.int64), addresses, places)

    def _arrays(self) -> dict[str, Float64Array]:
        arrays = {run.name: self._state[run.state_start : run.state_start + run.state_size] for run in self._layout.runs}
        for i, layer in enumerate(self._layout.layers):
            if layer.timeframe is not None:
                held = self._held[layer.first_output : layer.last_row]
                arrays |= {f"bars@{layer.timeframe}": self._forming[i], f"shown@{layer.timeframe}": held}
        return arrays

    def state(self) -> dict[str, Float64Array]:
        """A copy of all that the scan remembers."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take over what `state()` of a scan of the same features gave. Raises SchemaError if it is of other features."""
        arrays = self._arrays()
        for name in sorted(arrays.keys() ^ state.keys()):
            found = "is missing" if name in arrays else "belongs to no feature of this plan"
            raise SchemaError(f"feature state '{name}'", found, mend="Restore the state of the same plan.")
        for name, array in arrays.items():
            if state[name].shape != array.shape or state[name].dtype != array.dtype:
                found = f"{state[name].dtype} of shape {state[name].shape}"
                raise SchemaError(f"feature state '{name}'", found, expected=f"float64 of shape {array.shape}")
        for name, array in arrays.items():
            array[:] = state[name]


def _by_layer(layout: Layout, features: Sequence[Feature]) -> tuple[Int64Array, Int64Array]:
    """The columns and parts that `timeframes.gather` takes."""
    placed = sorted((layout.row_of[feature][1], column, layout.row_of[feature][0]) for column, feature in enumerate(features))
    columns = np.array([(column, row) for _, column, row in placed], dtype=np.int64).reshape(-1, 2)
    parts = np.searchsorted([layer for layer, _, _ in placed], np.arange(len(layout.layers) + 1))
    return columns, parts.astype(np.int64)


def _joined(layout: Layout) -> tuple[Float64Array, dict[str, tuple[int, ...]]]:
    """All parameters in one array, and for each run what `timeframes.run_kernels` calls its places."""
    spans: dict[str, tuple[int, ...]] = {}
    start = 0
    for run in layout.runs:
        layer = layout.layers[run.layer]
        state, params = (run.state_start, run.state_start + run.state_size), (start, start + len(run.numbers))
        spans[run.name] = (*params, *state, run.first_row, run.last_row, layer.first_row, layer.last_row, run.layer)
        start += len(run.numbers)
    return np.array([number for run in layout.runs for number in run.numbers], dtype=np.float64), spans


__all__ = ["BLOCK", "SHARED_BARS", "Scan", "usual_threads"]
