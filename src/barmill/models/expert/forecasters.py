"""Forecast with the experts' boosters, on the calling thread alone; a row's forecast does not depend on the rows beside it."""

import json
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from barmill.models.admission import ROWS_AT_ONCE, check_finite, check_view
from barmill.models.boosting.flat_trees import FlatTrees, check_alike
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.contract import Float64Array, RawForecast, View
from barmill.models.expert.columns import level_column
from barmill.models.expert.liquidity import CLUSTERS, cluster_of
from barmill.models.expert.rows import EntryRow, QuantileRow
from barmill.views import FeatureMatrix


def level_file(level: float) -> str:
    """Name of the file that holds the booster of a level."""
    return f"q{level:g}.txt"


class EntryForecaster:
    """The probability that a proposed trade is good, by the booster of each row's liquidity cluster."""

    def __init__(
        self, boosters: Mapping[str, FlatTrees], column: int | None, borders: Float64Array, n_classes: int, n_features: int
    ) -> None:
        self._boosters, self._column, self._borders = boosters, column, borders
        self._n_scores, self._n_features = 1 if n_classes == 2 else n_classes, n_features
        if any((one.n_scores, one.n_features) != (self._n_scores, n_features) for one in boosters.values()):
            raise ValueError(f"a booster of other rows or classes than {n_features} features and {n_classes} classes")

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from `expert.json` and the boosters that it names; `entry_pooled.txt` serves where there are no clusters."""
        about = json.loads(files["expert.json"])
        read = {name: read_lightgbm(text) for name, text in files.items() if name.endswith(".txt")}
        boosters = {cluster: read[name] for cluster, name in about["boosters"].items()} or dict.fromkeys(CLUSTERS, read["entry_pooled.txt"])
        return cls(boosters, about["column"], np.array(about["borders"], dtype=np.float64), about["n_classes"], about["n_features"])

    def raw(self, view: View) -> RawForecast:
        """Log-odds of a good entry (n,), or three scores a row (n, 3)."""
        place = "model 'entry'"
        check_view(place, view, "feature_matrix", self._n_features)
        assert isinstance(view, FeatureMatrix)
        scores = np.empty((len(view), self._n_scores))
        for start in range(0, len(view), ROWS_AT_ONCE):
            rows = view.base[view.rows[start : start + ROWS_AT_ONCE]]
            check_finite(place, rows, start)
            cluster = np.zeros(len(rows), dtype=np.int64) if self._column is None else cluster_of(rows[:, self._column], self._borders)
            for number in np.unique(cluster):
                at = np.flatnonzero(cluster == number)
                scores[start + at] = self._boosters[CLUSTERS[number]].scores(rows[at]).reshape(at.size, -1)
        return RawForecast(scores[:, 0] if self._n_scores == 1 else scores)

    def one_row(self) -> EntryRow:
        """Itself, with memory for one row."""
        return EntryRow(self._boosters, self._column, self._borders)

    @property
    def boosters(self) -> tuple[FlatTrees, ...]:
        """Of each liquidity cluster; the same one where there are none."""
        return tuple(self._boosters[cluster] for cluster in CLUSTERS)

    @property
    def columns(self) -> tuple[str, ...]:
        """The probability of a good entry."""
        return ("p_entry",)

    def table(self, raw: RawForecast, p: Float64Array) -> dict[str, Float64Array]:
        """`p` of the last class, which is the good one."""
        return {"p_entry": p if p.ndim == 1 else np.ascontiguousarray(p[:, -1])}


class QuantileForecaster:
    """Quantiles of an outcome in rising order, and the one used online under the expert's own name."""

    def __init__(
        self, name: str, output: str, levels: Sequence[float], boosters: Sequence[FlatTrees], online: int, dead_band: float
    ) -> None:
        self._place, self._output, self._levels, self._boosters = f"model '{name}'", output, levels, boosters
        self._online, self._dead_band = online, dead_band
        check_alike(boosters)
        if any(one.n_scores != 1 for one in boosters):
            raise ValueError("a quantile of several scores")

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build from `expert.json` and a booster for each of its levels."""
        about = json.loads(files["expert.json"])
        boosters = [read_lightgbm(files[level_file(level)]) for level in about["levels"]]
        return cls(about["expert"], about["output"], about["levels"], boosters, about["online"], about["dead_band"])

    def raw(self, view: View) -> RawForecast:
        """No logits; `values` holds the output (n,) and `<output>_quantiles` (n, n_levels), never falling in a row."""
        check_view(self._place, view, "feature_matrix", self._boosters[0].n_features)
        assert isinstance(view, FeatureMatrix)
        quantiles = np.empty((len(view), len(self._boosters)))
        for start in range(0, len(view), ROWS_AT_ONCE):
            rows = view.base[view.rows[start : start + ROWS_AT_ONCE]]
            check_finite(self._place, rows, start)
            for number, booster in enumerate(self._boosters):
                quantiles[start : start + len(rows), number] = booster.scores(rows)
        quantiles.sort(axis=1)
        quantiles[np.abs(quantiles) < self._dead_band] = 0.0
        quantiles += 0.0  # of -0.0 and 0.0, which are equal, one sort may put either first: both are 0.0
        values = {self._output: quantiles[:, self._online].copy(), f"{self._output}_quantiles": quantiles}
        return RawForecast(np.empty((len(view), 0)), values=values)

    def one_row(self) -> QuantileRow:
        """Itself, with memory for one row."""
        return QuantileRow(self._output, self._boosters, self._online, self._dead_band)

    @property
    def boosters(self) -> tuple[FlatTrees, ...]:
        """Of each level, in their order."""
        return tuple(self._boosters)

    @property
    def columns(self) -> tuple[str, ...]:
        """The output that is used online, and the quantile of each level."""
        return self._output, *(level_column(self._output, level) for level in self._levels)

    def table(self, raw: RawForecast, p: Float64Array) -> dict[str, Float64Array]:
        """The output and its quantiles, which do not fall from one level to the next."""
        assert raw.values is not None
        quantiles = raw.values[f"{self._output}_quantiles"]
        return dict(zip(self.columns, (raw.values[self._output], *np.ascontiguousarray(quantiles.T)), strict=True))
