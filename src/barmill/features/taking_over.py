"""The door for a saved state: its arrays go into those of a stream, or it is refused and the stream stays as it was."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import SchemaError


def take_over(place: str, arrays: Mapping[str, npt.NDArray[Any]], state: Mapping[str, npt.NDArray[np.generic]], of: str) -> None:
    """Fill `arrays` from those of the same names in `state`, which has these and no others.

    place : what an error calls the state; of : what its arrays belong to, such as "feature of this plan"

    Raises: SchemaError for an array that is missing, or one too many, or of another type or shape; nothing is then filled.
    """
    for name in sorted(arrays.keys() ^ state.keys()):
        found = "is missing" if name in arrays else f"belongs to no {of}"
        raise SchemaError(f"{place} '{name}'", found, mend=_MEND)
    for name, array in arrays.items():
        if state[name].shape != array.shape or state[name].dtype != array.dtype:
            found = f"{state[name].dtype} of shape {state[name].shape}"
            raise SchemaError(f"{place} '{name}'", found, expected=f"{array.dtype} of shape {array.shape}")
    for name, array in arrays.items():
        array[...] = state[name]


_MEND = "Restore the state of the same plan."

__all__ = ["take_over"]
