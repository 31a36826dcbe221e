"""Read universal binary JSON as XGBoost writes it: the form of https://ubjson.org (draft 12), whose numbers are big-endian."""

import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

_DEEPEST: Final = 32  # XGBoost's own files nest 6 deep
_NUMBERS: Final = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_CONSTANTS: Final = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(content: bytes) -> Any:
    """What `content` says: dict, list, str, int, float, bool, None, and arrays of one kind of number as NumPy arrays.

    Raises: ValueError for anything that is cut short, too deep, or of a kind that does not exist.
    """
    reader = _Reader(content)
    found = reader.value(0)
    if reader.at != len(content):
        raise ValueError(f"{len(content) - reader.at} bytes follow the end")
    return found


class _Reader:
    """A place in the bytes, which moves on as values are read."""

    def __init__(self, content: bytes) -> None:
        self._content, self.at = content, 0

    def value(self, depth: int) -> Any:
        """The value that begins here."""
        kind = self._take(1)
        if depth > _DEEPEST:
            raise ValueError(f"values within values, more than {_DEEPEST} deep")
        if kind in _NUMBERS:
            return self._number(kind)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == b"S":
            return self._text()
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._array(depth)
        raise ValueError(f"byte {self.at - 1} begins no value")

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def pair() -> None:
            name = self._text()
            if name in found:
                raise ValueError(f"'{name}' stands twice")
            found[name] = self.value(depth + 1)

        self._each(b"}", pair)
        return found

    def _array(self, depth: int) -> Any:
        if self._next() == b"$":
            self._take(1)
            kind = self._take(1)
            if kind not in _NUMBERS or self._take(1) != b"#":
                raise ValueError(f"byte {self.at} begins no array of numbers")
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self._take(self._count() * dtype.itemsize), dtype=dtype).astype(dtype.newbyteorder("="))
        found: list[Any] = []
        self._each(b"]", lambda: found.append(self.value(depth + 1)))
        return found

    def _each(self, end: bytes, read: Callable[[], None]) -> None:
        """Read one after another: as many as are told, else up to the end."""
        if self._next() == b"#":
            self._take(1)
            for _ in range(self._count()):
                read()
            return
        while self._next() != end:
            read()
        self._take(1)

    def _count(self) -> int:
        """A number of things that follow, each of at least a byte."""
        count = self._number(self._take(1))
        if not isinstance(count, int) or not 0 <= count <= len(self._content) - self.at:
            raise ValueError(f"{count} things are told at byte {self.at}, of which {len(self._content) - self.at} are left")
        return count

    def _text(self) -> str:
        return self._take(self._count()).decode()

    def _number(self, kind: bytes) -> int | float:
        if kind not in _NUMBERS:
            raise ValueError(f"byte {self.at - 1} begins no number")
        code = _CODES[kind]
        return struct.unpack(code, self._take(struct.calcsize(code)))[0]

    def _next(self) -> bytes:
        return self._content[self.at : self.at + 1]

    def _take(self, n_bytes: int) -> bytes:
        if self.at + n_bytes > len(self._content):
            raise ValueError(f"it ends at byte {len(self._content)}, before what was begun")
        self.at += n_bytes
        return self._content[self.at - n_bytes : self.at]


_CODES: Final = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}

__all__ = ["read_ubjson"]
