"""The features that a stream saw last, and what was forecast of them, for others to read: in this process, or in Redis.

A vector lies under `vec:SYMBOL:TF`: a header of 48 bytes, then the features as little-endian float32 in the order of the plan. Forecasts
are appended to the Redis stream `forecast:MODEL:SYMBOL:TF`. A forecast never waits for the store, and never fails with it.
"""

import re
import struct
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InputError, SchemaError
from barmill.serving.answers import Answer

HEADER = struct.Struct("<4sHHq32s")  # magic, format, zero, open time in UTC ms, SHA-256 of the feature schema
MAGIC, FORMAT = b"BMLV", 1

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/=^-]{0,39}")  # as of an instrument: whatever has a name can be kept
_TIMEFRAME = re.compile(r"[1-9][0-9]{0,3}[smhdw]")
_MEND = "Read it with the bundle that wrote it, or wait for the next bar."


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """The features of one bar.

    schema_hash : SHA-256 in hex of the plan's ordered schema: another order is another hash
    open_time : UTC ms of the bar, whose close the features are known at
    values : float32 of shape (n_features,), in the plan's order, unscaled
    """

    schema_hash: str
    open_time: int
    values: npt.NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """The vector as it lies in a store."""
        head = HEADER.pack(MAGIC, FORMAT, 0, self.open_time, bytes.fromhex(self.schema_hash))
        return head + self.values.astype("<f4", copy=False).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, schema_hash: str, place: str = "feature vector") -> Self:
        """The vector that `to_bytes` wrote.

        Raises: DataError for bytes that are none; SchemaError for those of another schema than `schema_hash`.
        """
        if len(data) < HEADER.size or (len(data) - HEADER.size) % 4:
            raise DataError(place, f"{len(data)} bytes", expected=f"{HEADER.size} and four for each feature")
        magic, form, zero, open_time, schema = HEADER.unpack_from(data)
        if (magic, form, zero) != (MAGIC, FORMAT, 0):
            raise DataError(place, f"begins with {data[:8]!r}", expected="a vector that Barmill wrote")
        if schema.hex() != schema_hash:
            raise SchemaError(place, f"schema {schema.hex()[:8]}..", expected=f"{schema_hash[:8]}..", mend=_MEND)
        return cls(schema_hash, open_time, np.frombuffer(data, "<f4", offset=HEADER.size).astype(np.float32))


class FeatureStore(Protocol):
    """Where the last features of each instrument are kept. `put` and `publish` return at once, and never raise for a store that is away."""

    def put(self, symbol: str, timeframe: str, vector: FeatureVector) -> None:
        """Keep `vector` as the last of the instrument and timeframe."""
        ...

    def get(self, symbol: str, timeframe: str, schema_hash: str) -> FeatureVector | None:
        """The last one, None where there is none. Raises as `FeatureVector.from_bytes`; StoreUnavailable where it cannot be asked."""
        ...

    def publish(self, symbol: str, timeframe: str, answer: Answer) -> None:
        """Append each row of a stream's forecast to what was forecast."""
        ...

    def close(self) -> None:
        """Write what waits, as far as that can be done soon, and let go."""
        ...


class MemoryStore:
    """Keeps the last vector of each instrument in this process; forecasts go nowhere."""

    def __init__(self) -> None:
        self._vectors: dict[str, bytes] = {}

    def put(self, symbol: str, timeframe: str, vector: FeatureVector) -> None:
        self._vectors[vector_key(symbol, timeframe)] = vector.to_bytes()

    def get(self, symbol: str, timeframe: str, schema_hash: str) -> FeatureVector | None:
        key = vector_key(symbol, timeframe)
        found = self._vectors.get(key)
        return None if found is None else FeatureVector.from_bytes(found, schema_hash, key)

    def publish(self, symbol: str, timeframe: str, answer: Answer) -> None:
        """Nobody listens inside a process."""

    def close(self) -> None:
        """Nothing waits."""


def vector_key(symbol: str, timeframe: str) -> str:
    """`vec:SYMBOL:TF`. Raises InputError for a symbol or timeframe that is none: a name can open no other key."""
    return f"vec:{_checked(symbol, _SYMBOL, 'symbol')}:{_checked(timeframe, _TIMEFRAME, 'timeframe')}"


def forecast_key(model: str, symbol: str, timeframe: str) -> str:
    """`forecast:MODEL:SYMBOL:TF`, likewise; a model's name was checked with its bundle."""
    return f"forecast:{model}:{_checked(symbol, _SYMBOL, 'symbol')}:{_checked(timeframe, _TIMEFRAME, 'timeframe')}"


def _checked(name: str, grammar: re.Pattern[str], what: str) -> str:
    if not grammar.fullmatch(name):
        raise InputError(what, repr(name), expected=f"what matches {grammar.pattern}")
    return name


__all__ = ["FORMAT", "HEADER", "MAGIC", "FeatureStore", "FeatureVector", "MemoryStore", "forecast_key", "vector_key"]
