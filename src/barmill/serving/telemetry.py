"""What the plane tells whoever watches: a small protocol, which Prometheus metrics, logs and traces implement."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from barmill.serving.answers import Answer


class Telemetry(Protocol):
    """Called on the request's thread; must be quick and never raise."""

    def answered(self, answer: Answer, seconds: float) -> None:
        """A request was answered, after `seconds` in the plane."""
        ...

    def refused(self, model: str, kind: str, code: str, seconds: float, count: int = 1) -> None:
        """A request was refused; `model` is empty where none that is served was named, so that no stranger adds a label.

        count : of requests that were refused alike and are told of at once
        """
        ...

    def fell_back(self, model: str, version: str, reason: str) -> None:
        """A version did not answer, and the next of the chain was asked."""
        ...

    def shadowed(self, model: str, primary: Answer, shadow: Answer) -> None:
        """Both forecasts of one request, of the version that answered and of the one in the shadow."""
        ...

    def swapped(self, model: str, version: str, number: int, digest: str) -> None:
        """A version began to answer as the champion."""
        ...

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        """Anything else worth a line in the log: a version refused, a snapshot that failed. `name` is snake_case."""
        ...

    def gauge(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """The present value of something known: "streams", "store_queue"."""
        ...

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Any]:
        """A stretch of work to trace."""
        ...


class Silent:
    """Tells nobody."""

    def answered(self, answer: Answer, seconds: float) -> None: ...

    def refused(self, model: str, kind: str, code: str, seconds: float, count: int = 1) -> None: ...

    def fell_back(self, model: str, version: str, reason: str) -> None: ...

    def shadowed(self, model: str, primary: Answer, shadow: Answer) -> None: ...

    def swapped(self, model: str, version: str, number: int, digest: str) -> None: ...

    def event(self, name: str, level: str = "info", **fields: Any) -> None: ...

    def gauge(self, name: str, value: float, labels: Mapping[str, str]) -> None: ...

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Any]:
        return nullcontext()


__all__ = ["Silent", "Telemetry"]
