"""A list of features as the engine's compiled routines take it: made once for a plan, and shared by all its scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.features.columns import COLUMNS
from barmill.features.kernels.kernel import BAR_ROWS, Float64Array
from barmill.features.layout import Layout, Run, lay_out
from barmill.features.sharing import share
from barmill.features.spec import Feature
from barmill.market import Timeframe
from barmill.market.buckets import check_anchor

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Work:
    """Runs that one thread does in each block: those of its layers, and some of the base."""

    layers: Int64Array
    addresses: Int64Array
    places: Int64Array


class Program:
    """What does not change while bars go in. See `kernels/timeframes.py` for the arrays.

    Parameters
    ----------
    base : timeframe of the bars that go in
    features : sequence of Feature, in the order of the columns to write
    further : names of the columns after the volume, in the order of the rows that a scan is given
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
        for layer in layout.layers if anchored else ():
            if layer.timeframe is not None:
                check_anchor(layer.timeframe)
        self.base, self.layout = base, layout
        self.n_inputs = len(BAR_ROWS) + len(further)
        self.anchor = tuple(len(BAR_ROWS) + further.index(name) if anchored else -1 for name in ("session_open", "session_close"))
        self.sums = np.array([COLUMNS[name].gather == "sum" for name in further], dtype=np.int64)
        self.steps = np.array([0.0 if layer.timeframe is None else float(layer.timeframe.ms) for layer in layout.layers])
        self.firsts = np.array([layer.first_row for layer in layout.layers], dtype=np.int64)
        outputs = [(i, layer.first_output, layer.last_row) for i, layer in enumerate(layout.layers) if i]
        self.outputs = np.array(outputs, dtype=np.int64).reshape(-1, 3)
        self.columns, self.parts = _by_layer(layout, features)
        self.shown = np.array(layout.shown, dtype=np.int64).reshape(-1, 3)
        self.params, self._places = _joined(layout)
        self.late = self.work((), [run for run in layout.runs if run.late])
        self._shares: dict[int, tuple[Work, ...]] = {}

    def shared_among(self, threads: int) -> tuple[Work, ...]:
        """The runs that are not late, divided."""
        if threads not in self._shares:
            self._shares[threads] = tuple(self.work(layers, runs) for layers, runs in share(self.layout, self.base, threads))
        return self._shares[threads]

    def work(self, layers: Sequence[int], runs: Sequence[Run]) -> Work:
        """These runs, after the bars of these layers have been made."""
        places = np.array([self._places[run.name] for run in runs], dtype=np.int64).reshape(-1, 9)
        addresses = np.array([run.kernel.address for run in runs], dtype=np.int64)
        return Work(np.array(layers, dtype=np.int64), addresses, places)


def _by_layer(layout: Layout, features: Sequence[Feature]) -> tuple[Int64Array, Int64Array]:
    """The columns and parts that `timeframes.gather` takes."""
    placed = sorted((layout.row_of[feature][1], column, layout.row_of[feature][0]) for column, feature in enumerate(features))
    columns = np.array([(column, row) for _, column, row in placed], dtype=np.int64).reshape(-1, 2)
    parts = np.searchsorted([layer for layer, _, _ in placed], np.arange(len(layout.layers) + 1))
    return columns, parts.astype(np.int64)


def _joined(layout: Layout) -> tuple[Float64Array, dict[str, tuple[int, ...]]]:
    """All parameters in one array, and for each run what `timeframes.run_kernels` calls its places."""
    places: dict[str, tuple[int, ...]] = {}
    start = 0
    for run in layout.runs:
        layer = layout.layers[run.layer]
        state, params = (run.state_start, run.state_start + run.state_size), (start, start + len(run.numbers))
        places[run.name] = (*params, *state, run.first_row, run.last_row, layer.first_row, layer.last_row, run.layer)
        start += len(run.numbers)
    return np.array([number for run in layout.runs for number in run.numbers], dtype=np.float64), places


__all__ = ["Program", "Work"]
