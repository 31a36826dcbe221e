"""The door of the public indicator functions: columns and windows are checked once, here."""

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError, ShapeError
from barmill.features.kernels.kernel import Float64Array


def columns(function: str, **given: npt.ArrayLike) -> dict[str, Float64Array]:
    """The columns as float64 arrays of shape (n_bars,). Raises ShapeError unless all have one axis and one length."""
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in given.items()}
    first = next(iter(arrays))
    for name, array in arrays.items():
        if array.ndim != 1:
            raise ShapeError(f"{function}: {name}", f"has shape {array.shape}", expected="one axis, a value per bar")
        if len(array) != len(arrays[first]):
            raise ShapeError(f"{function}: {name}", f"has {len(array)} bars", expected=f"{len(arrays[first])} as in {first}")
    return arrays


def whole(function: str, **given: object) -> None:
    """Raise InputError unless each number is whole and above 0."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{function}: {name}", f"is {value!r}", expected="a whole number of bars, 1 or more")


def not_above(function: str, given: dict[str, Float64Array], lower: str, upper: str) -> None:
    """Raise InputError naming the first row whose `lower` column is above its `upper` one."""
    wrong = np.flatnonzero(given[lower] > given[upper])
    if wrong.size:
        row = int(wrong[0])
        found = f"{lower} {given[lower][row]} is above {upper} {given[upper][row]}"
        raise InputError(f"{function}: row {row}", found, mend="Correct the bars.")


def above_zero(function: str, given: dict[str, Float64Array], name: str) -> None:
    """Raise InputError naming the first row whose `name` column is not above 0 (a logarithm will be taken)."""
    wrong = np.flatnonzero(given[name] <= 0.0)
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"{function}: row {row}", f"{name} is {given[name][row]}", expected="a price above 0")


def not_negative(function: str, given: dict[str, Float64Array], name: str) -> None:
    """Raise InputError naming the first row whose `name` column is below 0 or NaN."""
    wrong = np.flatnonzero(~(given[name] >= 0.0))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"{function}: row {row}", f"{name} is {given[name][row]}", expected="0 or more")


__all__ = ["above_zero", "columns", "not_above", "not_negative", "whole"]
