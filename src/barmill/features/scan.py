"""The engine: one scan over base bars that runs each kernel once per timeframe and keeps all the state there is.

History and live differ only in how many bars `advance` is given. Long histories go through in blocks small enough for
the processor's cache; by the law of the kernels the cuts change no bit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import SchemaError
from barmill.features.kernels import timeframes
from barmill.features.kernels.kernel import COLUMNS, Float64Array, Kernel
from barmill.features.spec import Feature
from barmill.market import Timeframe

BLOCK = 1024  # bars; the rows of a block and their outputs fit in a second-level cache


@dataclass(frozen=True, slots=True)
class _Run:
    """One kernel with one set of numbers on one timeframe; several features may be its outputs."""

    kernel: Kernel
    name: str
    params: Float64Array
    state: Float64Array
    first_row: int

    @property
    def rows(self) -> slice:
        return slice(self.first_row, self.first_row + len(self.kernel.outputs))

    def advance(self, bars: Float64Array, out: Float64Array) -> None:
        self.kernel.compiled(self.params, self.state, bars, out)


class _Layer:
    """A higher timeframe: the bar that is forming, the runs over closed ones, and the values that are being shown."""

    def __init__(self, timeframe: Timeframe, runs: tuple[_Run, ...]) -> None:
        self.name = str(timeframe)
        self.step = float(timeframe.ms)
        self.runs = runs
        self.rows = slice(runs[0].first_row, runs[-1].rows.stop)
        self.forming = np.zeros(timeframes.AGGREGATE_STATE)
        self.shown = np.full(self.rows.stop - self.rows.start, np.nan)
        self._bars = np.empty((len(COLUMNS), BLOCK + 1))
        self._closed = np.empty(BLOCK, dtype=np.int64)
        self._values = np.empty((len(self.shown), BLOCK + 1))

    def advance(self, bars: Float64Array, out: Float64Array) -> None:
        closed = self._closed[: bars.shape[1]]
        timeframes.aggregate.compiled(self.step, self.forming, bars, self._bars, closed)
        count = int(closed[-1])
        if count:
            higher = self._bars[:, :count]
            for run in self.runs:
                first = run.first_row - self.rows.start
                run.advance(higher, self._values[first : first + len(run.kernel.outputs), :count])
        timeframes.show.compiled(self._values, closed, self.shown, out)


class Scan:
    """The state of a list of features, and how it advances.

    Parameters
    ----------
    features : sequence of Feature, in the order of the columns to write
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        runs, row_of = _plan_runs(features)
        self._base = tuple(run for run, timeframe in runs if timeframe is None)
        higher = sorted({timeframe for _, timeframe in runs if timeframe is not None}, key=lambda timeframe: timeframe.ms)
        self._layers = tuple(_Layer(one, tuple(run for run, timeframe in runs if timeframe == one)) for one in higher)
        self._columns = np.array([row_of[feature] for feature in features], dtype=np.int64)
        self._rows = np.empty((sum(len(run.kernel.outputs) for run, _ in runs), BLOCK))

    def advance(self, bars: Float64Array, values: Float64Array) -> Iterator[int]:
        """Read `bars` (7, n), write `values` (n, n_features), C-contiguous; yields how many bars are done, block by block."""
        n_bars = bars.shape[1]
        for start in range(0, n_bars, BLOCK):
            stop = min(start + BLOCK, n_bars)
            self._advance_block(bars[:, start:stop], values[start:stop])
            yield stop

    def _advance_block(self, bars: Float64Array, values: Float64Array) -> None:
        n_bars = bars.shape[1]
        for run in self._base:
            run.advance(bars, self._rows[run.rows, :n_bars])
        for layer in self._layers:
            layer.advance(bars, self._rows[layer.rows, :n_bars])
        timeframes.gather.compiled(self._rows, self._columns, values)

    def _arrays(self) -> dict[str, Float64Array]:
        arrays = {run.name: run.state for run in self._base}
        for layer in self._layers:
            arrays |= {f"bars@{layer.name}": layer.forming, f"shown@{layer.name}": layer.shown}
            arrays |= {run.name: run.state for run in layer.runs}
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


def _plan_runs(features: Sequence[Feature]) -> tuple[list[tuple[_Run, Timeframe | None]], dict[Feature, int]]:
    """The runs needed, timeframe by timeframe, and the row of each feature among their outputs."""
    order = sorted({feature.timeframe.ms if feature.timeframe else 0 for feature in features})
    runs: dict[str, tuple[_Run, Timeframe | None]] = {}
    row_of: dict[Feature, int] = {}
    n_rows = 0
    for ms in order:
        for feature in features:
            if (feature.timeframe.ms if feature.timeframe else 0) != ms:
                continue
            name, kernel = feature.run_name, feature.spec.kernel
            if name not in runs:
                numbers = feature.spec.kernel_params(feature.params)
                run = _Run(kernel, name, np.array(numbers, dtype=np.float64), kernel.new_state(numbers), n_rows)
                runs[name] = (run, feature.timeframe)
                n_rows += len(kernel.outputs)
            row_of[feature] = runs[name][0].first_row + kernel.outputs.index(feature.spec.output)
    return list(runs.values()), row_of


__all__ = ["BLOCK", "Scan"]
