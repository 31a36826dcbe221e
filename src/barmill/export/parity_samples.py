"""Samples to compare a graph on: what goes in, and what the bundle says of it in standard units.

Standard units: probabilities as they are, returns over the volatility known at the decision, other answers over what they are where that is
above 1. Scores are told as the probabilities that they mean: one tolerance then fits them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.bundles.direction import Rows
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.seen_bars import SeenBars
from barmill.export.feeds import Feeds, forecast_feeds
from barmill.export.parity_figures import Columns
from barmill.export.pipeline_graph import WINDOW
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.models.view_values import values_of
from barmill.uncertainty.links import probabilities_of


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows of one kind for one graph.

    feeds : by input of the graph, first axis the rows
    expected : what the bundle says, columns float64 (n,) in standard units
    units : by column, what a graph's output is divided by, float64 (n,); 1 where a column has none
    of_model : of a graph of the model alone, whose outputs are scores and not columns
    """

    kind: str
    feeds: Feeds
    expected: Columns
    units: Columns
    of_model: bool

    def __len__(self) -> int:
        return len(next(iter(self.expected.values())))

    def standard(self, outputs: Mapping[str, npt.NDArray[Any]]) -> Columns:
        """A graph's outputs as the columns of `expected`."""
        columns = (
            _columns_of(_raw(outputs)) if self.of_model else {name: np.asarray(values, np.float64) for name, values in outputs.items()}
        )
        return {name: values / self.units[name] if name in self.units else values for name, values in columns.items()}

    def some(self, n: int) -> "Sample":
        """The first `n` rows."""
        feeds, expected, units = ({name: values[:n] for name, values in of.items()} for of in (self.feeds, self.expected, self.units))
        return Sample(self.kind, feeds, expected, units, self.of_model)


def first_of(samples: Sequence[Sample], n: int) -> Sample:
    """The first `n` rows of `samples` for one graph, one after another; as many as there are, if there are fewer."""
    kept, left = list[Sample](), n
    for sample in samples:
        if left > 0:
            kept.append(sample.some(left))
            left -= len(kept[-1])
    feeds, expected, units = (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for parts in ([one.feeds for one in kept], [one.expected for one in kept], [one.units for one in kept])
    )
    return Sample(kept[0].kind, feeds, expected, units, kept[0].of_model)


def forecast_sample(kind: str, pipeline: Pipeline, values: Float64Array, rows: Rows, closed: SeenBars | None = None) -> Sample:
    """Rows for a graph of the whole forecast: the bars `rows`, as `pipeline.run` takes them."""
    said = pipeline.run(values, rows, closed=closed, place="parity")
    if pipeline.volatility is None:
        units = {name: np.maximum(np.abs(column), 1.0) for name, column in said.items() if not name.startswith("p_")}
    else:
        scale = pipeline.scale(values, rows)
        units = {name: scale for name in said if not name.startswith("p_")}
    expected = {name: column / units[name] if name in units else column for name, column in said.items()}
    return Sample(kind, forecast_feeds(pipeline, values, rows, closed), expected, units, of_model=False)


def model_sample(kind: str, pipeline: ForecastPipeline, view: View) -> Sample:
    """Rows for a graph of the model alone, which sees `view`."""
    columns = _columns_of(pipeline.forecaster.raw(view))
    further = [name for name in columns if name.startswith("value ")]
    units = {name: np.maximum(np.abs(columns[name]), 1.0) for name in further}
    expected = {name: column / units[name] if name in units else column for name, column in columns.items()}
    return Sample(kind, {WINDOW: values_of(view)}, expected, units, of_model=True)


def _columns_of(raw: RawForecast) -> dict[str, Float64Array]:
    """What a model says, as columns (n,)."""
    found: dict[str, Float64Array] = {}
    if raw.logits.size:
        found |= _named("p", probabilities_of(np.asarray(raw.logits, np.float64)))
    if raw.expected is not None:
        found["expected"] = np.asarray(raw.expected, np.float64)
    if raw.quantiles is not None:
        found |= _named("quantile", np.asarray(raw.quantiles, np.float64))
    for name, values in (raw.values or {}).items():
        found |= _named(f"value {name}", np.asarray(values, np.float64))
    return found


def _named(name: str, values: Float64Array) -> dict[str, Float64Array]:
    if values.ndim == 1:
        return {name: values}
    return {f"{name} {number}": values[:, number] for number in range(values.shape[1])}


def _raw(outputs: Mapping[str, npt.NDArray[Any]]) -> RawForecast:
    """A model graph's outputs as what they stand for."""
    known = ("logits", "expected", "quantiles")
    further = {name: values for name, values in outputs.items() if name not in known}
    return RawForecast(outputs.get("logits", np.empty(0)), outputs.get("expected"), outputs.get("quantiles"), further or None)


__all__ = ["Sample", "first_of", "forecast_sample", "model_sample"]
