"""Arrays, pandas and Polars frames as what the checks take."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, ShapeError
from barmill.evaluation.audit.user_frames import as_table
from barmill.evaluation.leakage.dossier import Float64Array, Int64Array


def as_matrix(values: object, place: str, names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Float64Array]:
    """Names and float64 (n, F) of an array, a pandas or Polars frame, or a dict of columns; `names` over those of the frame.

    Raises: DataError for anything else; ShapeError for names that do not fit.
    """
    table = as_table(values, place)
    matrix = np.asarray(table.values, dtype=np.float64)
    chosen = table.names if names is None else tuple(str(name) for name in names)
    if len(chosen) != matrix.shape[1]:
        raise ShapeError(place, f"{len(chosen)} names", expected=f"{matrix.shape[1]}, one for each column")
    return chosen, matrix


def as_vector(values: object) -> Float64Array:
    """float64 (n,) of an array, a series or a list."""
    return np.asarray(_numpy(values), dtype=np.float64).reshape(-1)


def as_times(values: object, place: str) -> Int64Array:
    """int64 (n,), ms: of datetimes of any unit, of pandas and Polars series of them, or of integers, which are taken as they are.

    Raises: DataError for what is no time.
    """
    array: npt.NDArray[Any] = np.asarray(_numpy(values)).reshape(-1)
    if array.dtype.kind == "M":
        return array.astype("datetime64[ms]").astype(np.int64)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f" and np.isfinite(array).all():
        return array.astype(np.int64)
    try:  # datetimes with a time zone, and dates as text
        return np.array([np.datetime64(_without_zone(value), "ms").astype(np.int64) for value in array.tolist()], dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise DataError(place, f"holds what is no time: {error}", expected="datetimes, or integers that grow with time") from error


def _without_zone(value: Any) -> Any:
    """The same instant in UTC, without saying so: NumPy's datetimes have no zone."""
    if getattr(value, "tzinfo", None) is None:
        return value
    from datetime import UTC

    return value.astimezone(UTC).replace(tzinfo=None)


def _numpy(values: object) -> Any:
    series = cast("Any", values)
    if type(values).__module__.split(".")[0] == "pandas" and getattr(getattr(series, "dtype", None), "tz", None) is not None:
        naive = series.dt.tz_convert("UTC").dt.tz_localize(None) if hasattr(series, "dt") else series.tz_convert("UTC").tz_localize(None)
        return naive.to_numpy()
    return series.to_numpy() if hasattr(series, "to_numpy") else values


__all__ = ["as_matrix", "as_times", "as_vector"]
