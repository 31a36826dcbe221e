"""Which columns of a forecast say which chart pattern there is, and which are the embedding."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.neighbours import Neighbours
from barmill.errors import SchemaError
from barmill.models.contract import ImageForecaster

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_PROBABILITY, _EMBEDDING = "p_", "embedding_"


class PatternColumns(NamedTuple):
    """Names of patterns, in the order of the model's classes, and of the columns of the embedding."""

    patterns: tuple[str, ...]
    embedding: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[str]) -> "PatternColumns":
        """Those among the names of a forecast's columns."""
        patterns = tuple(name.removeprefix(_PROBABILITY) for name in columns if name.startswith(_PROBABILITY))
        return cls(patterns, tuple(name for name in columns if name.startswith(_EMBEDDING)))

    def p(self, columns: Mapping[str, Float64Array]) -> Float64Array:
        """Calibrated probabilities, float64 (n, n_patterns), in the forecast `columns`."""
        return np.column_stack([columns[f"{_PROBABILITY}{name}"] for name in self.patterns])

    def embed(self, columns: Mapping[str, Float64Array]) -> Float64Array:
        """Embeddings, float64 (n, width), in the forecast `columns`."""
        return np.column_stack([columns[name] for name in self.embedding])

    def neighbours(
        self, columns: Mapping[str, Float64Array], realised_R: Float64Array, open_time: Int64Array, known_at: Int64Array
    ) -> Neighbours:
        """What a model of patterns said of decisions in the past, with what became of them; see `Neighbours`."""
        return Neighbours(
            embed=np.ascontiguousarray(self.embed(columns), dtype=np.float32),
            pattern=np.argmax(self.p(columns), axis=1).astype(np.int8),
            quality=columns["quality"],
            realised_R=realised_R,
            open_time=open_time,
            known_at=known_at,
        )


def pattern_columns(pipeline: Pipeline) -> PatternColumns | None:
    """Those of a model of patterns; None for any other."""
    if not isinstance(pipeline, ForecastPipeline) or not isinstance(pipeline.forecaster, ImageForecaster):
        return None
    return PatternColumns.of(pipeline.columns)


def check_neighbours(neighbours: Neighbours | None, pipeline: Pipeline, place: str) -> None:
    """Raise SchemaError for neighbours that are not of the pipeline's model."""
    if neighbours is None:
        return
    said = pattern_columns(pipeline)
    if said is None:
        raise SchemaError(place, "has neighbours", expected="none, for a model that gives no embedding")
    if neighbours.width != len(said.embedding) or neighbours.pattern.max() >= len(said.patterns):
        found = f"neighbours of {neighbours.width} numbers and {neighbours.pattern.max() + 1} patterns or more"
        raise SchemaError(place, found, expected=f"{len(said.embedding)} numbers and {len(said.patterns)} patterns, as the model's")


__all__ = ["PatternColumns", "check_neighbours", "pattern_columns"]
