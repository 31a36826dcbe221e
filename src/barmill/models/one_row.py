"""One row at a time into memory that is there: what a forecaster says of the row, to the bit, for callers that count microseconds."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from barmill.models.contract import Forecaster, RawForecast
from barmill.views import FeatureMatrix, WindowTensor

Float32Array = npt.NDArray[np.float32]


class OneRow(Protocol):
    """A forecaster with memory for one row. Not to be shared between threads."""

    @property
    def inputs(self) -> Float32Array:
        """Where the row is put, float32 (n_features,), or (window, n_features) with the newest bar last: scaled, and finite."""
        ...

    @property
    def allocates(self) -> str:
        """What makes arrays anew in each forecast, in words; empty where nothing does."""
        ...

    def raw(self) -> RawForecast:
        """What `Forecaster.raw` says of the row in `inputs`, bit for bit; the next call may overwrite it."""
        ...


@runtime_checkable
class AnsweringRow(OneRow, Protocol):
    """One of a forecaster of another question than direction."""

    def answer(self, p: Sequence[float], out: npt.NDArray[np.float64]) -> None:
        """Write the row of `AnsweringForecaster.table`, float64 (n_columns,), of what `raw` said last; p : its calibrated probabilities."""
        ...


@runtime_checkable
class RowForecaster(Forecaster, Protocol):
    """A forecaster that can forecast one row without making arrays for it."""

    def one_row(self) -> OneRow:
        """Itself, with memory for one row."""
        ...


class ViewOfOne:
    """Any forecaster of features, asked through a view of one sample."""

    def __init__(self, forecaster: Forecaster, n_features: int, window: int | None) -> None:
        self._forecaster = forecaster
        base = np.zeros((window or 1, n_features), dtype=np.float32)
        self.inputs = base if window else base[0]
        newest = np.array([len(base) - 1], dtype=np.int64)
        self._view = FeatureMatrix(base, newest) if window is None else WindowTensor(base, newest, window)
        self.allocates = f"the model ({type(forecaster).__name__}) makes arrays of its own"

    def raw(self) -> RawForecast:
        return self._forecaster.raw(self._view)


def one_row(forecaster: Forecaster, n_features: int, window: int | None) -> OneRow:
    """`forecaster` with memory for one row, or one window, of scaled features."""
    return forecaster.one_row() if isinstance(forecaster, RowForecaster) else ViewOfOne(forecaster, n_features, window)


def empty_forecast(n_scores: int, *, expected: bool = False, quantiles: bool = False) -> RawForecast:
    """Memory for what a forecaster says of one row; `n_scores` is 1 for two classes."""
    logits: npt.NDArray[Any] = np.empty(1) if n_scores == 1 else np.empty((1, n_scores))
    return RawForecast(logits, np.empty(1) if expected else None, np.empty((1, 3)) if quantiles else None)


__all__ = ["AnsweringRow", "OneRow", "RowForecaster", "ViewOfOne", "empty_forecast", "one_row"]
