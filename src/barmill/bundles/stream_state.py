"""What a stream remembers, as bytes: a server that is started again goes on to the bit, and a new version of a bundle goes on too.

The bytes are safetensors. Their header begins with the SHA-256 of all other bytes, at a place that does not move, so that they are judged
before anything parses them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import canonical_json
from barmill.bundles.stream import BundleStream
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleCorruption, BundleError, BundleVersionError, SchemaError

if TYPE_CHECKING:
    from barmill.bundles.bundle import Bundle

FORMAT = 1
KEY = "barmill_stream"

_SIZE = 8  # bytes of the number with which safetensors begin, the length of the header
_OPENING = f'{{"__metadata__":{{"{KEY}":"'.encode()
_DIGITS = 64  # of a SHA-256 in hexadecimal
_FROM, _TO = _SIZE + len(_OPENING), _SIZE + len(_OPENING) + _DIGITS  # where it stands
_MEND = "Begin the stream anew, with the history that warms it up."


@dataclass(frozen=True)
class SavedStream:
    """What a stream remembered at one time. Nothing that its stream does later changes it.

    told : `format`; `bundle` and `version`, `digest` of the bundle; `symbol`, `timeframe`; `schema_hash` and `plan`, the digest, of its
        features; `depth`, rows of features that one forecast reads; `bars_seen`; `last_open_time`, UTC ms or None; `beside`, see `of`
    arrays : as `BundleStream.state` gave them
    place : where it was read, for errors
    """

    told: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    place: str = "stream state"

    @classmethod
    def of(cls, stream: BundleStream, beside: Mapping[str, Any] | None = None) -> "SavedStream":
        """What `stream` remembers now. beside : plain JSON that whoever keeps it wants to find again."""
        seen = {"bars_seen": stream.bars_seen, "last_open_time": stream.last_open_time}
        return cls({**_of(stream.bundle), **seen, "beside": beside}, stream.state())

    @classmethod
    def from_bytes(cls, data: bytes, place: str = "stream state") -> "SavedStream":
        """What `to_bytes` wrote. Raises BundleCorruption, before anything is parsed, or BundleVersionError, naming `place`."""
        if data[_SIZE:_FROM] != _OPENING:
            raise BundleCorruption(place, "is not the state of a stream", expected="what `save_stream` wrote", mend=_MEND)
        if data[_FROM:_TO] != _digest(data):
            raise BundleCorruption(place, f"{len(data)} bytes that differ from those that were written", mend=_MEND)
        try:
            header = json.loads(data[_SIZE : _SIZE + int.from_bytes(data[:_SIZE], "little")])
            told = parse_canonical(header["__metadata__"][KEY][_DIGITS + 1 :].encode(), place)
            arrays = load_tensors(data)
            version = told["format"]
        except (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
            raise BundleCorruption(place, f"cannot be read: {error}", mend=_MEND) from error
        if version != FORMAT:
            raise BundleVersionError(place, f"format {version}", expected=f"{FORMAT}", mend=_MEND)
        return cls(told, arrays, place)

    def to_bytes(self) -> bytes:
        """Safetensors; the same state gives the same bytes."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        data = save_tensors(arrays, metadata={KEY: f"{'0' * _DIGITS} {canonical_json(self.told).decode()}"})
        return data[:_FROM] + _digest(data) + data[_TO:]

    def restored(self, bundle: "Bundle") -> BundleStream:
        """The stream of `bundle` that goes on to the bit. Raises BundleError for one of another bundle or one that does not fit."""
        if self.told["digest"] != bundle.digest:
            found = f"is of bundle {self.told['bundle']} {self.told['version']}, {str(self.told['digest'])[:8]}.."
            expected = f"{bundle.manifest.name} {bundle.manifest.version}, {bundle.digest[:8]}.."
            raise BundleError(self.place, found, expected=expected, mend=_MEND)
        try:
            return BundleStream.restore(bundle, self.arrays)
        except (SchemaError, BundleError) as error:
            raise BundleCorruption(self.place, f"{error.place}: {error.found}", expected=error.expected, mend=_MEND) from error

    def carried(self, bundle: "Bundle") -> BundleStream | None:
        """The stream of `bundle`, another version, that goes on with what is remembered of the bars, see `carry`."""
        own = _of(bundle)
        same = all(self.told[name] == own[name] for name in ("symbol", "timeframe", "schema_hash", "plan"))
        return BundleStream.carried(bundle, self.arrays) if same else None


def save_stream(stream: BundleStream) -> bytes:
    """Everything that `stream` remembers; `restore_stream` goes on from there to the bit. The same state gives the same bytes."""
    return SavedStream.of(stream).to_bytes()


def restore_stream(bundle: "Bundle", data: bytes, place: str = "stream state") -> BundleStream:
    """The stream of `bundle` whose `save_stream` gave `data`.

    Raises, naming `place`: BundleCorruption for bytes that differ from what was written, before anything parses them; BundleVersionError
    for another format; BundleError for the stream of another bundle, of which `SavedStream.carried` may make one.
    """
    return SavedStream.from_bytes(data, place).restored(bundle)


def carry(stream: BundleStream, bundle: "Bundle") -> BundleStream | None:
    """A stream of `bundle`, another version, that goes on with what `stream` remembers of the bars; `stream` stays as it is.

    Its features are those of a stream of `bundle` that was given the same bars from the first on. An adaptive band begins as it stands in
    `bundle`. None where its features are not the same (in schema, calendar or fitted numbers), or it needs a deeper window or other bars
    than are remembered: it must warm up again.
    """
    return SavedStream.of(stream).carried(bundle)


def _of(bundle: "Bundle") -> dict[str, Any]:
    """What is told of the bundle whose stream is saved."""
    manifest, plan = bundle.manifest, bundle.plan
    return {
        "format": FORMAT,
        "bundle": manifest.name,
        "version": manifest.version,
        "digest": bundle.digest,
        "symbol": bundle.instrument.symbol,
        "timeframe": str(bundle.timeframe),
        "schema_hash": plan.schema_hash,
        "plan": plan.digest,
        "depth": bundle.pipeline.depth,
    }


def _digest(data: bytes) -> bytes:
    """Of all bytes but those where it stands itself."""
    digest = hashlib.sha256(data[:_FROM])
    digest.update(memoryview(data)[_TO:])
    return digest.hexdigest().encode()


__all__ = ["FORMAT", "SavedStream", "carry", "restore_stream", "save_stream"]
