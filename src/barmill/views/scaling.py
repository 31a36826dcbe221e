"""Scaling at the model's door: robust for models, plain for those who ask for mean and deviation."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, SchemaError, ShapeError
from barmill.views._positions import Float32Array, Positions, checked_positions

Float64Array = npt.NDArray[np.float64]

IQR_TO_SIGMA = 1.3489795003921634  # 2 * norm.ppf(0.75): the interquartile range of a standard normal
DEFAULT_CLIP = 8.0
_CHUNK_VALUES = 1 << 18  # 2 MiB of float64 at a time: the scratch of a transform stays in the cache, whatever the table's length
_OUTSIDE = "A row is the position of a bar in the table."


@dataclass(frozen=True, slots=True)
class FittedRows:
    """Which rows something was fitted on: their number, the first and last position, and a digest of all positions."""

    n_rows: int
    first: int
    last: int
    sha256: str

    @classmethod
    def of(cls, rows: Positions) -> "FittedRows":
        digest = hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
        return cls(int(rows.size), int(rows.min()), int(rows.max()), digest)

    def to_json(self) -> dict[str, Any]:
        return {"n_rows": self.n_rows, "first": self.first, "last": self.last, "sha256": self.sha256}


@dataclass(frozen=True, slots=True, eq=False)
class RobustScaler:
    """Centre by the median, divide by the interquartile range in sigmas, clip: outliers move neither, and none stays wild.

    Prefer `scaler_fit` only where a plain standard score is called for by name.

    Parameters
    ----------
    names : tuple of str, the features in column order
    center, scale : float64 arrays of shape (n_features,), medians and scales of the fitting rows; scale > 0
    clip : float, scaled values are held within -clip .. clip
    fitted_on : FittedRows or None, the rows it was fitted on
    """

    names: tuple[str, ...]
    center: Float64Array
    scale: Float64Array
    clip: float = DEFAULT_CLIP
    fitted_on: FittedRows | None = None

    def __post_init__(self) -> None:
        n_features = len(self.names)
        for field, array in (("center", self.center), ("scale", self.scale)):
            if array.shape != (n_features,) or array.dtype != np.float64:
                raise ShapeError(
                    f"RobustScaler.{field}",
                    f"an array of shape {array.shape} and type {array.dtype}",
                    expected=f"float64 of shape ({n_features},), one for each name",
                )
        bad = ~(np.isfinite(self.center) & np.isfinite(self.scale) & (self.scale > 0))
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(
                f"RobustScaler column {at} '{self.names[at]}'",
                f"center {self.center[at]} and scale {self.scale[at]}",
                expected="finite numbers and a positive scale",
                mend="Look at the feature's values on the fitting rows.",
            )
        if not (math.isfinite(self.clip) and self.clip > 0):
            raise ShapeError("RobustScaler.clip", f"{self.clip}", expected="a positive number")

    @classmethod
    def fit(
        cls, values: npt.NDArray[np.float64], rows: npt.ArrayLike, names: Sequence[str] = (), clip: float = DEFAULT_CLIP
    ) -> "RobustScaler":
        """Learn medians and scales of the table's columns from `rows` alone.

        The scale is IQR / 1.349; where the quartiles coincide the population standard deviation, and 1 for a constant column,
        or one that varies by the smallest numbers there are.

        Parameters
        ----------
        values : float64 array of shape (n_bars, n_features)
        rows : int array of shape (n,), positions to fit on, n > 0; all their values finite
        names : str for each column; "column 0", "column 1", .. if left out
        clip : float, in sigmas

        Raises: ShapeError if shapes differ; DataError naming the first row and column that is not finite.
        """
        _checked_table("RobustScaler.fit", values)
        positions = checked_positions("RobustScaler.fit.rows", rows, 0, len(values), _OUTSIDE)
        if positions.size == 0:
            raise ShapeError("RobustScaler.fit.rows", "no rows", expected="at least one row to fit on")
        labels = tuple(names) or tuple(f"column {number}" for number in range(values.shape[1]))
        if len(labels) != values.shape[1]:
            raise ShapeError("RobustScaler.fit.names", f"{len(labels)} names", expected=f"{values.shape[1]}, one for each column")
        require_finite("RobustScaler.fit", labels, values, positions)
        statistics = [_center_and_scale(values[positions, column]) for column in range(values.shape[1])]
        center = np.array([center for center, _ in statistics], dtype=np.float64)
        scale = np.array([scale for _, scale in statistics], dtype=np.float64)
        return cls(labels, center, scale, float(clip), FittedRows.of(positions))

    def transform(self, values: npt.NDArray[np.float64], rows: npt.ArrayLike | None = None) -> Float32Array:
        """Scale in float64, clip, and only then round to float32.

        Parameters
        ----------
        values : float64 array of shape (n_bars, n_features)
        rows : int array of shape (n,), the rows wanted, all finite; None gives the whole table, in which whatever is not
            finite (rows before the features are ready) is NaN: an infinity is never clipped into a number

        Returns
        -------
        float32 array of shape (n or n_bars, n_features), C-contiguous. The scratch does not grow with the table.

        Raises: ShapeError if the columns differ; DataError naming row and column of the first of `rows` that is not finite.
        """
        _checked_table("RobustScaler.transform", values)
        if values.shape[1] != len(self.names):
            raise ShapeError(
                "RobustScaler.transform",
                f"{values.shape[1]} columns",
                expected=f"{len(self.names)}, as fitted: {', '.join(self.names[:3])}..",
            )
        if rows is None:
            positions = None
        else:
            positions = checked_positions("RobustScaler.transform.rows", rows, 0, len(values), _OUTSIDE)
            require_finite("RobustScaler.transform", self.names, values, positions)
        n_rows = len(values) if positions is None else len(positions)
        out = np.empty((n_rows, len(self.names)), dtype=np.float32)
        columns = np.arange(len(self.names))
        for start, stop in _chunks(n_rows, len(self.names)):
            part = np.arange(start, stop) if positions is None else positions[start:stop]
            self.scale_into(values, part, columns, out[start:stop])
        return out

    def scale_into(self, values: Float64Array, rows: Positions, columns: Positions, out: Float32Array) -> None:
        """What `transform` does, into memory that is there, of numbers that were checked: no array is made.

        rows, columns : int64, C-contiguous; `columns` of `values` (n_bars, any number) stand in the order of `names`
        out : float32 array of shape (n_rows, n_features), C-contiguous
        """
        from barmill.views import _scaling

        _scaling.scale_rows.compiled(values, rows, columns, self.center, self.scale, self.clip, out)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; floats are written so that they are read back to the bit."""
        return {
            "kind": "robust",
            "names": list(self.names),
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "clip": self.clip,
            "fitted_on": None if self.fitted_on is None else self.fitted_on.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RobustScaler":
        """The scaler that `to_json` wrote. Raises SchemaError naming what is missing or of the wrong kind."""
        if data.get("kind") != "robust":
            raise SchemaError("scaler.kind", f"{data.get('kind')!r}", expected="'robust'")
        for key in ("names", "center", "scale", "clip"):
            if key not in data:
                raise SchemaError(f"scaler.{key}", "missing")
        fitted_on = data.get("fitted_on")
        try:
            return cls(
                tuple(str(name) for name in data["names"]),
                np.array(data["center"], dtype=np.float64),
                np.array(data["scale"], dtype=np.float64),
                float(data["clip"]),
                None if fitted_on is None else FittedRows(**fitted_on),
            )
        except (TypeError, ValueError) as error:
            raise SchemaError("scaler", str(error), expected="names, and a finite number for each") from error


class ScaledColumns(NamedTuple):
    """What `scaler_fit` gives: mean and scale of the training rows, and every row transformed."""

    mean: Float64Array
    scale: Float64Array
    transformed: Float64Array


def scaler_fit(X: npt.ArrayLike, train: npt.ArrayLike) -> ScaledColumns:
    """Standard scores of every row, from the mean and deviation of the training rows alone.

    Parameters
    ----------
    X : float64 array of shape (n_rows, n_features)
    train : int array of shape (n,), the training rows

    Returns
    -------
    mean, scale of shape (n_features,), transformed of shape (n_rows, n_features). The scale is the population standard
    deviation (ddof = 0); a constant training column gets scale 1.

    Raises: ShapeError if shapes differ or there is no training row.
    """
    values = np.asarray(X, dtype=np.float64)
    _checked_table("scaler_fit", values)
    rows = checked_positions("scaler_fit.train", train, 0, len(values), _OUTSIDE)
    if rows.size == 0:
        raise ShapeError("scaler_fit.train", "no rows", expected="at least one training row")
    chosen = values[rows]
    constant = chosen.max(axis=0) == chosen.min(axis=0)
    # The mean of equal numbers may differ from them in the last digit; a constant column is centred on itself.
    mean = np.where(constant, chosen[0], chosen.mean(axis=0))
    scale = np.where(constant, 1.0, [_deviation(chosen[:, column]) or 1.0 for column in range(values.shape[1])])
    with np.errstate(over="ignore"):  # a row may lie further from tiny training values than float64 can tell: infinity
        return ScaledColumns(mean, scale, (values - mean) / scale)


def require_finite(place: str, names: Sequence[str], values: npt.NDArray[np.float64], rows: Positions) -> None:
    """Raise DataError naming row and column of the first of `rows` that holds a NaN or an infinity."""
    for start, stop in _chunks(len(rows), values.shape[1]):
        finite = np.isfinite(values[rows[start:stop]])
        if not finite.all():
            at, column = (int(number) for number in np.argwhere(~finite)[0])
            row = int(rows[start + at])
            raise DataError(
                f"{place} row {row} column {column} '{names[column]}'",
                f"{values[row, column]}",
                expected="a finite number",
                mend="Leave out the rows in which not every feature is ready.",
            )


def _checked_table(place: str, values: npt.NDArray[Any]) -> None:
    if values.ndim != 2 or values.dtype != np.float64:
        raise ShapeError(
            place, f"an array of shape {values.shape} and type {values.dtype}", expected="float64 of shape (n_bars, n_features)"
        )


def _chunks(n_rows: int, n_features: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CHUNK_VALUES // max(1, n_features))
    return ((start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def _center_and_scale(column: Float64Array) -> tuple[float, float]:
    low, high = float(column.min()), float(column.max())
    if low == high:
        return low, 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused by name when the scaler is built
        lower, median, upper = (float(value) for value in np.quantile(column, (0.25, 0.5, 0.75), method="linear"))
        if upper > lower:
            return median, (upper - lower) / IQR_TO_SIGMA
        return median, _deviation(column) or 1.0


def _deviation(column: Float64Array) -> float:
    """Population standard deviation; of a column that varies 0 only where no number is small enough to say it."""
    deviation = float(column.std(ddof=0))
    if deviation > 0:
        return deviation
    reach = float(np.abs(column - column.mean()).max())
    return reach * float((column / reach).std(ddof=0)) if reach > 0 else 0.0
