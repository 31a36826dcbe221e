"""The engine: one scan over base bars that runs each kernel once per timeframe and keeps all the state there is.

History and live differ only in how many bars `advance` is given. Long histories go through in blocks small enough for
the processor's cache; by the law of the kernels the cuts change no bit. Several threads share the runs among them, never a
run or a sum, so their number changes no bit either.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

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


class Scan:
    """The state of a program, and how it advances. Not to be shared between threads.

    Parameters
    ----------
    program : Program, shared by all scans of one plan
    """

    def __init__(self, program: Program) -> None:
        layout = program.layout
        self._program = program
        self._state = np.zeros(layout.state_size)
        self._forming = np.zeros((len(layout.layers), timeframes.FORMING + program.n_inputs))
        self._held = np.full(layout.n_rows, np.nan)
        self._width = 0
        self._make_room(1)

    def advance(self, bars: Float64Array, values: npt.NDArray[np.floating], threads: int = 1) -> Iterator[int]:
        """Read `bars` (7 + n_further, n), write `values` (n, n_features), C-contiguous, float64 or float32.

        Yields how many bars are done, block by block.
        """
        n_bars = bars.shape[1]
        works = self._program.shared_among(1 if n_bars < SHARED_BARS else threads)
        step = BLOCK if len(works) == 1 else SHARED_BLOCK
        self._make_room(min(n_bars, step))
        blocks = [(start, min(start + step, n_bars)) for start in range(0, n_bars, step)]
        if len(works) == 1:
            for start, stop in blocks:
                self._begin_block(bars[:, start:stop])
                self._run(works[0], stop - start)
                self._run_late(stop - start)
                self._write(0, stop - start, values[start:stop])
                self._end_block()
                yield stop
            return
        with ThreadPoolExecutor(len(works) - 1) as pool:
            for start, stop in blocks:
                self._advance_together(works, pool, bars[:, start:stop], values[start:stop])
                yield stop

    def _advance_together(
        self, works: Sequence[Work], pool: ThreadPoolExecutor, bars: Float64Array, values: npt.NDArray[np.floating]
    ) -> None:
        n_bars = bars.shape[1]
        self._begin_block(bars)
        others = [pool.submit(self._run, work, n_bars) for work in works[1:]]
        self._run(works[0], n_bars)
        for other in others:
            other.result()
        self._run_late(n_bars)
        cuts = [n_bars * i // len(works) for i in range(len(works) + 1)]
        others = [pool.submit(self._write, cuts[i], cuts[i + 1], values) for i in range(1, len(works))]
        self._write(0, cuts[1], values)
        for other in others:
            other.result()
        self._end_block()

    def _begin_block(self, bars: Float64Array) -> None:
        self._sheet[: len(bars), : bars.shape[1]] = bars
        self._counts[0] = bars.shape[1]

    def _run(self, work: Work, n_bars: int) -> None:
        program = self._program
        if work.layers.size:
            timeframes.aggregate.compiled(
                work.layers,
                program.steps,
                program.firsts,
                program.sums,
                *program.anchor,
                self._forming,
                self._sheet,
                n_bars,
                self._closed,
                self._counts,
            )
        self._run_kernels(work)

    def _run_kernels(self, work: Work) -> None:
        timeframes.run_kernels.compiled(work.addresses, work.places, self._program.params, self._state, self._sheet, self._counts)

    def _run_late(self, n_bars: int) -> None:
        """What takes the values of several timeframes waits for all of them."""
        if self._program.shown.size:
            timeframes.show.compiled(self._program.shown, self._held, self._closed, n_bars, self._sheet)
            self._run_kernels(self._program.late)

    def _write(self, start: int, stop: int, values: npt.NDArray[np.floating]) -> None:
        line = np.empty(values.shape[1], dtype=values.dtype)
        program = self._program
        timeframes.gather.compiled(program.columns, program.parts, self._held, self._closed, self._sheet, start, stop, line, values)

    def _end_block(self) -> None:
        timeframes.hold.compiled(self._program.outputs, self._counts, self._sheet, self._held)

    def _make_room(self, n_bars: int) -> None:
        """A sheet wide enough for blocks of `n_bars`; one bar more can close on a higher timeframe than went in."""
        if n_bars > self._width:
            self._lay_sheet(n_bars)

    def give_back_room(self) -> None:
        """Keep no more of the sheet than one bar needs: nothing on it is remembered, and a long block left it some hundred times larger."""
        if self._width > 1:
            self._lay_sheet(1)

    def _lay_sheet(self, n_bars: int) -> None:
        layout = self._program.layout
        self._width = n_bars
        self._sheet = np.empty((layout.n_rows, n_bars + _PAD))
        self._closed = np.zeros((len(layout.layers), n_bars), dtype=np.int64)
        self._counts = np.zeros(len(layout.layers), dtype=np.int64)

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


__all__ = ["BLOCK", "SHARED_BARS", "Scan", "usual_threads"]
