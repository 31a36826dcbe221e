"""One graph beside what it stands for, on rows of every kind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.artefacts import sha256
from barmill.bundles import Bundle
from barmill.bundles.direction import Rows
from barmill.bundles.ensemble_pipeline import EnsemblePipeline, Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.parity_record import Comparison, GraphParity, Outcomes
from barmill.bundles.seen_bars import SeenBars, SeenByMembers
from barmill.errors import BundleError, nearest
from barmill.export.drawn_rows import features, features_of_inputs, scaled_samples
from barmill.export.parity_figures import compared, joined, outcomes
from barmill.export.parity_samples import Sample, first_of, forecast_sample, model_sample
from barmill.export.running import GraphRun, run_by_reference
from barmill.export.threshold_rows import threshold_rows, trees_of
from barmill.market import Bars
from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.contract import Float64Array

FORECAST = "forecast.onnx"
BATCHES = (1, 7, 64)
_BATCHED_ROWS = 128
_REFERENCE_ROWS = 64
_REFERENCE_ROWS_OF_TREES = 16  # which the second runtime walks node by node in Python
_NUMBERS_AT_ONCE = 1 << 23  # of features, 64 MiB
_WINDOWS, _THRESHOLD_WINDOWS = 10, 40  # a window costs as much as so many rows, and more


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Bars as pipelines are given them: features of all, and the rows to forecast."""

    kind: str
    bars: Bars
    values: Float64Array
    rows: Rows
    closed: SeenBars | None

    def of_member(self, number: int | None) -> tuple[Float64Array, Rows, SeenBars | None]:
        """What a member of an ensemble is given of them, or (None) the one model there is."""
        closed = self.closed.of[number] if isinstance(self.closed, SeenByMembers) and number is not None else self.closed
        if closed is None:
            return self.values, self.rows, None
        first = len(self.values) - len(closed.ready)  # of bars before the first of `closed` nothing is known
        return self.values[first:], self.rows - first, closed


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A graph of the whole forecast, or (`member` is there) of a model alone.

    data : the graph's bytes; number : of the member in the ensemble, None where there is one model
    shown : the golden bars, then others; rng : for what is drawn; quantised : whether the graph's numbers are rounded
    """

    bundle: Bundle
    run: GraphRun
    data: bytes
    member: ForecastPipeline | None
    number: int | None
    shown: Sequence[Shown]
    rng: np.random.Generator
    quantised: bool

    @classmethod
    def of(cls, bundle: Bundle, name: str, data: bytes, shown: Sequence[Shown], rng: np.random.Generator) -> "Subject":
        """What the file `name` stands for. Raises BundleError where it is no graph of this bundle, or does not run."""
        plain, models = name.replace(".int8.", "."), _models(bundle.pipeline)
        if plain != FORECAST and plain not in models:
            raise BundleError(name, "is no graph of this bundle", mend=nearest(plain, [FORECAST, *models]))
        number, member = models.get(plain, (None, None))
        return cls(bundle, GraphRun(name, data), data, member, number, shown, rng, quantised=plain != name)

    def measured(self, n_rows: int, n_threshold_rows: int, n_second_rows: int | None) -> GraphParity:
        """The graph's record."""
        told: list[str] = []
        samples = [self._sample_of(shown) for shown in self.shown]
        first, others = samples[0], samples[1:]
        comparisons = [*self._golden_inputs(), *(self._compared(sample) for sample in samples)]
        drawn = [] if self.quantised else list(self._drawn(n_rows, told))
        ends: Outcomes | None = None
        if self.quantised:
            told.append("numbers are rounded by the range of the whole call: a row moves a little with those beside it")
            ends = self._outcomes(others[0], told) if others else None
        else:
            comparisons += [self._compared(sample) for sample in drawn]
            comparisons += [joined([self._compared(part) for part in parts]) for parts in self._thresholds(n_threshold_rows, told)]
        comparisons += [self._batched(first), *self._by_second_runtime([*samples, *drawn], n_second_rows, told)]
        return GraphParity(self.run.name, sha256(self.data), self.quantised, tuple(comparisons), ends, tuple(told))

    def _sample_of(self, shown: Shown) -> Sample:
        if self.member is None:
            return forecast_sample(shown.kind, self.bundle.pipeline, shown.values, shown.rows, shown.closed)
        return model_sample(shown.kind, self.member, self.member.seen(*shown.of_member(self.number)))

    def _golden_inputs(self) -> Iterator[Comparison]:
        golden = self.bundle.golden_inputs
        if self.member is not None and golden is not None:
            yield self._compared(model_sample("golden inputs", self.member, self.member.view(golden.base, golden.rows)))

    def _drawn(self, n_rows: int, told: list[str]) -> Iterator[Sample]:
        pipeline = self.bundle.pipeline
        if self.member is not None:
            view = scaled_samples(self.member, n_rows if self.member.width == 1 else max(n_rows // _WINDOWS, 1), self.rng)
            if view is not None:
                yield model_sample("random", self.member, view)
                return
        elif not _sees_bars(pipeline):
            n = n_rows if pipeline.depth == 1 else max(n_rows // _WINDOWS, 1)
            yield forecast_sample("random", pipeline, *features(pipeline, self._seen, self.bundle.part("reference_profile"), n, self.rng))
            return
        told.append("no rows were drawn: what a model sees of bars is shown from bars alone")

    def _thresholds(self, n_rows: int, told: list[str]) -> Iterator[Iterator[Sample]]:
        """Rows where trees decide, for each booster in parts that fit in memory however many rows there are: of the model's scaled inputs,
        and of the features that are scaled to these."""
        pipeline = self.bundle.pipeline
        if self.member is not None:
            for trees in trees_of(self.member.forecaster):
                yield (self._inputs_sample(self.member, inputs) for inputs in self._on_thresholds(trees, n_rows))
            return
        members = [member for _, member in _models(pipeline).values() if trees_of(member.forecaster)]
        if members and _sees_bars(pipeline):
            told.append("thresholds were asked of the members' own graphs alone: others see bars")
            return
        n = n_rows if pipeline.depth == 1 else max(n_rows // _THRESHOLD_WINDOWS, 2)
        for member in members:
            for trees in trees_of(member.forecaster):
                yield (self._features_sample(member, inputs) for inputs in self._on_thresholds(trees, n))

    def _on_thresholds(self, trees: FlatTrees, n_rows: int) -> Iterator[npt.NDArray[np.float32]]:
        at_once = max(_NUMBERS_AT_ONCE // (trees.n_features * self.bundle.pipeline.depth), 2)
        for start in range(0, n_rows, at_once):
            yield threshold_rows(trees, min(at_once, n_rows - start), self.rng)

    @staticmethod
    def _inputs_sample(member: ForecastPipeline, inputs: npt.NDArray[np.float32]) -> Sample:
        return model_sample("thresholds", member, member.view(inputs, np.arange(len(inputs), dtype=np.int64)))

    def _features_sample(self, member: ForecastPipeline, inputs: npt.NDArray[np.float32]) -> Sample:
        pipeline = self.bundle.pipeline
        return forecast_sample("thresholds", pipeline, *features_of_inputs(pipeline, member, inputs, self._seen, self.rng))

    @property
    def _seen(self) -> Float64Array:
        """Features of the golden bars that are all there."""
        values = self.shown[0].values
        return values[np.isfinite(values).all(axis=1)]

    def _compared(self, sample: Sample) -> Comparison:
        return compared(sample.kind, sample.expected, sample.standard(self.run.run(sample.feeds)))

    def _batched(self, sample: Sample) -> Comparison:
        """The same rows in batches of each size; row numbers count on from one size to the next."""
        some = sample.some(_BATCHED_ROWS)
        runs = [some.standard(self.run.run(some.feeds, batch=size)) for size in BATCHES]
        expected = {name: np.tile(values, len(BATCHES)) for name, values in some.expected.items()}
        return compared("batches", expected, {name: np.concatenate([run[name] for run in runs]) for name in runs[0]})

    def _by_second_runtime(self, samples: Sequence[Sample], n_rows: int | None, told: list[str]) -> Iterator[Comparison]:
        if n_rows is None:
            models = [self.member] if self.member is not None else [member for _, member in _models(self.bundle.pipeline).values()]
            n_rows = _REFERENCE_ROWS_OF_TREES if any(trees_of(model.forecaster) for model in models) else _REFERENCE_ROWS
        some = first_of(samples, n_rows)
        if len(some) < n_rows:
            told.append(f"the second runtime was asked {len(some):,} rows of {n_rows:,}: there are no more")
        found = run_by_reference(self.data, some.feeds)
        if isinstance(found, str):
            told.append(found)
        else:
            yield compared("reference", some.standard(self.run.run(some.feeds)), some.standard(found))

    def _outcomes(self, sample: Sample, told: list[str]) -> Outcomes | None:
        """Of a whole forecast of direction: what it is worth on the bars whose horizon the bars reach, no bar missing."""
        volatility, shown = self.bundle.pipeline.volatility, self.shown[1]
        if self.member is not None or volatility is None:
            return None
        kept = np.flatnonzero(shown.rows + volatility.horizon < len(shown.bars))
        time, rows = shown.bars.open_time, shown.rows[kept]
        kept = kept[time[rows + volatility.horizon] - time[rows] == volatility.horizon * shown.bars.timeframe.ms]
        if kept.size == 0:
            told.append(f"no outcome is known: no row of the bars is followed by {volatility.horizon} bars without a gap")
            return None
        rows = shown.rows[kept]
        moved = np.log(shown.bars.close[rows + volatility.horizon] / shown.bars.close[rows])
        z = moved / self.bundle.pipeline.scale(shown.values, rows)
        expected, found = (
            {name: values[kept] for name, values in columns.items()}
            for columns in (sample.expected, sample.standard(self.run.run(sample.feeds)))
        )
        return outcomes(expected, found, z)


def _models(pipeline: Pipeline) -> dict[str, tuple[int | None, ForecastPipeline]]:
    """Each model by the name of its graph, with its place among the members."""
    if isinstance(pipeline, EnsemblePipeline):
        return {f"{label}.model.onnx": (number, member) for number, (label, member) in enumerate(pipeline.members)}
    return {"model.onnx": (None, pipeline)}


def _sees_bars(pipeline: Pipeline) -> bool:
    return any(member.sees_bars for _, member in _models(pipeline).values())


__all__ = ["BATCHES", "FORECAST", "Shown", "Subject"]
