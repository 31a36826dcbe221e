"""What a protocol may ask of the plane. All methods may be called from any thread, and none waits for the network."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeVar

from barmill.bundles import Bundle
from barmill.market import Bar, Bars
from barmill.serving.aliases import AliasStatus
from barmill.serving.answers import Answer, Ask, Float64Array, RawBars, StreamStatus, VersionStatus

F = TypeVar("F", bound="Finding")


class Served(Protocol):
    """A version that is loaded, verified, replayed and warm."""

    @property
    def bundle(self) -> Bundle: ...

    @property
    def name(self) -> str:
        """Of the model: its folder in the repository, or the name in its manifest."""
        ...

    @property
    def number(self) -> int:
        """Its integer in the repository; 0 for a bundle that was named by its folder."""
        ...

    @property
    def inline(self) -> bool:
        """It answers so fast, measured while it warmed up, that an event loop may wait for it."""
        ...


class Finding(Protocol):
    """What a version says that is no forecast."""

    @property
    def columns(self) -> Mapping[str, Float64Array]:
        """What it says in numbers, float64 (1,) each."""
        ...


class Readiness(NamedTuple):
    """Whether every champion is loaded and can answer; `reasons` says what is missing."""

    ready: bool
    reasons: tuple[str, ...] = ()


class StreamBook(Protocol):
    """Who keeps named streams. Each has a lock of its own; a bar that cannot follow is a `Refusal`, and changes nothing.

    Whatever the model raises of a bar that was taken comes out as it is: somebody else answers then. `version` is as it was asked for,
    `deadline` on the plane's clock: a stream that is busy until then is not waited for any longer.
    """

    def version_of(self, model: str, stream: str, asked: str | None) -> str | None:
        """The version to lease for a stream: the one by whose name it began, else `asked`."""
        ...

    def push(self, served: Served, stream: str, bar: Bar, *, version: str | None = None, deadline: float = ...) -> Answer: ...

    def extend(self, served: Served, stream: str, bars: Bars, *, version: str | None = None, deadline: float = ...) -> Answer: ...

    def recent(self, model: str, stream: str) -> Float64Array | None:
        """A copy of the last rows of its features, float64 (rows, n_plan), the oldest first; None where it is busy or not there."""
        ...

    def status(self, served: Served, stream: str, *, deadline: float = ...) -> StreamStatus: ...

    def drop(self, served: Served, stream: str, *, deadline: float = ...) -> StreamStatus: ...

    def adopt(self, served: Served, only: Callable[[str], bool] | None = None) -> int:
        """Take the streams of a model that are pinned to no version on to `served`; `only` those of such names."""
        ...

    def close(self) -> None:
        """Take no more bars, and write everything down."""
        ...


class Forecasting(Protocol):
    """The plane. Every method that takes an `Ask` raises `Refusal` for what it does not answer."""

    def lease(self, ask: Ask) -> AbstractContextManager[Served]:
        """The version that `ask` means, which stays loaded as long as it is held."""
        ...

    def forecast(self, ask: Ask, features: Float64Array, names: Sequence[str] | None = None) -> Answer:
        """Forecast from features, unscaled.

        features : float64 (n, n_features), or (n, window, n_features) for a model that sees windows, of the bundle's plan
        names : of the columns, in any order; None for those that `schema.needed_features` says, in its order
        """
        ...

    def forecast_bars(self, ask: Ask, bars: RawBars, last: int = 1) -> Answer:
        """Forecast the last `last` ready ones of `bars`, which hold the history that warms up the features."""
        ...

    def push(self, ask: Ask, stream: str, bar: Bar) -> Answer:
        """One more closed bar of a named stream, and its forecast; without rows while the stream warms up."""
        ...

    def extend(self, ask: Ask, stream: str, bars: RawBars) -> Answer:
        """Many more bars of a named stream, such as the history before the first live bar or after a gap, and their forecasts."""
        ...

    def stream(self, ask: Ask, stream: str) -> StreamStatus:
        """Where a named stream stands."""
        ...

    def drop(self, ask: Ask, stream: str) -> StreamStatus:
        """Forget a named stream and its snapshot."""
        ...

    def consult(self, ask: Ask, work: Callable[[Served], F]) -> F:
        """What `work` finds with the version that is asked, which is no forecast: nobody else could answer in its place."""
        ...

    def index(self) -> Sequence[VersionStatus]:
        """Every version that is known, also those that are refused, with the reason."""
        ...

    def aliases(self, model: str) -> Sequence[AliasStatus]:
        """The aliases that an operator gave to a model, and which versions have them."""
        ...

    def readiness(self, model: str | None = None, version: str | None = None) -> Readiness:
        """Of all champions, or of one model or version."""
        ...


__all__ = ["Finding", "Forecasting", "Readiness", "Served", "StreamBook"]
