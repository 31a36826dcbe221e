"""What goes into the plane and what comes out of it: arrays and plain values, of no protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

Source = Literal["champion", "fallback", "prior", "canary"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Who is asked, until when.

    model : str, name; None for the server's default, which there is where one model alone is served
    version : str; None or "champion" for the one that the pointer names, "latest" for the highest semantic version, "1.2.3" for one,
        "v1" for the highest of a major, an integer in decimal for the repository's number
    deadline : float, on the plane's clock (seconds, monotonic): an answer after it is worth nothing
    request_id : str, as it is logged and returned
    principal : str, name of the key that asks; empty without keys
    revision : str, the digest of the only bundle that may answer, or its first digits, see `revisions`; None for any
    """

    model: str | None = None
    version: str | None = None
    deadline: float = float("inf")
    request_id: str = ""
    principal: str = ""
    revision: str | None = None


class RawBars(NamedTuple):
    """Bars as they came, unchecked.

    open_time : int64 of shape (n,), UTC ms
    values : float64 of shape (n, 5): open, high, low, close, volume
    further : float64 of shape (n,) by name, columns that the model's features read besides
    """

    open_time: Int64Array
    values: Float64Array
    further: Mapping[str, Float64Array] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """A forecast that may be given out: finite, in bounds, and marked with who made it.

    model, version, number, digest : of the bundle that answered: name, semantic version, number in the repository, manifest's digest
    columns : float64 of shape (n,) by output, in the bundle's order; n = 0 while a stream warms up
    open_time, known_at : int64 of shape (n,), UTC ms of each row's bar; None for a forecast from features, which have no time
    source : "champion" (the version that was asked for), "canary", "fallback" or "prior"
    degraded : bool, somebody else answered than was asked
    reason : why, such as "model_error", "timed_out", "not_finite", "out_of_bounds", "stale_stream", "gapped_stream", "breaker_open"
    notes : what the asker ought to know: features outside the range of training, substitutions, bars still missing
    stream : state of the stream, for an answer of one
    """

    model: str
    version: str
    number: int
    digest: str
    columns: Mapping[str, Float64Array]
    open_time: Int64Array | None = None
    known_at: Int64Array | None = None
    source: Source = "champion"
    degraded: bool = False
    reason: str = ""
    notes: tuple[str, ...] = ()
    stream: "StreamStatus | None" = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """Where a named stream stands.

    state : "warming" (no forecast yet), "live", "gapped" (bars are missing: it warms up again), "stale" (no bar for long)
    bars_seen : int, since it began or began again
    missing_bars : int, gapless bars that it still needs before it forecasts
    last_open_time : int or None, UTC ms
    restored : bool, from a snapshot, since this process began
    """

    name: str
    model: str
    state: Literal["warming", "live", "gapped", "stale"]
    bars_seen: int
    missing_bars: int
    last_open_time: int | None
    restored: bool = False


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A version in the index of what is served.

    state : "ready", "loading", "draining" or "unavailable", with the reason
    aliases : some of "champion", "latest", "shadow", "canary", "fallback"
    """

    model: str
    version: str
    number: int
    digest: str
    state: Literal["ready", "loading", "draining", "unavailable"]
    reason: str = ""
    aliases: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])


__all__ = ["Answer", "Ask", "Float64Array", "Int64Array", "RawBars", "Source", "StreamStatus", "VersionStatus"]
