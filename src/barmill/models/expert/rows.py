"""Experts with memory for one row."""

from collections.abc import Mapping, Sequence

import numpy as np

from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.contract import Float64Array, RawForecast
from barmill.models.expert.liquidity import CLUSTERS, cluster_at
from barmill.models.one_row import empty_forecast


class EntryRow:
    """The booster of the row's liquidity cluster.

    column : of the inputs, the liquidity; None where there are no clusters
    """

    allocates = ""

    def __init__(self, boosters: Mapping[str, FlatTrees], column: int | None, borders: Float64Array) -> None:
        one = boosters[CLUSTERS[0]]
        self.inputs = np.zeros(one.n_features, dtype=np.float32)
        self._column, self._borders = column, tuple(borders.tolist())
        self._forecast = empty_forecast(one.n_scores)
        self._walks = [boosters[name].bound(self.inputs, self._forecast.logits.reshape(-1)) for name in CLUSTERS]

    def raw(self) -> RawForecast:
        cluster = 0 if self._column is None else cluster_at(self.inputs.item(self._column), self._borders)
        self._walks[cluster]()
        return self._forecast

    def answer(self, p: Sequence[float], out: Float64Array) -> None:
        out[0] = p[-1]


class QuantileRow:
    """The boosters of all levels, put in order.

    output : name of the level `online`, which is used; dead_band : below which a quantile is 0
    """

    allocates = ""

    def __init__(self, output: str, boosters: Sequence[FlatTrees], online: int, dead_band: float) -> None:
        self.inputs = np.zeros(boosters[0].n_features, dtype=np.float32)
        self._online, self._dead_band = online, dead_band
        quantiles, self._value = np.empty((1, len(boosters))), np.empty(1)
        self._quantiles = quantiles[0]
        self._walks = [booster.bound(self.inputs, self._quantiles[place : place + 1]) for place, booster in enumerate(boosters)]
        self._forecast = RawForecast(np.empty((1, 0)), values={output: self._value, f"{output}_quantiles": quantiles})

    def raw(self) -> RawForecast:
        for walk in self._walks:
            walk()
        for place, quantile in enumerate(sorted(self._quantiles.tolist())):  # NumPy's sort works in more memory than all the rest
            self._quantiles[place] = 0.0 if abs(quantile) < self._dead_band else quantile + 0.0
        self._value[0] = self._quantiles.item(self._online)
        return self._forecast

    def answer(self, p: Sequence[float], out: Float64Array) -> None:
        out[0] = self._value.item()
        for place, quantile in enumerate(self._quantiles.tolist(), 1):
            out[place] = quantile


__all__ = ["EntryRow", "QuantileRow"]
