"""One row through a pipeline in memory that is there: scaling, model, members' combiner, calibration, quantiles, unit, band and guard.

Every step is the one of `ForecastPipeline.run` or `EnsemblePipeline.run`, written for one row: the same kernels and sums in the same order,
so the same bits. What would be refused is left to them, who say why.
"""

from typing import Protocol

import numpy as np

from barmill.bundles._keeping import move_up
from barmill.bundles.direction import Float64Array
from barmill.bundles.direction_row import DirectionRow, SaidRow, WidenRow
from barmill.bundles.ensemble_pipeline import EnsembleMember, EnsemblePipeline, Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.guard import RowGuard
from barmill.models.contract import RawForecast
from barmill.models.one_row import AnsweringRow, RowForecaster, one_row

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


def row_path(pipeline: Pipeline, widen: WidenRow | None = None) -> RowPath | None:
    """The way of one row through `pipeline`; None where there is none but the ordinary one, see `why_ordinary`.

    widen : what makes the band of each row instead of the band as it stands in the bundle
    """
    if why_ordinary(pipeline):
        return None
    if isinstance(pipeline, EnsemblePipeline):
        return _OfEnsemble(pipeline, widen)
    model = _ModelRow(pipeline)
    return _OfAnswer(pipeline, model) if pipeline.direction is None else _OfModel(pipeline, model, widen)


def why_ordinary(pipeline: Pipeline) -> str:
    """Why a row goes through `pipeline` as many would, in words; empty where it has a way of its own."""
    if type(pipeline) not in (ForecastPipeline, EnsemblePipeline):
        return "a pipeline of another kind has a `run` of its own"
    models = [member.pipeline for member in pipeline.members] if isinstance(pipeline, EnsemblePipeline) else [pipeline]
    if any(model.sees_bars for model in models):
        return "a model that sees bars is shown views of them"
    if any(model.direction is None and not isinstance(model.forecaster, RowForecaster) for model in models):
        return "a model of another question answers with arrays"
    return ""


class _ModelRow:
    """What a model sees of the last rows, and what it says of them."""

    def __init__(self, pipeline: ForecastPipeline) -> None:
        self._scaler, self._columns = pipeline.input_scaler, pipeline.input_columns
        window = pipeline.window
        assert not isinstance(window, dict)
        self.row = one_row(pipeline.forecaster, len(self._columns), window if isinstance(window, int) else None)
        self.allocates = self.row.allocates
        inputs = self.row.inputs.reshape(-1, len(self._columns))
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
        return self.row.raw()


class _OfModel:
    """The path of one model."""

    def __init__(self, pipeline: ForecastPipeline, model: "_ModelRow", widen: WidenRow | None) -> None:
        assert pipeline.direction is not None
        assert pipeline.volatility is not None
        self._model, self.allocates = model, model.allocates
        self._steps = DirectionRow(pipeline.direction, pipeline.volatility, pipeline.names, widen)
        self.fill, self.take = self._model.fill, self._model.take
        self.out = np.empty(len(pipeline.columns))

    def forecast(self, line: Float64Array) -> bool:
        return self._steps.into(self._model.raw(), line, self.out)


class _OfAnswer:
    """The path of a model of another question than direction."""

    def __init__(self, pipeline: ForecastPipeline, model: "_ModelRow") -> None:
        assert isinstance(model.row, AnsweringRow)
        self._model, self._row, self.allocates = model, model.row, model.allocates
        self._said = SaidRow(pipeline.calibration, None, pipeline.names)
        self._guard = RowGuard(pipeline.columns, whole=pipeline.tells_all_classes)
        self.fill, self.take = model.fill, model.take
        self.out = np.empty(len(pipeline.columns))

    def forecast(self, line: Float64Array) -> bool:
        if not self._said.take(self._model.raw(), line):
            return False
        self._row.answer(self._said.p, self.out)
        return self._guard.lets_out(self.out)


class _OfEnsemble:
    """The path of an ensemble: its members', then its combiner."""

    def __init__(self, pipeline: EnsemblePipeline, widen: WidenRow | None) -> None:
        self._members = [_MemberRow(member) for member in pipeline.members]
        self._places = [(place, pipeline.names.index(name)) for place, name in enumerate(pipeline.regimes)]
        self._regimes = [0.0] * len(self._places)
        self._combiner = pipeline.combiner.one_row([member.said for member in self._members], self._regimes)
        self._steps = DirectionRow(pipeline.direction, pipeline.volatility, pipeline.names, widen)
        self.out = np.empty(len(pipeline.columns))
        made = [f"member '{member.label}': {member.row.allocates}" for member in self._members if member.row.allocates]
        self.allocates = "; ".join([*made, *([self._combiner.allocates] if self._combiner.allocates else [])])

    def fill(self, rows: Float64Array) -> None:
        for member in self._members:
            member.row.fill(rows)

    def take(self, line: Float64Array) -> None:
        for member in self._members:
            member.row.take(line)

    def forecast(self, line: Float64Array) -> bool:
        for member in self._members:
            if not member.said.take(member.row.raw(), line):
                return False
        for place, column in self._places:
            self._regimes[place] = line.item(column)
        raw = self._combiner.raw()
        return raw is not None and self._steps.into(raw, line, self.out)


class _MemberRow:
    def __init__(self, member: EnsembleMember) -> None:
        pipeline = member.pipeline
        assert pipeline.quantiles is not None
        self.label, self.row = member.label, _ModelRow(pipeline)
        self.said = SaidRow(pipeline.calibration, pipeline.quantiles, pipeline.names)


__all__ = ["RowPath", "row_path", "why_ordinary"]
