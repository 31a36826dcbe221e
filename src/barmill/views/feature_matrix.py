"""The feature matrix: one row of features for each sample."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.views._positions import Float32Array, Positions, checked_base, checked_positions


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Samples as rows of one base array; the rows are copied out only when `values` is asked for.

    Parameters
    ----------
    base : float32 array of shape (n_bars, n_features), scaled features of every bar
    rows : int64 array of shape (n,), the position of each sample's decision bar, in any order

    Timing: a sample holds the features known at the close of its bar.
    Raises: ShapeError if the shapes or types differ, or a row lies outside the base.
    """

    base: Float32Array
    rows: Positions

    def __post_init__(self) -> None:
        checked_base("FeatureMatrix", self.base)
        rows = checked_positions("FeatureMatrix.rows", self.rows, 0, len(self.base), "A row is the position of a bar in the base array.")
        object.__setattr__(self, "rows", rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_features(self) -> int:
        return int(self.base.shape[1])

    @property
    def values(self) -> Float32Array:
        """float32 array of shape (n, n_features), C-contiguous: a copy."""
        return np.ascontiguousarray(self.base[self.rows])

    def take(self, idx: npt.ArrayLike | slice) -> "FeatureMatrix":
        """The samples numbered `idx` (int positions among the samples, a mask or a slice), over the same base."""
        return FeatureMatrix(self.base, self.rows[idx if isinstance(idx, slice) else np.asarray(idx)])

    def columns(self, idx: npt.ArrayLike) -> "FeatureMatrix":
        """The same samples with the features numbered `idx` alone, in that order; copies those columns of the base."""
        return FeatureMatrix(selected_columns("FeatureMatrix.columns", self.base, idx), self.rows)


def selected_columns(place: str, base: Float32Array, idx: npt.ArrayLike) -> Float32Array:
    """A C-contiguous copy of the columns `idx` of `base`; ShapeError where a column does not exist."""
    columns = np.asarray(idx)
    if columns.ndim != 1 or columns.dtype.kind not in "iu" or columns.size == 0:
        raise ShapeError(place, f"an array of shape {columns.shape} and type {columns.dtype}", expected="one or more integers")
    if columns.min() < 0 or columns.max() >= base.shape[1]:
        raise ShapeError(place, f"columns {columns.tolist()}", expected=f"numbers from 0 to {base.shape[1] - 1}")
    return np.ascontiguousarray(base[:, columns])
