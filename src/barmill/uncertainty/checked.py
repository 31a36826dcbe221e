"""Arrays as they enter: one place that turns what a caller gave into float64 or class indices, or refuses it."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_A_ROW = 16  # numbers at most; of more, NumPy looks at all before Python has


def all_finite(values: Float64Array) -> bool:
    """Whether every number is finite. The numbers of one row are asked one by one, which takes half as long as to ask them together."""
    if values.size <= _A_ROW:
        return all(map(math.isfinite, values.ravel().tolist()))
    return bool(np.isfinite(values).all())


def vector(values: npt.ArrayLike, name: str, length: int | None = None, *, nan_allowed: bool = False) -> Float64Array:
    """`values` as a float64 array of shape (n,); ShapeError if it has another shape or is not finite (NaN may be let through)."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ShapeError(name, f"has shape {array.shape}", expected="one dimension")
    if length is not None and array.size != length:
        raise ShapeError(name, f"has {array.size} rows", expected=f"{length}")
    bad = np.isinf(array) if nan_allowed else ~np.isfinite(array)
    if bad.any():
        row = int(np.argmax(bad))
        raise ShapeError(f"{name} row {row}", f"is {array[row]}", expected="a finite number")
    return array


def probabilities(p: npt.ArrayLike, name: str = "p", length: int | None = None) -> Float64Array:
    """`p` as float64 of shape (n,), each in [0, 1]."""
    array = vector(p, name, length)
    outside = (array < 0) | (array > 1)
    if outside.any():
        row = int(np.argmax(outside))
        raise ShapeError(f"{name} row {row}", f"is {array[row]}", expected="a probability in [0, 1]")
    return array


def class_probabilities(p: npt.ArrayLike, name: str = "P") -> Float64Array:
    """`p` as float64 of shape (n, n_classes): rows that sum to 1, each in [0, 1]; rounding up to 1e-6 is clipped away."""
    array = np.asarray(p, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] < 2:
        raise ShapeError(name, f"has shape {array.shape}", expected="(n, n_classes)")
    wrong = ~(np.isfinite(array) & (array >= -1e-6) & (array <= 1 + 1e-6)).all(axis=1) | ~(np.abs(array.sum(axis=1) - 1) <= 1e-6)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ShapeError(f"{name} row {row}", f"is {array[row].tolist()}", expected="probabilities that sum to 1")
    return np.clip(array, 0.0, 1.0)


def class_indices(y: npt.ArrayLike, n_classes: int, name: str = "y", length: int | None = None) -> IntArray:
    """`y` as int64 of shape (n,), each in 0 .. n_classes - 1; booleans and whole floats are taken."""
    array = vector(np.asarray(y), name, length)
    indices = array.astype(np.int64)
    wrong = (indices != array) | (indices < 0) | (indices >= n_classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ShapeError(f"{name} row {row}", f"is {array[row]:g}", expected=f"a class from 0 to {n_classes - 1}")
    return indices


def at_least_one_row(n_rows: int, name: str) -> None:
    """Refuse an empty sample."""
    if n_rows == 0:
        raise ShapeError(name, "has no rows", expected="at least one")


def logit_array(logits: npt.ArrayLike, n_classes: int | None = None, name: str = "logits") -> Float64Array:
    """`logits` as float64: shape (n,) for two classes (log-odds of class 1), (n, K) for K; all finite."""
    array = np.asarray(logits, dtype=np.float64)
    right_shape = array.ndim == 1 if n_classes == 2 else array.ndim == 2 and array.shape[1] == n_classes
    if n_classes is None:
        right_shape = array.ndim == 1 or (array.ndim == 2 and array.shape[1] >= 2)
    if not right_shape:
        expected = {None: "(n,) or (n, n_classes)", 2: "(n,)"}.get(n_classes, f"(n, {n_classes})")
        raise ShapeError(name, f"has shape {array.shape}", expected=expected)
    if not np.isfinite(array).all():
        rows: Any = np.argwhere(~np.isfinite(array))
        raise ShapeError(f"{name} row {int(rows[0][0])}", "is not finite", expected="finite log-odds")
    return array


__all__ = ["all_finite", "at_least_one_row", "class_indices", "class_probabilities", "logit_array", "probabilities", "vector"]
