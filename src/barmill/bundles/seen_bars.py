"""The bars themselves, as models that do not see features know them: of one model, or of each member of an ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from barmill.market import Bar, Bars
from barmill.views import ImageBars, MultiResolution

SeenByOne: TypeAlias = MultiResolution | ImageBars  # without samples


@dataclass(frozen=True, slots=True)
class SeenByMembers:
    """What each member of an ensemble sees of the same bars; None for one that sees features."""

    of: tuple[SeenByOne | None, ...]

    @property
    def ready(self) -> npt.NDArray[np.bool_]:
        """bool array of shape (n_bars,), the bars at which every member that sees bars has enough of them."""
        return np.logical_and.reduce([one.ready for one in self.of if one is not None])

    def known_at(self, row: int) -> "SeenByMembers":
        """What the bar `row`, which is ready, knows: that bar alone."""
        return SeenByMembers(tuple(None if one is None else one.known_at(row) for one in self.of))


SeenBars: TypeAlias = SeenByOne | SeenByMembers


class SeenStream(Protocol):
    """What bars show while they come in: row for row what is seen of the whole history."""

    def push(self, bar: Bar) -> SeenBars: ...

    def extend(self, bars: Bars) -> SeenBars: ...


class StreamOfOne(Protocol):
    """The same for one model."""

    def push(self, bar: Bar) -> SeenByOne: ...

    def extend(self, bars: Bars) -> SeenByOne: ...

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """A copy of everything it remembers, as named arrays."""
        ...

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on where `state` was taken; SchemaError, and as before, where that remembers less or something else."""
        ...


@dataclass(frozen=True, slots=True)
class StreamOfMembers:
    """The same for each member of an ensemble; None for one that sees features. Not to be shared between threads."""

    of: tuple[StreamOfOne | None, ...]

    def push(self, bar: Bar) -> SeenByMembers:
        return SeenByMembers(tuple(None if one is None else one.push(bar) for one in self.of))

    def extend(self, bars: Bars) -> SeenByMembers:
        return SeenByMembers(tuple(None if one is None else one.extend(bars) for one in self.of))


def streams_of(seen: SeenStream | None) -> tuple[StreamOfOne, ...]:
    """The streams of bars that `seen` consists of: of one model, or of the members that see bars, in their order."""
    if isinstance(seen, StreamOfMembers):
        return tuple(one for one in seen.of if one is not None)
    return () if seen is None else (cast("StreamOfOne", seen),)


__all__ = ["SeenBars", "SeenByMembers", "SeenByOne", "SeenStream", "StreamOfMembers", "StreamOfOne", "streams_of"]
