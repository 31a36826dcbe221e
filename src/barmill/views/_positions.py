"""The checks that every view makes of its base array and its positions, once, where data enters."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError

Float32Array = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]


def checked_base(place: str, base: npt.NDArray[Any]) -> Float32Array:
    """`base` itself if it is a float32 array of shape (n_bars, n_features); ShapeError otherwise."""
    if base.ndim != 2 or base.dtype != np.float32:
        raise ShapeError(
            f"{place}.base",
            f"an array of shape {base.shape} and type {base.dtype}",
            expected="float32 of shape (n_bars, n_features)",
            mend="Scale the features first: `RobustScaler.transform` gives this array.",
        )
    return base


def checked_positions(place: str, positions: npt.ArrayLike, first: int, n_bars: int, why: str) -> Positions:
    """`positions` as int64 of shape (n,), each at least `first` and below `n_bars`; ShapeError, saying `why`, otherwise."""
    array = np.asarray(positions)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ShapeError(place, f"an array of shape {array.shape} and type {array.dtype}", expected="integers of shape (n,)")
    array = array.astype(np.int64, copy=False)
    outside = (array < first) | (array >= n_bars)
    if outside.any():
        at = int(np.argmax(outside))
        raise ShapeError(f"{place}[{at}]", f"{int(array[at])}", expected=f"a position from {first} to {n_bars - 1}", mend=why)
    return array
