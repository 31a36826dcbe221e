"""A method of a service, as a row of a table: no code of a service knows of calls, codes or metadata."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from google.protobuf.message import DecodeError, Message

from barmill.serving.answers import Ask
from barmill.serving.contract import Forecasting
from barmill.serving.refusals import Refusal

Scope = Literal["forecast", "stream", "read"]
Elsewhere = Callable[[str, str], bool]  # whether another process keeps a stream, of a model by its name
Request = TypeVar("Request")
MessageType = TypeVar("MessageType", bound=Message)


@dataclass(frozen=True, slots=True)
class Call(Generic[Request]):
    """One call of a method, to be answered over a plane."""

    plane: Forecasting
    ask: Ask
    request: Request
    elsewhere: Elsewhere

    def of(self, model: str, version: str) -> Ask:
        """The same ask, of a model and version as a message names them: empty for the server's choice."""
        return replace(self.ask, model=model or None, version=version or None)

    def is_quick(self, model: str, version: str, n_rows: int, stream: str = "") -> bool:
        """Whether an event loop may wait for a forecast of so many rows: of one, by a version that measured itself as fast enough.

        stream : that the row is pushed to, which this process must keep
        """
        if n_rows != 1:
            return False
        with self.plane.lease(self.of(model, version)) as served:
            return served.inline and not (stream and self.elsewhere(served.name, stream))


def nowhere_else(_model: str, _stream: str) -> bool:
    """Of a server that is one process."""
    return False


def never(_: Call[Any]) -> bool:
    """Of what takes long."""
    return False


def always(_: Call[Any]) -> bool:
    """Of what takes no time."""
    return True


@dataclass(frozen=True)
class Method(Generic[Request]):
    """What a client may call.

    name : as in the service
    read : the request from the bytes that came. Raises Refusal for bytes that are none
    scopes : what a key must allow for it
    answer : the message that goes back. Raises Refusal
    quick : whether the event loop may wait for the answer
    open : whether anybody may ask, without a key
    """

    name: str
    read: Callable[[bytes], Request]
    scopes: Callable[[Request], tuple[Scope, ...]]
    answer: Callable[[Call[Request]], Message]
    quick: Callable[[Call[Request]], bool] = never
    open: bool = False


@dataclass(frozen=True)
class Service:
    """Methods under one name."""

    name: str
    methods: tuple[Method[Any], ...]


def parsed(kind: type[MessageType], data: bytes) -> MessageType:
    """The message in `data`. Raises Refusal (malformed) for bytes that are none."""
    try:
        return kind.FromString(data)
    except DecodeError:
        found, expected = "is not readable", f"a message {kind.DESCRIPTOR.full_name}"
        raise Refusal("malformed", "not_protobuf", "request", found, expected=expected) from None


__all__ = ["Call", "Elsewhere", "Method", "Scope", "Service", "always", "never", "nowhere_else", "parsed"]
