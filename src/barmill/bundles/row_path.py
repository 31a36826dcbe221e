"""One row through a pipeline in memory that is there: scaling, model, calibration, quantiles, unit, band and guard.

Every step is the one of `ForecastPipeline.run` or `EnsemblePipeline.run`, written for one row: the same kernels and sums in the same order,
so the same bits. What would be refused is left to them, who say why.
"""

from typing import Protocol

import numpy as np

from barmill.bundles._keeping import move_up
from barmill.bundles.direction import Float64Array
from barmill.bundles.direction_row import DirectionRow, MemberSaid, SaidRow
from barmill.bundles.ensemble_pipeline import EnsembleMember, EnsemblePipeline, Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.ensembles.contract import Said
from barmill.models.contract import RawForecast
from barmill.models.one_row import one_row

_NEWEST = np.zeros(1, dtype=np.int64)


class RowPath(Protocol):
    """A pipeline with memory for one row. Not to be shared between threads.

    out : float64 (n_columns,), the last forecast, its columns those of the pipeline
    allocates : str, what makes arrays anew in each forecast, in words; empty where nothing does
    """

    out: Float64Array
    allocates: str

    def fill(self, rows: Float64Array) -> None:
        """Begin anew with `rows`, float64 (depth, n_features), the newest last."""
        ...

    def take(self, line: Float64Array) -> None:
        """One more row of features, float64 (n_features,)."""
        ...

    def forecast(self, line: Float64Array) -> bool:
        """Write to `out` what is forecast of the rows taken, the last of which is `line`; False where the pipeline would refuse to."""
        ...


def row_path(pipeline: Pipeline) -> RowPath | None:
    """The way of one row through `pipeline`; None where there is none but the ordinary one, see `why_ordinary`."""
    if why_ordinary(pipeline):
        return None
    return _OfEnsemble(pipeline) if isinstance(pipeline, EnsemblePipeline) else _OfModel(pipeline)


def why_ordinary(pipeline: Pipeline) -> str:
    """Why a row goes through `pipeline` as many would, in words; empty where it has a way of its own."""
    if type(pipeline) not in (ForecastPipeline, EnsemblePipeline):
        return "a pipeline of another kind has a `run` of its own"
    if pipeline.n_classes != 2 or pipeline.direction is None:
        return "a forecast of other than two classes is made with arrays"
    models = [member.pipeline for member in pipeline.members] if isinstance(pipeline, EnsemblePipeline) else [pipeline]
    if any(model.sees_bars for model in models):
        return "a model that sees bars is shown views of them"
    return ""


class _ModelRow:
    """What a model sees of the last rows, and what it says of them."""

    def __init__(self, pipeline: ForecastPipeline) -> None:
        self._scaler, self._columns = pipeline.input_scaler, pipeline.input_columns
        window = pipeline.window
        assert not isinstance(window, dict)
        self._row = one_row(pipeline.forecaster, len(self._columns), window if isinstance(window, int) else None)
        self.allocates = self._row.allocates
        inputs = self._row.inputs.reshape(-1, len(self._columns))
        self._inputs, self._newest = inputs, inputs[-1:]
        self._line = np.empty((1, len(pipeline.names)))

    def fill(self, rows: Float64Array) -> None:
        last = np.ascontiguousarray(rows[-len(self._inputs) :])
        self._scaler.scale_into(last, np.arange(len(last)), self._columns, self._inputs)

    def take(self, line: Float64Array) -> None:
        if len(self._inputs) > 1:
            move_up.compiled(self._inputs)
        self._line[0] = line
        self._scaler.scale_into(self._line, _NEWEST, self._columns, self._newest)

    def raw(self) -> RawForecast:
        return self._row.raw()


class _OfModel:
    """The path of one model."""

    def __init__(self, pipeline: ForecastPipeline) -> None:
        assert pipeline.direction is not None
        assert pipeline.volatility is not None
        self._model = _ModelRow(pipeline)
        self.allocates = self._model.allocates
        self._steps = DirectionRow(pipeline.direction, pipeline.volatility, pipeline.names)
        self.fill, self.take = self._model.fill, self._model.take
        self.out = np.empty(len(pipeline.columns))

    def forecast(self, line: Float64Array) -> bool:
        return self._steps.into(self._model.raw(), line, self.out)


class _OfEnsemble:
    """The path of an ensemble: its members', then its combiner."""

    def __init__(self, pipeline: EnsemblePipeline) -> None:
        self._members = [_MemberRow(member) for member in pipeline.members]
        self._said: list[Said] = []
        self._combiner = pipeline.combiner
        self._places = [pipeline.names.index(name) for name in pipeline.regimes]
        self._regimes = np.empty((1, len(self._places))) if self._places else None
        self._steps = DirectionRow(pipeline.direction, pipeline.volatility, pipeline.names)
        self.out = np.empty(len(pipeline.columns))
        made = [f"member '{member.label}': {member.row.allocates}" for member in self._members if member.row.allocates]
        self.allocates = "; ".join([*made, f"what combines the members ({type(self._combiner).__name__}) makes arrays of its own"])

    def fill(self, rows: Float64Array) -> None:
        for member in self._members:
            member.row.fill(rows)

    def take(self, line: Float64Array) -> None:
        for member in self._members:
            member.row.take(line)

    def forecast(self, line: Float64Array) -> bool:
        self._said.clear()
        for member in self._members:
            said = member.said.of(member.row.raw(), line)
            if said is None:
                return False
            self._said.append(said)
        if self._regimes is not None:
            for place, column in enumerate(self._places):
                self._regimes[0, place] = line.item(column)
        return self._steps.into(self._combiner.combine(self._said, self._regimes), line, self.out)


class _MemberRow:
    def __init__(self, member: EnsembleMember) -> None:
        pipeline = member.pipeline
        assert pipeline.quantiles is not None
        self.label, self.row = member.label, _ModelRow(pipeline)
        self.said = MemberSaid(SaidRow(pipeline.calibration, pipeline.quantiles, pipeline.names))


__all__ = ["RowPath", "row_path", "why_ordinary"]
