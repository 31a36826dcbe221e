"""What a model of patterns remembers: the embeddings of its training rows, with what became of each in R. Searched exactly.

A search reads every embedding once (200,000 of them in some 10 ms), so that no index can miss a neighbour, or return fewer than were
asked for because a filter came after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.errors import BundleCorruption, BundleError, ShapeError

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_DTYPES: Mapping[str, Any] = {
    "embed": np.float32,
    "pattern": np.int8,
    "quality": np.float64,
    "realised_R": np.float64,
    "open_time": np.int64,
    "known_at": np.int64,
}
_LENGTH_ERROR = 1e-3  # of an embedding of length 1, as float32 holds it
_SCORE_ERROR = 1e-5  # twice what a product of two float32 vectors of length 1 and some hundred numbers can be off, and then some


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The nearest, best first. rows : int64 (k,), in the library; cosine : float64 (k,)"""

    rows: Int64Array
    cosine: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Decisions of the past, in the order of their times; arrays of shape (n,).

    embed : float32 (n, width), of length 1
    pattern : int8, the likeliest, a place among the model's patterns; quality : float64, in 0 .. 1
    realised_R : float64, what a trade that was proposed there brought, in multiples of what it risked
    open_time : int64, UTC ms, of the decision bar; known_at : int64, UTC ms, when the trade's outcome was known
    """

    embed: npt.NDArray[np.float32]
    pattern: npt.NDArray[np.int8]
    quality: Float64Array
    realised_R: Float64Array
    open_time: Int64Array
    known_at: Int64Array

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise BundleError("neighbours", problem, expected="one row for each decision, in the order of their times")

    def __len__(self) -> int:
        return len(self.embed)

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return self.embed.shape[1]

    def nearest(self, embed: npt.NDArray[Any], k: int, before: int | None = None) -> Found:
        """The `k` rows with the largest cosine, or all that there are; of equals the earlier first.

        Parameters
        ----------
        embed : float (width,), finite, of any length but 0
        before : UTC ms; only rows whose outcome was known before then

        Raises: ShapeError for an embedding that has no direction, or another width; or for a k below 1.
        """
        unit = self._unit(embed)
        if k < 1:
            raise ShapeError("k", f"is {k}", expected="at least 1")
        allowed = np.arange(len(self)) if before is None else np.flatnonzero(self.known_at < before)
        rough = self.embed @ unit.astype(np.float32)
        rough = rough if before is None else rough[allowed]
        k = min(k, len(allowed))
        if not k:
            return Found(np.empty(0, dtype=np.int64), np.empty(0))
        # All that could be among the nearest by single precision are looked at in double.
        least = np.partition(rough, len(rough) - k)[len(rough) - k]
        rows = allowed[rough >= least - _SCORE_ERROR]
        cosine = self._cosine(rows, unit)
        best = np.argsort(-cosine, kind="stable")[:k]
        return Found(rows[best], cosine[best])

    def to_bytes(self) -> bytes:
        """As safetensors."""
        return save_tensors({one.name: np.ascontiguousarray(getattr(self, one.name)) for one in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes, place: str) -> "Neighbours":
        """What `to_bytes` wrote. Raises BundleCorruption naming `place` for anything else."""
        try:
            return cls(**load_tensors(data))
        except (SafetensorError, TypeError, BundleError) as error:
            found = error.found if isinstance(error, BundleError) else str(error)
            raise BundleCorruption(place, found, mend="Publish the run again.") from error

    def _cosine(self, rows: Int64Array, unit: Float64Array) -> Float64Array:
        found = self.embed[rows].astype(np.float64)
        return np.clip(found @ unit / np.linalg.norm(found, axis=1), -1.0, 1.0)

    def _unit(self, embed: npt.NDArray[Any]) -> Float64Array:
        given = np.asarray(embed, dtype=np.float64)
        if given.shape != (self.width,):
            raise ShapeError("embed", f"has the shape {given.shape}", expected=f"({self.width},)")
        if not np.isfinite(given).all():
            raise ShapeError("embed", f"number {int(np.argmin(np.isfinite(given)))} is not finite", expected="a direction")
        largest = np.abs(given).max()
        if not largest > 0:
            raise ShapeError("embed", "has the length 0, and so no direction", expected="a direction")
        scaled = given / largest  # whose squares neither vanish nor overflow
        return scaled / np.linalg.norm(scaled)

    def _problem(self) -> str:
        """What is wrong with the arrays; empty if nothing."""
        n = len(self.embed) if self.embed.ndim == 2 else -1
        for name, dtype in _DTYPES.items():
            array = getattr(self, name)
            shape = self.embed.shape if name == "embed" and n >= 0 else (n,)
            if array.dtype != dtype or array.shape != shape:
                return f"{name} is {array.dtype} of shape {array.shape}"
        if n < 1 or self.width < 1:
            return "there is no row"
        if not all(np.isfinite(array).all() for array in (self.embed, self.quality, self.realised_R)):
            return "a value is not finite"
        if np.abs(np.linalg.norm(self.embed, axis=1) - 1.0).max() > _LENGTH_ERROR:
            return "an embedding is not of length 1"
        if (np.diff(self.open_time) <= 0).any() or (self.known_at <= self.open_time).any():
            return "times are out of order, or an outcome was known before its decision"
        wrong = (self.quality < 0).any() or (self.quality > 1).any() or (self.pattern < 0).any()
        return "a quality outside 0 .. 1, or a pattern that is none" if wrong else ""


__all__ = ["Found", "Neighbours"]
