"""Several that watch, as one."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from barmill.serving.answers import Answer
from barmill.serving.telemetry import Silent, Telemetry

_NONE = nullcontext()


class Observers:
    """Tells each of several what it is told."""

    def __init__(self, observers: Sequence[Telemetry]) -> None:
        self._observers = tuple(observers)
        self._spanning = tuple(one for one in self._observers if getattr(type(one), "span", None) is not Silent.span)

    def answered(self, answer: Answer, seconds: float) -> None:
        for one in self._observers:
            one.answered(answer, seconds)

    def refused(self, model: str, kind: str, code: str, seconds: float, count: int = 1) -> None:
        for one in self._observers:
            one.refused(model, kind, code, seconds, count)

    def fell_back(self, model: str, version: str, reason: str) -> None:
        for one in self._observers:
            one.fell_back(model, version, reason)

    def shadowed(self, model: str, primary: Answer, shadow: Answer) -> None:
        for one in self._observers:
            one.shadowed(model, primary, shadow)

    def swapped(self, model: str, version: str, number: int, digest: str) -> None:
        for one in self._observers:
            one.swapped(model, version, number, digest)

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        for one in self._observers:
            one.event(name, level, **fields)

    def gauge(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        for one in self._observers:
            one.gauge(name, value, labels)

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Any]:
        return _spans(self._spanning, name, attributes) if self._spanning else _NONE  # several microseconds that most servers need not pay


@contextmanager
def _spans(observers: Sequence[Telemetry], name: str, attributes: Mapping[str, Any]) -> Generator[None]:
    with ExitStack() as stack:
        for one in observers:
            stack.enter_context(one.span(name, **attributes))
        yield


__all__ = ["Observers"]
