"""Rows to forecast: the golden bars of a bundle, their features, and which of them can be forecast."""

from typing import NamedTuple

import numpy as np

from barmill.bundles.bundle import Bundle
from barmill.bundles.direction import Float64Array, Rows
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.seen_bars import SeenBars
from barmill.market import Bars

MOST = 64  # different rows: more would be others, and no slower


class Sample(NamedTuple):
    """Features of bars, and the last of them that can be forecast.

    values : float64 (n_bars, n_features); rows : int64 (n,); closed : what a pipeline that sees bars is shown
    """

    bars: Bars
    values: Float64Array
    rows: Rows
    closed: SeenBars | None

    @classmethod
    def of(cls, bundle: Bundle) -> "Sample":
        """The golden bars of `bundle`."""
        bars = bundle.golden_bars.bars
        table, closed = bundle.plan.compute(bars), bundle.pipeline.closed(bars)
        return cls(bars, table.values, np.flatnonzero(bundle.pipeline.ready(table.ready, closed))[-MOST:], closed)

    def of_member(self, member: ForecastPipeline) -> "Sample":
        """The same rows as one member of the ensemble sees them."""
        return self._replace(closed=member.closed(self.bars))

    def last(self, pipeline: Pipeline, row: int) -> Float64Array:
        """The rows of features that a forecast of `row` reads, in memory of their own."""
        return np.ascontiguousarray(self.values[row + 1 - pipeline.depth : row + 1])


__all__ = ["Sample"]
