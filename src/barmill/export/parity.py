"""Parity: a bundle's graphs and the bundle itself on the same rows, and whether they are near enough to be one.

The rows: the golden samples; bars, where some are given; numbers drawn over what training reached; for trees, rows on split thresholds
and one float32 step to either side; batches of 1, 7 and 64; and some of them in a second runtime.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from barmill.artefacts import sha256
from barmill.bundles import Bundle
from barmill.bundles.ensemble_pipeline import EnsemblePipeline, Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.parity_record import Comparison, GraphParity, Outcomes, ParityReport
from barmill.bundles.seen_bars import SeenBars, SeenByMembers
from barmill.errors import BundleError, nearest
from barmill.export.drawn_rows import features, features_of_inputs, scaled_samples
from barmill.export.feeds import Rows
from barmill.export.parity_figures import compared, outcomes
from barmill.export.parity_samples import Sample, forecast_sample, model_sample
from barmill.export.running import GraphRun, run_by_reference, versions
from barmill.export.threshold_rows import threshold_rows
from barmill.market import Bars
from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.contract import Float64Array, Forecaster

N_ROWS = 2000  # of bars, and drawn; of windows a tenth
N_THRESHOLD_ROWS = 20_000
BATCHES = (1, 7, 64)
_BATCHED_ROWS = 128
_REFERENCE_ROWS = 64
_REFERENCE_ROWS_OF_TREES = 16  # which the second runtime walks node by node in Python
_WINDOWS = 10  # windows cost as much as so many rows, and more


def measure(
    bundle: Bundle,
    graphs: Mapping[str, bytes],
    *,
    bars: Bars | None = None,
    n_rows: int = N_ROWS,
    n_threshold_rows: int = N_THRESHOLD_ROWS,
    seed: int = 0,
) -> ParityReport:
    """Compare each graph with the bundle.

    Parameters
    ----------
    bundle : loaded, with or without graphs in it
    graphs : by their names under `onnx`: `forecast.onnx`, `model.onnx`, `<label>.model.onnx` of an ensemble's member; quantised ones have
        `.int8` before their ending
    bars : real bars of the bundle's instrument and timeframe; `n_rows` of those that are ready are compared, spread over them. Where they
        are given, quantised graphs are judged by what came, too
    n_rows : also of drawn rows; n_threshold_rows : rows where trees decide
    seed : of what is drawn

    Raises: BundleError for a graph of another name, or that ONNX Runtime does not run; DataError for bars of something else.
    """
    shown = [_golden(bundle), *(() if bars is None else (_given(bundle, bars, n_rows),))]
    found = [
        _Subject.of(bundle, name, data, shown, np.random.default_rng([seed, number])).measured(n_rows, n_threshold_rows)
        for number, (name, data) in enumerate(sorted(graphs.items()))
    ]
    return ParityReport(tuple(found), seed, versions())


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """Bars as pipelines are given them: features of all, and the rows to forecast."""

    kind: str
    bars: Bars
    values: Float64Array
    rows: Rows
    closed: SeenBars | None

    def of_member(self, number: int | None) -> tuple[Float64Array, Rows, SeenBars | None]:
        """What a member of an ensemble is given of them, or the one model there is."""
        closed = self.closed.of[number] if isinstance(self.closed, SeenByMembers) and number is not None else self.closed
        if closed is None or isinstance(closed, SeenByMembers):
            return self.values, self.rows, None
        first = len(self.values) - len(closed.ready)
        return self.values[first:], self.rows - first, closed


def _golden(bundle: Bundle) -> _Shown:
    golden = bundle.golden_bars
    values = bundle.plan.compute(golden.bars).values
    return _Shown("golden bars", golden.bars, values, golden.rows, bundle.pipeline.closed(golden.bars))


def _given(bundle: Bundle, bars: Bars, n_rows: int) -> _Shown:
    bundle.check_bars(bars)
    table, closed = bundle.plan.compute(bars), bundle.pipeline.closed(bars)
    ready = np.flatnonzero(bundle.pipeline.ready(table.ready, closed))
    if ready.size == 0:
        raise BundleError("bars", f"none of {len(bars)} is ready", expected=f"more than {bundle.needed_bars}", mend="Give more bars.")
    spread = ready[np.unique(np.linspace(0, ready.size - 1, min(n_rows, ready.size)).astype(np.int64))]
    return _Shown("bars", bars, table.values, spread, closed)


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """One graph, and what it stands for: the whole forecast, or (`member` is there) the model alone.

    number : of the member in the ensemble; None where there is one model
    """

    bundle: Bundle
    run: GraphRun
    data: bytes
    member: ForecastPipeline | None
    number: int | None
    shown: Sequence[_Shown]
    rng: np.random.Generator
    quantised: bool

    @classmethod
    def of(cls, bundle: Bundle, name: str, data: bytes, shown: Sequence[_Shown], rng: np.random.Generator) -> "_Subject":
        plain = name.replace(".int8.", ".")
        models = _models(bundle.pipeline)
        if plain != "forecast.onnx" and plain not in models:
            raise BundleError(name, "is no graph of this bundle", mend=nearest(plain, ["forecast.onnx", *models]))
        number, member = models.get(plain, (None, None))
        return cls(bundle, GraphRun(name, data), data, member, number, shown, rng, quantised=plain != name)

    def measured(self, n_rows: int, n_threshold_rows: int) -> GraphParity:
        samples = [self._sample_of(shown) for shown in self.shown]
        first = samples[0]
        told: list[str] = []
        if not self.quantised:
            samples += self._drawn(n_rows, told)
            samples += self._thresholds(n_threshold_rows, told)
        comparisons = [*self._golden_inputs(), *(self._compared(sample) for sample in samples), self._batched(first)]
        comparisons += self._by_second_runtime(first, told)
        if self.quantised:
            told.append("numbers are rounded by the range of the whole call: a row moves a little with those beside it")
        ends = self._outcomes(samples[1], told) if self.quantised and len(samples) > 1 else None
        return GraphParity(self.run.name, sha256(self.data), self.quantised, tuple(comparisons), ends, tuple(told))

    def _sample_of(self, shown: _Shown) -> Sample:
        if self.member is None:
            return forecast_sample(shown.kind, self.bundle.pipeline, shown.values, shown.rows, shown.closed)
        values, rows, closed = shown.of_member(self.number)
        return model_sample(shown.kind, self.member, self.member.seen(values, rows, closed))

    def _golden_inputs(self) -> Iterator[Comparison]:
        golden = self.bundle.golden_inputs
        if self.member is not None and golden is not None:
            yield self._compared(model_sample("golden inputs", self.member, self.member.view(golden.base, golden.rows)))

    def _drawn(self, n_rows: int, told: list[str]) -> Iterator[Sample]:
        if self.member is not None:
            view = scaled_samples(self.member, n_rows if self.member.width == 1 else max(n_rows // _WINDOWS, 1), self.rng)
            if view is not None:
                yield model_sample("random", self.member, view)
                return
        elif not _sees_bars(self.bundle.pipeline):
            pipeline = self.bundle.pipeline
            n = n_rows if pipeline.depth == 1 else max(n_rows // _WINDOWS, 1)
            yield forecast_sample("random", pipeline, *features(pipeline, self._seen, self.bundle.part("reference_profile"), n, self.rng))
            return
        told.append("no rows were drawn: what a model sees of bars is shown from bars alone")

    def _thresholds(self, n_rows: int, told: list[str]) -> Iterator[Sample]:
        """Rows where trees decide: of the model's scaled inputs, and of the features that are scaled to these."""
        pipeline = self.bundle.pipeline
        if self.member is not None:
            for trees in trees_of(self.member.forecaster):
                inputs = threshold_rows(trees, n_rows, self.rng)
                yield model_sample("thresholds", self.member, self.member.view(inputs, np.arange(len(inputs), dtype=np.int64)))
            return
        members = [member for _, member in _models(pipeline).values() if trees_of(member.forecaster)]
        if members and _sees_bars(pipeline):
            told.append("thresholds were asked of the members' own graphs alone: others see bars")
            return
        n = n_rows if pipeline.depth == 1 else max(n_rows // _WINDOWS // _WINDOWS, 1)
        for member in members:
            for trees in trees_of(member.forecaster):
                inputs = threshold_rows(trees, n, self.rng)
                yield forecast_sample("thresholds", pipeline, *features_of_inputs(pipeline, member, inputs, self._seen, self.rng))

    @property
    def _seen(self) -> Float64Array:
        """Features of the golden bars that are all there."""
        values = self.shown[0].values
        return values[np.isfinite(values).all(axis=1)]

    def _compared(self, sample: Sample) -> Comparison:
        return compared(sample.kind, sample.expected, sample.standard(self.run.run(sample.feeds)))

    def _batched(self, sample: Sample) -> Comparison:
        """The same rows in batches of each size; row numbers count through all sizes."""
        some = sample.some(_BATCHED_ROWS)
        runs = [some.standard(self.run.run(some.feeds, batch=size)) for size in BATCHES]
        expected = {name: np.tile(values, len(BATCHES)) for name, values in some.expected.items()}
        return compared("batches", expected, {name: np.concatenate([run[name] for run in runs]) for name in runs[0]})

    def _by_second_runtime(self, sample: Sample, told: list[str]) -> Iterator[Comparison]:
        some = sample.some(_REFERENCE_ROWS_OF_TREES if self._has_trees else _REFERENCE_ROWS)
        found = run_by_reference(self.data, some.feeds)
        if isinstance(found, str):
            told.append(found)
        else:
            yield compared("reference", some.standard(self.run.run(some.feeds)), some.standard(found))

    @property
    def _has_trees(self) -> bool:
        models = [self.member] if self.member is not None else [member for _, member in _models(self.bundle.pipeline).values()]
        return any(trees_of(model.forecaster) for model in models)

    def _outcomes(self, sample: Sample, told: list[str]) -> Outcomes | None:
        """Of a whole forecast of direction: what it is worth on the bars whose horizon the bars reach, no bar missing."""
        volatility = self.bundle.pipeline.volatility
        if self.member is not None or volatility is None:
            return None
        shown = self.shown[1]
        later = shown.rows + volatility.horizon
        kept = np.flatnonzero(later < len(shown.bars))
        at, then = shown.rows[kept], later[kept]
        time = shown.bars.open_time
        whole = time[then] - time[at] == volatility.horizon * shown.bars.timeframe.ms
        kept, at, then = kept[whole], at[whole], then[whole]
        if kept.size == 0:
            told.append(f"no outcome is known: no row of the bars is followed by {volatility.horizon} bars without a gap")
            return None
        z = np.log(shown.bars.close[then] / shown.bars.close[at]) / self.bundle.pipeline.scale(shown.values, at)
        said = sample.standard(self.run.run(sample.feeds))
        return outcomes(*({name: values[kept] for name, values in columns.items()} for columns in (sample.expected, said)), z)


def trees_of(forecaster: Forecaster) -> tuple[FlatTrees, ...]:
    """The boosters that a forecaster asks; none of other models."""
    found: list[FlatTrees] = []
    for value in vars(forecaster).values():
        several: Any = value if isinstance(value, tuple | list) else (value,)
        found += [one for one in several if isinstance(one, FlatTrees)]
    return tuple(found)


def _models(pipeline: Pipeline) -> dict[str, tuple[int | None, ForecastPipeline]]:
    """Each model by the name of its graph, with its place among the members."""
    if isinstance(pipeline, EnsemblePipeline):
        return {f"{label}.model.onnx": (number, member) for number, (label, member) in enumerate(pipeline.members)}
    return {"model.onnx": (None, pipeline)}


def _sees_bars(pipeline: Pipeline) -> bool:
    return any(member.sees_bars for _, member in _models(pipeline).values())


__all__ = ["N_ROWS", "N_THRESHOLD_ROWS", "ParityReport", "measure", "trees_of"]
