"""What a plan computes: a table of float64, a row per base bar."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.errors import SchemaError, nearest

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FeatureTable:
    """Features of consecutive base bars.

    names : tuple of str, the columns in order
    values : float64 or float32 array of shape (n_bars, n_features), C-contiguous; row t is known at close_time[t]; NaN during warm-up
    open_time, close_time : int64 arrays of shape (n_bars,), UTC milliseconds
    schema_hash : str, of the plan that made it
    """

    names: tuple[str, ...]
    values: npt.NDArray[Any]
    open_time: Int64Array
    close_time: Int64Array
    schema_hash: str

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def ready(self) -> npt.NDArray[np.bool_]:
        """Bool of shape (n_bars,): the rows of which every value is finite."""
        return np.logical_and.reduce(np.isfinite(self.values), axis=1)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One feature, of shape (n_bars,). Raises SchemaError with the nearest name."""
        if name not in self.names:
            raise SchemaError("features", f"no column named '{name}'", mend=nearest(name, self.names))
        return self.values[:, self.names.index(name)]

    def to_frame(self) -> pl.DataFrame:
        """Polars frame: open_time, close_time (int64), then a column per feature."""
        columns = {name: np.ascontiguousarray(self.values[:, i]) for i, name in enumerate(self.names)}
        return pl.DataFrame({"open_time": self.open_time, "close_time": self.close_time, **columns})


__all__ = ["FeatureTable"]
