"""How much a stranger may send: headers, bytes, rows, time and requests. Every limit has a default; none is without end."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from barmill.serving.http.statuses import RimRefusal
from barmill.serving.refusals import Refusal

Receive = Callable[[], Awaitable[dict[str, Any]]]

LINGER_BYTES = 64 << 20  # of a refused body that are read and forgotten, so that its sender reads the answer and not a reset
LINGER_SECONDS = 2.0
KEPT_BUCKETS = 10_000  # addresses whose rate is remembered, where no keys tell who asks


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused, and how.

    max_body : bytes, also of a body in chunks: 413
    max_depth : arrays and objects in one another: 400
    max_rows, max_bars : rows of features, and bars with their history, in one request: 413
    max_headers, max_header_bytes : 431
    max_path : bytes of path and query: 414
    header_seconds : until a request's headers are there; then the connection is closed
    idle_seconds : between an answer and the next request of a connection; more than the pools of clients and proxies keep one
    body_seconds : for the whole body, however it trickles: 408
    answer_seconds : for the forecast: 504
    max_pending : requests that wait for the event loop at a time, and as many for a thread; the next is told to come again: 503
    max_buffered : bytes of bodies that are on their way at a time, of all requests: 503
    rate, burst : requests a second of each key (without keys, of each address), by HTTP and gRPC together, 0 for no bound, and how many at
        once: 429. Each of several workers lets its part of both through, so that together they keep to them; a client of one connection
        talks to one worker, and so has that worker's part
    """

    max_body: int = 8 << 20
    max_depth: int = 32
    max_rows: int = 4096
    max_bars: int = 65_536
    max_headers: int = 64
    max_header_bytes: int = 16 << 10
    max_path: int = 2048
    header_seconds: float = 10.0
    idle_seconds: float = 75.0
    body_seconds: float = 15.0
    answer_seconds: float = 2.0
    max_pending: int = 256
    max_buffered: int = 256 << 20
    rate: float = 0.0
    burst: int = 100


class Headers(NamedTuple):
    """The headers of a request that mean something here."""

    host: str | None = None
    authorization: str | None = None
    api_key: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    content_length: int | None = None
    chunked: bool = False
    binary_length: str | None = None
    origin: str | None = None
    request_id: str | None = None
    traceparent: str | None = None
    model_revision: str | None = None


_MEANT = {
    b"host": "host",
    b"authorization": "authorization",
    b"x-api-key": "api_key",
    b"content-type": "content_type",
    b"content-encoding": "content_encoding",
    b"content-length": "content_length",
    b"transfer-encoding": "chunked",
    b"inference-header-content-length": "binary_length",
    b"origin": "origin",
    b"x-request-id": "request_id",
    b"traceparent": "traceparent",
    b"x-model-revision": "model_revision",
}
_DIGITS = re.compile(r"[0-9]{1,18}")


def read_headers(raw: Iterable[tuple[bytes, bytes]], limits: Limits) -> Headers:
    """The headers of ASGI's `raw`, lower case. Raises Refusal for too many, too long, or two that contradict."""
    found: dict[str, Any] = {}
    count = size = 0
    for name, value in raw:
        count += 1
        size += len(name) + len(value)
        field = _MEANT.get(name)
        if field is not None:
            if field in found:
                raise Refusal("malformed", "duplicate_header", name.decode("latin-1"), "comes twice", mend="Send it once.")
            found[field] = value.decode("latin-1")
    if count > limits.max_headers or size > limits.max_header_bytes:
        expected = f"at most {limits.max_headers} headers of {limits.max_header_bytes} bytes in all"
        raise RimRefusal(431, "too_large", "headers_too_large", "headers", f"{count} headers of {size} bytes", expected=expected)
    if "content_length" in found or "chunked" in found:
        _read_framing(found)
    return Headers(**found)


def _read_framing(found: dict[str, Any]) -> None:
    coding = found.pop("chunked", None)
    if coding is not None:
        if "content_length" in found:  # what a proxy before us takes for the end of the body is not what we take for it
            mend = "Send one of the two."
            raise Refusal("malformed", "ambiguous_length", "content-length", "comes with transfer-encoding", mend=mend)
        found["chunked"] = True
    if "content_length" in found:
        if not _DIGITS.fullmatch(found["content_length"]):
            raise Refusal("malformed", "bad_length", "content-length", "is no number of bytes")
        found["content_length"] = int(found["content_length"])


class Buffered:
    """Bytes of bodies that are on their way, of all requests together. For one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0

    def take(self, size: int) -> None:
        """Raises Refusal (unavailable) where the server holds as much as it may."""
        if self._now + size > self._most:
            found = "holds as many bytes of other requests as it may"
            raise Refusal("unavailable", "overloaded", "server", found, mend="Try again.", retry_after=1.0)
        self._now += size

    def give_back(self, size: int) -> None:
        self._now -= size


async def read_body(receive: Receive, headers: Headers, limits: Limits, buffered: Buffered) -> bytes:
    """The whole body; how long it takes is the connection's to say. Raises Refusal (413) over the limit, unread if its length is told."""
    length = headers.content_length
    if length is None and not headers.chunked:
        return b""
    if length is not None and length > limits.max_body:
        raise _too_large(f"{length} bytes", limits)
    return await _receive_all(receive, limits, buffered)


async def _receive_all(receive: Receive, limits: Limits, buffered: Buffered) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):  # the usual one: all in one piece
        body: bytes = message.get("body", b"")
        if len(body) > limits.max_body:
            raise _too_large(f"more than {limits.max_body} bytes", limits)
        return body
    parts: list[bytes] = []
    size = 0
    try:
        while True:
            if message["type"] != "http.request":
                raise RimRefusal(400, "malformed", "body_cut_off", "body", "ended before it was whole", mend="Send it again.")
            part: bytes = message.get("body", b"")
            buffered.take(len(part))
            size += len(part)
            if size > limits.max_body:
                raise _too_large(f"more than {limits.max_body} bytes", limits)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await receive()
    finally:
        buffered.give_back(size)


async def linger(receive: Receive) -> None:
    """Read what is left of a refused body and forget it, within bounds: a connection closed on a sender is an answer that it never sees."""
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_large(found: str, limits: Limits) -> Refusal:
    mend = "Ask for fewer rows at a time."
    return Refusal("too_large", "body_too_large", "body", found, expected=f"at most {limits.max_body} bytes", mend=mend)


def check_rows(count: int, most: int, place: str) -> None:
    """Raise Refusal (too_large) for more rows than one request may have."""
    if count > most:
        expected = f"at most {most:,}"
        raise Refusal("too_large", "too_many_rows", place, f"{count:,} rows", expected=expected, mend="Ask for fewer at a time.")


class TokenBuckets:
    """A rate for each who asks: `burst` requests at once, refilled at `rate` a second. For one thread."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(max(burst, 1))
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # who -> tokens left, when

    def take(self, who: str) -> None:
        """Take a token of `who`. Raises Refusal (too_many), which says when there is one again."""
        if not self._rate:
            return
        now = self._clock()
        tokens, since = self._buckets.pop(who, (self._burst, now))
        tokens = min(self._burst, tokens + max(now - since, 0.0) * self._rate)
        self._buckets[who] = (max(tokens - 1.0, 0.0) if tokens >= 1.0 else tokens, now)
        if len(self._buckets) > KEPT_BUCKETS:
            self._buckets.popitem(last=False)
        if tokens < 1.0:
            wait = (1.0 - tokens) / self._rate
            expected = f"at most {self._rate:g} requests a second, {self._burst:g} at once"
            raise Refusal("too_many", "too_many_requests", "rate", "the rate is used up", expected=expected, retry_after=wait)


__all__ = ["Buffered", "Headers", "Limits", "Receive", "TokenBuckets", "check_rows", "linger", "read_body", "read_headers"]
