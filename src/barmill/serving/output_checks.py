"""What no answer may be, whoever made it: asked of every forecast after the model's own guard, which a foreign one may not have."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from barmill.bundles.guard import guard
from barmill.errors import ForecastError
from barmill.serving.answers import Float64Array

_FLOAT64 = np.dtype(np.float64)
_FIRST = np.zeros(1, dtype=np.int64)  # the one row of most requests


def checked_columns(columns: Any, outputs: Sequence[str], n_rows: int | None, max_expected: float, place: str) -> dict[str, Float64Array]:
    """The `outputs` of `columns`, float64 (n,) each, in this order.

    n_rows : as many as went in; None where the forecast tells itself how many bars were ready
    max_expected : largest |E_r|

    Raises ForecastError, whose `reason` is "model_error", "wrong_rows", "not_finite" or "out_of_bounds".
    """
    found: dict[str, Float64Array] = {}
    if not isinstance(columns, Mapping):
        raise ForecastError(place, f"gave {type(columns).__name__}", expected="a column for each output", reason="model_error")
    wanted = None if n_rows is None else (n_rows,)
    for name in outputs:
        column: Any = columns.get(name)
        if not isinstance(column, np.ndarray) or column.dtype != _FLOAT64:
            what = f"of type {column.dtype}" if isinstance(column, np.ndarray) else type(column).__name__
            raise ForecastError(place, f"{name} is {what}", expected="float64", reason="model_error")
        if wanted is None:
            wanted = (len(column),)
        if column.shape != wanted:
            raise ForecastError(place, f"{name} has the shape {list(column.shape)}", expected=f"[{wanted[0]}]", reason="wrong_rows")
        found[name] = column
    rows = rows_of(found)
    if not rows:
        return found
    guard(found, _FIRST if rows == 1 else np.arange(rows), place=place)
    expected = found.get("E_r")
    if expected is not None and (largest := abs(expected.item()) if rows == 1 else float(np.abs(expected).max())) > max_expected:
        told = f"at most {max_expected:g} either way"
        raise ForecastError(place, f"E_r reaches {largest:.6g}", expected=told, reason="out_of_bounds")
    return found


def rows_of(columns: Mapping[str, Float64Array]) -> int:
    """How many rows there are."""
    return len(next(iter(columns.values()), ()))


__all__ = ["checked_columns", "rows_of"]
