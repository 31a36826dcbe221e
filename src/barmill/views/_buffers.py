"""Room for a batch: the caller's buffer where there is one, so that a training loop need not ask for memory at every step."""

import numpy as np

from barmill.errors import ShapeError
from barmill.views._positions import Float32Array


def batch_like(place: str, out: Float32Array | None, shape: tuple[int, ...]) -> Float32Array:
    """The first shape[0] samples of `out`, or a new array where it is None. Raises ShapeError if it does not fit."""
    if out is None:
        return np.empty(shape, dtype=np.float32)
    fits = out.ndim == len(shape) and out.shape[1:] == shape[1:] and len(out) >= shape[0]
    if not fits or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ShapeError(
            place,
            f"an array of shape {out.shape} and type {out.dtype}",
            expected=f"float32, C-contiguous and writable, for {shape[0]} or more samples of shape {shape[1:]}",
        )
    return out[: shape[0]]
