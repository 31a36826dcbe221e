"""The engine: one scan over base bars that runs each kernel once per timeframe and keeps all the state there is.

History and live differ only in how many bars `advance` is given. Long histories go through in blocks small enough for
the processor's cache; by the law of the kernels the cuts change no bit. Several threads share the runs among them, never a
run or a sum, so their number changes no bit either.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.features.kernels import timeframes
from barmill.features.kernels.kernel import Float64Array
from barmill.features.program import Program, Work
from barmill.features.taking_over import take_over

BLOCK = 2048  # bars; what a thread works on at once stays near its second-level cache
SHARED_BLOCK = 8192  # where threads share a block: they meet twice in each, and a meeting costs about a hundred bars
SHARED_BARS = 2 * SHARED_BLOCK  # fewer bars than this are not worth a second thread
_PAD = 8  # rows of the sheet do not begin a power of two apart, where they would share the sets of the cache


def usual_threads() -> int:
    """OMP_NUM_THREADS where it is set, else the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))


class _Room(NamedTuple):
    """Where a block is worked on; nothing in it outlives the block.

    sheet : float64 (n_rows, bars and more); closed : int64 (n_layers, bars); counts : int64 (n_layers,), see `kernels/timeframes.py`
    """

    sheet: Float64Array
    closed: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, program: Program, n_bars: int) -> "_Room":
        """Wide enough for blocks of `n_bars`; one bar more can close on a higher timeframe than went in."""
        layout = program.layout
        n_layers = len(layout.layers)
        sheet = np.empty((layout.n_rows, n_bars + _PAD))
        return cls(sheet, np.zeros((n_layers, n_bars), dtype=np.int64), np.zeros(n_layers, dtype=np.int64))


class Scan:
    """The state of a program, and how it advances. Not to be shared between threads.

    Parameters
    ----------
    program : Program, shared by all scans of one plan

    `inputs`, float64 (7 + n_further,), is where the next bar of `advance_one` is put.
    """

    def __init__(self, program: Program) -> None:
        layout = program.layout
        self._program = program
        self._state = np.zeros(layout.state_size)
        self._forming = np.zeros((len(layout.layers), timeframes.FORMING + program.n_inputs))
        self._held = np.full(layout.n_rows, np.nan)
        self._blocks: _Room | None = None
        # One bar at a time has a room of its own, which stays narrow: beside each other, its rows are still in the cache with the next bar.
        self._one = _Room.of(program, 1)
        self._line = np.empty(len(program.columns))
        self.inputs = self._one.sheet[: program.n_inputs, 0]
        (self._every,) = program.shared_among(1)

    def advance(self, bars: Float64Array, values: npt.NDArray[np.floating], threads: int = 1) -> Iterator[int]:
        """Read `bars` (7 + n_further, n), write `values` (n, n_features), C-contiguous, float64 or float32.

        Yields how many bars are done, block by block.
        """
        n_bars = bars.shape[1]
        works = self._program.shared_among(1 if n_bars < SHARED_BARS else threads)
        step = BLOCK if len(works) == 1 else SHARED_BLOCK
        room = self._room(min(n_bars, step))
        blocks = [(start, min(start + step, n_bars)) for start in range(0, n_bars, step)]
        if len(works) == 1:
            for start, stop in blocks:
                _begin_block(room, bars[:, start:stop])
                self._run(room, works[0], stop - start)
                self._run_late(room, stop - start)
                self._write(room, 0, stop - start, values[start:stop], np.empty(values.shape[1], dtype=values.dtype))
                self._end_block(room)
                yield stop
            return
        with ThreadPoolExecutor(len(works) - 1) as pool:
            for start, stop in blocks:
                self._advance_together(room, works, pool, bars[:, start:stop], values[start:stop])
                yield stop

    def advance_one(self, values: Float64Array) -> None:
        """Read the bar in `inputs`, write `values` (1, n_features): what `advance` does with one bar, and no array is made for it."""
        room = self._one
        room.counts[0] = 1
        self._run(room, self._every, 1)
        self._run_late(room, 1)
        self._write(room, 0, 1, values, self._line)
        self._end_block(room)

    def _advance_together(
        self, room: _Room, works: Sequence[Work], pool: ThreadPoolExecutor, bars: Float64Array, values: npt.NDArray[np.floating]
    ) -> None:
        n_bars = bars.shape[1]
        _begin_block(room, bars)
        others = [pool.submit(self._run, room, work, n_bars) for work in works[1:]]
        self._run(room, works[0], n_bars)
        for other in others:
            other.result()
        self._run_late(room, n_bars)
        cuts = [n_bars * i // len(works) for i in range(len(works) + 1)]
        lines = [np.empty(values.shape[1], dtype=values.dtype) for _ in works]
        others = [pool.submit(self._write, room, cuts[i], cuts[i + 1], values, lines[i]) for i in range(1, len(works))]
        self._write(room, 0, cuts[1], values, lines[0])
        for other in others:
            other.result()
        self._end_block(room)

    def _run(self, room: _Room, work: Work, n_bars: int) -> None:
        program = self._program
        if work.layers.size:
            timeframes.aggregate.compiled(
                work.layers,
                program.steps,
                program.firsts,
                program.sums,
                *program.anchor,
                self._forming,
                room.sheet,
                n_bars,
                room.closed,
                room.counts,
            )
        self._run_kernels(room, work)

    def _run_kernels(self, room: _Room, work: Work) -> None:
        timeframes.run_kernels.compiled(work.addresses, work.places, self._program.params, self._state, room.sheet, room.counts)

    def _run_late(self, room: _Room, n_bars: int) -> None:
        """What takes the values of several timeframes waits for all of them."""
        if self._program.shown.size:
            timeframes.show.compiled(self._program.shown, self._held, room.closed, n_bars, room.sheet)
            self._run_kernels(room, self._program.late)

    def _write(self, room: _Room, start: int, stop: int, values: npt.NDArray[np.floating], line: npt.NDArray[np.floating]) -> None:
        """line : (n_features,) of the type of `values`, to work in."""
        program = self._program
        timeframes.gather.compiled(program.columns, program.parts, self._held, room.closed, room.sheet, start, stop, line, values)

    def _end_block(self, room: _Room) -> None:
        timeframes.hold.compiled(self._program.outputs, room.counts, room.sheet, self._held)

    def _room(self, n_bars: int) -> _Room:
        """Room for blocks of `n_bars`, kept for the next ones."""
        if self._blocks is None or n_bars > self._blocks.closed.shape[1]:
            self._blocks = _Room.of(self._program, n_bars)
        return self._blocks

    def give_back_room(self) -> None:
        """Keep no room for blocks: nothing in it is remembered, and a long history left it some hundred times larger than one bar needs."""
        self._blocks = None

    def _arrays(self) -> dict[str, Float64Array]:
        layout = self._program.layout
        arrays = {run.name: self._state[run.state_start : run.state_start + run.state_size] for run in layout.runs}
        for i, layer in enumerate(layout.layers):
            if layer.timeframe is not None:
                held = self._held[layer.first_output : layer.last_row]
                arrays |= {f"bars@{layer.timeframe}": self._forming[i], f"shown@{layer.timeframe}": held}
        return arrays

    def state(self) -> dict[str, Float64Array]:
        """A copy of all that the scan remembers."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take over what `state()` of a scan of the same features gave. Raises SchemaError if it is of other features."""
        take_over("feature state", self._arrays(), state, "feature of this plan")


def _begin_block(room: _Room, bars: Float64Array) -> None:
    room.sheet[: len(bars), : bars.shape[1]] = bars
    room.counts[0] = bars.shape[1]


__all__ = ["BLOCK", "SHARED_BARS", "Scan", "usual_threads"]
