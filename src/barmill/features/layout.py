"""Where everything lies: the runs of a list of features, their rows on the sheet and their stretches of the state.

A run is one kernel with one set of numbers on one timeframe; several features may be its outputs. The sheet has a stretch of
rows for the base bars and one for each higher timeframe (`kernels/timeframes.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from barmill.features.kernels import Kernel
from barmill.features.kernels.kernel import BAR_ROWS
from barmill.features.spec import Feature
from barmill.market import Timeframe


@dataclass(frozen=True, slots=True)
class Run:
    """One kernel at work.

    numbers : its parameters, fitted numbers among them; then the rows that it reads, counted from the layer's first
    layer : 0 for the base bars
    first_row : of its outputs on the sheet
    state_start, state_size : its stretch of the state
    depends : names of the runs of its own layer that must go first
    late : whether it reads what the base bars are shown of a higher timeframe, or what such a run makes of it
    """

    name: str
    kernel: Kernel
    numbers: tuple[float, ...]
    layer: int
    first_row: int
    state_start: int
    state_size: int
    depends: tuple[str, ...]
    late: bool

    @property
    def last_row(self) -> int:
        return self.first_row + len(self.kernel.outputs)


@dataclass(frozen=True, slots=True)
class Layer:
    """One timeframe: its bars' columns stand from `first_row`, its runs' outputs from `first_output` up to `last_row`."""

    timeframe: Timeframe | None
    first_row: int
    first_output: int
    last_row: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The plan of a scan.

    row_of : for each feature asked for, its row on the sheet and its layer
    shown : row of a higher value, its layer, and the row of the base layer where base bars are shown it
    """

    layers: tuple[Layer, ...]
    runs: tuple[Run, ...]
    row_of: Mapping[Feature, tuple[int, int]]
    shown: tuple[tuple[int, int, int], ...]
    n_rows: int
    state_size: int


def lay_out(features: Sequence[Feature], further: Sequence[str], fitted: Mapping[str, tuple[float, ...]]) -> Layout:
    """The layout of `features` over bars that have the `further` columns after the volume."""
    needed = list(dict.fromkeys(one for feature in features for one in (*feature.arguments, feature)))
    timeframes = sorted({one.timeframe for one in needed if one.timeframe is not None}, key=lambda timeframe: timeframe.ms)
    builder = _Builder(further, fitted)
    for layer, timeframe in enumerate((None, *timeframes)):
        builder.open_layer(timeframe)
        for feature in needed:
            if feature.timeframe == timeframe:
                builder.place(feature, layer)
        builder.close_layer()
    return builder.finished(features)


class _Builder:
    """Gives out rows and stretches of the state, layer by layer, the base first."""

    def __init__(self, further: Sequence[str], fitted: Mapping[str, tuple[float, ...]]) -> None:
        self._inputs = (*BAR_ROWS, *further)
        self._fitted = fitted
        self._layers: list[Layer] = []
        self._runs: dict[str, Run] = {}
        self._row_of: dict[Feature, tuple[int, int]] = {}
        self._awaited: dict[Feature, int] = {}  # features of higher layers that base bars are shown, and the row for it
        self._rows = self._state = self._first = self._first_output = 0
        self._timeframe: Timeframe | None = None

    def open_layer(self, timeframe: Timeframe | None) -> None:
        self._timeframe, self._first = timeframe, self._rows
        self._rows += len(self._inputs)
        self._first_output = self._rows

    def close_layer(self) -> None:
        self._layers.append(Layer(self._timeframe, self._first, self._first_output, self._rows))

    def place(self, feature: Feature, layer: int) -> None:
        name, kernel = feature.run_name, feature.spec.kernel
        if name not in self._runs:
            rows = [self._first + self._inputs.index(column) for column in feature.spec.further_inputs]
            rows += [self._row_of_argument(arg, layer) for arg in feature.args]
            own = (*feature.spec.kernel_params(feature.params), *self._fitted.get(feature.name, ()))
            depends = tuple(arg.run_name for arg in feature.args if arg.timeframe == feature.timeframe)
            late = len(depends) < len(feature.args) or any(self._runs[one].late for one in depends)
            size = kernel.state_size(own)
            numbers = (*own, *(float(row - self._first) for row in rows))
            self._runs[name] = Run(name, kernel, numbers, layer, self._rows, self._state, size, depends, late)
            self._rows += len(kernel.outputs)
            self._state += size
        self._row_of[feature] = self._runs[name].first_row + kernel.outputs.index(feature.spec.output), layer

    def _row_of_argument(self, arg: Feature, layer: int) -> int:
        if arg.timeframe == self._timeframe:
            return self._row_of[arg][0]
        if arg not in self._awaited:  # only base features take arguments from elsewhere, and the base is laid out first
            self._awaited[arg] = self._rows
            self._rows += 1
        return self._awaited[arg]

    def finished(self, features: Sequence[Feature]) -> Layout:
        shown = tuple((*self._row_of[arg], row) for arg, row in self._awaited.items())
        row_of = {feature: self._row_of[feature] for feature in features}
        return Layout(tuple(self._layers), tuple(self._runs.values()), row_of, shown, self._rows, self._state)


__all__ = ["Layer", "Layout", "Run", "lay_out"]
