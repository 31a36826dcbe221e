"""Tensors of the Open Inference Protocol, between its JSON, its bytes and NumPy: all is checked before anything is allocated."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import nearest
from barmill.serving.refusals import Refusal

BYTES = "BYTES"
MAX_DIMENSIONS = 8
MAX_SIZE = 2**31 - 1
DATATYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype("?"),
        **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
        **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
        **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
        BYTES: np.dtype("O"),  # of `bytes`
    }
)
_WRITTEN = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "O": (str, bytes)}  # what JSON may hold for each kind of dtype
_LENGTH = 4  # bytes that say how long an element of BYTES is, little endian, as Triton writes them


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One named array. `data` has the shape `shape` and the dtype of `datatype`; it may be read-only."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: npt.NDArray[Any]

    @classmethod
    def of_array(cls, name: str, data: npt.NDArray[Any]) -> "Tensor":
        """An array that is given out."""
        return cls(name, _NAMES[data.dtype], data.shape, data)

    @classmethod
    def of_values(cls, place: str, name: str, datatype: str, shape: Sequence[int], values: Sequence[Any]) -> "Tensor":
        """A tensor from JSON.

        place : the field, such as "inputs[0]"
        values : flat in row-major order, or nested as `shape` says

        Raises: Refusal naming the field, for a data type, shape or value that is not one, or a shape that the values do not have.
        """
        dtype, n = dtype_of(place, datatype), n_elements(place, shape)
        flat = _flat(place, values, tuple(shape), n)
        _check_types(place, datatype, flat, _WRITTEN[dtype.kind])
        if dtype.kind == "O":
            flat = [value.encode() if isinstance(value, str) else value for value in flat]
        return cls(name, datatype, tuple(shape), _converted(place, datatype, flat, dtype).reshape(shape))

    @classmethod
    def of_raw(cls, place: str, name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> "Tensor":
        """A tensor from its bytes, little endian, row-major, without copying where they are aligned. Raises Refusal as `of_values`."""
        dtype, n = dtype_of(place, datatype), n_elements(place, shape)
        if datatype == BYTES:
            return cls(name, datatype, tuple(shape), _split(place, raw, n).reshape(shape))
        if len(raw) != n * dtype.itemsize:
            expected = f"{n * dtype.itemsize}: {n} of {datatype}"
            raise Refusal("invalid", "wrong_length", place, f"{len(raw)} bytes for the shape {list(shape)}", expected=expected)
        if datatype == "BOOL" and np.any(np.frombuffer(raw, np.uint8) > 1):
            raise Refusal("invalid", "wrong_value", place, "a byte of BOOL is neither 0 nor 1")
        return cls(name, datatype, tuple(shape), np.require(np.frombuffer(raw, dtype), requirements="A").reshape(shape))

    def to_raw(self) -> bytes:
        """The bytes that `of_raw` reads."""
        if self.datatype == BYTES:
            return b"".join(len(item).to_bytes(_LENGTH, "little") + item for item in self.data.ravel())
        return self.data.astype(DATATYPES[self.datatype], copy=False).tobytes()


_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def dtype_of(place: str, datatype: str) -> np.dtype[Any]:
    """The NumPy dtype of a data type of the protocol. Raises Refusal for one that is unknown."""
    if datatype not in DATATYPES:
        raise Refusal("invalid", "unknown_datatype", f"{place}.datatype", f"is '{datatype[:40]}'", mend=nearest(datatype[:40], DATATYPES))
    return DATATYPES[datatype]


def n_elements(place: str, shape: Sequence[int]) -> int:
    """How many elements a tensor of `shape` has. Raises Refusal for sizes that are not from 1 up, or too many of them."""
    if len(shape) > MAX_DIMENSIONS:
        raise Refusal("invalid", "wrong_shape", f"{place}.shape", f"{len(shape)} dimensions", expected=f"at most {MAX_DIMENSIONS}")
    for size in shape:
        if type(size) is not int or not 1 <= size <= MAX_SIZE:
            found = f"has the size {size}" if type(size) is int and abs(size) <= MAX_SIZE else "has a size that is none"
            raise Refusal("invalid", "wrong_shape", f"{place}.shape", found, expected=f"whole numbers from 1 to {MAX_SIZE}")
    return math.prod(shape)


def _flat(place: str, values: Sequence[Any], shape: tuple[int, ...], n: int) -> Sequence[Any]:
    """The elements in row-major order, which are `n`."""
    level: Sequence[Any] = values
    if values and isinstance(values[0], list):
        for depth, size in enumerate(shape):
            below = shape[depth + 1 :]
            if depth == 0 and len(level) != size:
                break
            if below:
                if any(not isinstance(item, list) or len(item) != below[0] for item in level):
                    raise _not_shape(place, "is ragged, or nested otherwise", shape)
                level = list(chain.from_iterable(level))
    if len(level) != n:
        raise _not_shape(place, f"has {len(level)} values", shape)
    return level


def _not_shape(place: str, found: str, shape: tuple[int, ...]) -> Refusal:
    return Refusal("invalid", "shape_mismatch", f"{place}.data", found, expected=f"as the shape {list(shape)} says, flat or nested")


def _check_types(place: str, datatype: str, flat: Sequence[Any], allowed: tuple[type, ...]) -> None:
    if set(map(type, flat)) <= set(allowed):
        return
    at = next(number for number, value in enumerate(flat) if type(value) not in allowed)
    found = "null" if flat[at] is None else f"a {type(flat[at]).__name__}"
    raise Refusal("invalid", "wrong_value", f"{place}.data", f"value {at} is {found}", expected=f"a value of {datatype}")


def _converted(place: str, datatype: str, flat: Sequence[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        with np.errstate(over="ignore"):  # what overflows is told below
            values = np.array(flat, dtype=dtype)
    except OverflowError:
        raise Refusal("invalid", "out_of_range", f"{place}.data", f"a number is too large for {datatype}") from None
    if dtype.kind == "f" and not np.isfinite(values).all():
        at = int(np.argmin(np.isfinite(values)))
        raise Refusal("invalid", "out_of_range", f"{place}.data", f"value {at} is not finite as {datatype}", expected="a finite number")
    return values


def _split(place: str, raw: bytes | memoryview, n: int) -> npt.NDArray[np.object_]:
    """The `n` elements of BYTES, each with its length before it."""
    items: list[bytes] = []
    at = 0
    while at < len(raw) and len(items) <= n:
        stop = at + _LENGTH + int.from_bytes(raw[at : at + _LENGTH], "little")
        if at + _LENGTH > len(raw) or stop > len(raw):
            raise Refusal("invalid", "wrong_length", place, f"element {len(items)} of BYTES ends beyond the data")
        items.append(bytes(raw[at + _LENGTH : stop]))
        at = stop
    if len(items) != n or at != len(raw):
        raise Refusal("invalid", "wrong_length", place, "another number of elements of BYTES than the shape has", expected=f"{n}")
    found = np.empty(n, dtype=np.object_)
    found[:] = items
    return found


__all__ = ["BYTES", "DATATYPES", "MAX_DIMENSIONS", "Tensor", "dtype_of", "n_elements"]
