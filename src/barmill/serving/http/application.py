"""The ASGI application: limits, keys, routes, deadlines, and answers that are always JSON where they say no.

The hot way is short: one look-up for the path, one pass over the headers, one typed decoding of the body, the plane, one write. What needs
longer than the event loop may wait for is done by threads; what is not hot (documentation, loading and unloading) is another application,
asked behind the same limits and keys.
"""

import asyncio
import itertools
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from barmill.errors import BarmillError
from barmill.serving.contract import Forecasting, Readiness
from barmill.serving.http.bodies import Bodies
from barmill.serving.http.forecasts import Forecasts, nowhere_else
from barmill.serving.http.hosts import check_origin
from barmill.serving.http.keys import ANYBODY, Known, Principal, bearer
from barmill.serving.http.limits import Buffered, Headers, Limits, Receive, TokenBuckets, linger, read_body, read_headers
from barmill.serving.http.open_inference import OpenInference
from barmill.serving.http.routing import Endpoint, Found, Request, Router, Routes, Work
from barmill.serving.http.statuses import Reply, RimRefusal, as_refusal, refused
from barmill.serving.http.turns import Turns
from barmill.serving.refusals import Refusal
from barmill.serving.telemetry import Silent, Telemetry

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

THREADS = 16  # that wait for forecasts which the event loop does not wait for
LARGE_BODY = 32 << 10  # bytes; a larger one is parsed by a thread
PARSING = 2  # threads that do: what is parsed takes many times its bytes
GRACE_SECONDS = 0.5  # after its deadline a request of the plane, which keeps deadlines itself, is given up
METRICS_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_JSON_TYPES = frozenset({"application/json", "application/octet-stream", "application/vnd.api+json"})
_CLOSE = (b"connection", b"close")
_SERVER = (b"server", b"barmill")
_UNTRACED = nullcontext()


PAGES: Routes = {
    "/docs": {"GET": Endpoint(None)},
    "/openapi.json": {"GET": Endpoint(None)},
    "/v1/models/*/aliases/*": {"PUT": Endpoint(None, "manage", body=True), "DELETE": Endpoint(None, "manage")},
    "/v2/repository/models/*/load": {"POST": Endpoint(None, "manage", body=True)},
    "/v2/repository/models/*/unload": {"POST": Endpoint(None, "manage", body=True)},
}


@dataclass(frozen=True, slots=True)
class Rim:
    """What stands between a stranger and the plane.

    rates : that are counted with others of this process; None counts them alone, as `limits` says
    keys : None where none are asked for
    hosts : that a request may name, without port; None for any
    telemetry : is told what was refused before the plane saw it
    render : the metrics, in Prometheus' text form; None where there are none
    pages : an ASGI application beside the hot routes: documentation and management; None for none
    elsewhere : whether another process keeps a stream of a model
    traced : whether a span is made of each request
    """

    limits: Limits = field(default_factory=Limits)
    rates: TokenBuckets | None = None
    keys: Known | None = None
    hosts: Collection[str] | None = None
    telemetry: Telemetry = field(default_factory=Silent)
    render: Callable[[], bytes] | None = None
    pages: Any = None
    elsewhere: Callable[[str, str], bool] = nowhere_else
    traced: bool = False
    clock: Callable[[], float] = time.monotonic

    def span(self, request: Request) -> AbstractContextManager[Any]:
        """A stretch of work to trace; none, at no cost, where nobody traces."""
        if not self.traced:
            return _UNTRACED
        return self.telemetry.span("request", path=request.path, request_id=request.request_id, traceparent=request.headers.traceparent)


class Application:
    """Answers HTTP over a plane. `draining` is set while the process goes down: every answer then closes its connection."""

    def __init__(self, plane: Forecasting, rim: Rim | None = None) -> None:
        self._rim = rim = rim or Rim()
        self._limits = rim.limits
        self._plane = plane
        self._router = Router(
            {
                **Forecasts(plane, Bodies(rim.limits), self._readiness, rim.elsewhere).routes,
                **OpenInference(plane, rim.limits, self._readiness).routes,
                "/metrics": {"GET": Endpoint(self._metrics, "read")},
                **({} if rim.pages is None else PAGES),
            }
        )
        self._rates = rim.rates or TokenBuckets(rim.limits.rate, rim.limits.burst, rim.clock)
        self._threads = ThreadPoolExecutor(THREADS, "barmill-http")
        self._parsing = ThreadPoolExecutor(PARSING, "barmill-json")
        self._ids = itertools.count(1)
        self._prefix = secrets.token_hex(4)
        self._buffered = Buffered(rim.limits.max_buffered)
        self.turns = Turns(rim.limits.max_pending, self._tell_turned_away)
        self._waiting = 0  # requests that threads work at, or will
        self.draining = False
        self.pending = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _begin_and_end(scope, receive, send)
            return
        if self.turns.full(scope["path"]):
            await self.turns.turn_away(scope, receive, send, close=self.draining)
            return
        self.pending += 1
        try:
            await self.turns.take()
            request_id = f"{self._prefix}-{next(self._ids):x}"
            reply, request_id = await self._reply(scope, receive, request_id)
            headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body)), (b"x-request-id", request_id.encode()), _SERVER]
            if reply.close or self.draining:
                headers.append(_CLOSE)
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            if not reply.close:
                await send({"type": "http.response.body", "body": reply.body})
                return
            await send({"type": "http.response.body", "body": reply.body, "more_body": True})
            await linger(receive)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.pending -= 1

    def _tell_turned_away(self, count: int) -> None:
        self._rim.telemetry.refused("", "unavailable", "overloaded", 0.0, count)
        self._rim.telemetry.event("overloaded", "warning", refused=count, waiting=len(self.turns))

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._parsing.shutdown(wait=False, cancel_futures=True)

    async def _reply(self, scope: Scope, receive: Receive, request_id: str) -> tuple[Reply, str]:
        """The answer, whatever happens, and the id under which it is logged."""
        began = self._rim.clock()
        whole = False  # whether the body was read: else the connection cannot be used again
        told = False  # whether the plane has told of the refusal itself
        principal, headers = ANYBODY, Headers()
        try:
            headers = read_headers(scope["headers"], self._limits)
            if headers.request_id is not None and _REQUEST_ID.fullmatch(headers.request_id):
                request_id = headers.request_id
            whole = headers.content_length in (None, 0) and not headers.chunked
            found, endpoint = self._found(scope, headers)
            principal = self._principal(endpoint, headers, scope["client"])
            if endpoint.body:
                _check_type(headers)
            body = b"" if whole else await read_body(receive, headers, self._limits, self._buffered)
            whole = True
            if endpoint.prepare is None:
                return await _of_page(self._rim.pages, scope, body), request_id
            request = Request(
                scope["path"],
                found.model,
                found.version,
                found.stream,
                headers,
                body,
                principal,
                request_id,
                began + self._limits.answer_seconds,
            )
            with self._rim.span(request):
                work = await self._prepared(endpoint.prepare, request)
                told = True
                return (work.call() if work.inline else await self._in_thread(work.call, request, self._threads)), request_id
        except BarmillError as error:
            refusal = as_refusal(error)
            if refusal.kind == "failed" and not isinstance(error, Refusal):
                self._tell_failure(request_id)
        except Exception:  # noqa: BLE001 - the last rim of a request: the log gets the traceback, the asker no word of it
            refusal = Refusal("failed", "failed", "", "something went wrong", mend="The server's log says what, under the request's id.")
            self._tell_failure(request_id)
        refusal.__traceback__ = refusal.__context__ = None  # which hold this frame, and so the body, until a collector comes by
        left = refusal.code == "body_cut_off"  # by the client, who was refused nothing, or by the connection, which has told why
        self._tell(refusal, request_id, principal, self._rim.clock() - began, counted=told or left)
        return refused(refusal, close=not (whole or await self._swallowed(receive, headers, refusal))), request_id

    async def _swallowed(self, receive: Receive, headers: Headers, refusal: Refusal) -> bool:
        """Read the body of what was refused for another reason than the body, if it is small, so that its connection goes on."""
        if refusal.kind == "too_large" or not 0 < (headers.content_length or 0) <= LARGE_BODY:
            return False
        try:
            await read_body(receive, headers, self._limits, self._buffered)
        except Refusal:
            return False
        return True

    def _found(self, scope: Scope, headers: Headers) -> tuple[Found, Endpoint]:
        """The route and endpoint that are asked. Raises Refusal for a path that is too long, a host that is not ours, or no route."""
        if len(scope["path"]) + len(scope["query_string"]) > self._limits.max_path:
            expected = f"at most {self._limits.max_path} bytes"
            raise RimRefusal(414, "too_large", "path_too_long", "path", "is too long", expected=expected)
        check_origin(headers, self._rim.hosts)
        return self._router.find(scope["path"], scope["method"])

    def _principal(self, endpoint: Endpoint, headers: Headers, client: tuple[str, int] | None) -> Principal:
        """Who asks. Raises Refusal for a key that is unknown or has not the scope, and above the rate."""
        if endpoint.scope is None:
            return ANYBODY
        keys = self._rim.keys
        principal = ANYBODY if keys is None else keys.principal(bearer(headers.authorization, headers.api_key))
        if endpoint.scope not in principal.scopes:
            raise Refusal("forbidden", "no_scope", "authorization", f"may not {endpoint.scope}", mend="Ask for a key with that scope.")
        self._rates.take(principal.name or (client or ("",))[0])
        return principal

    async def _prepared(self, prepare: Callable[[Request], Work], request: Request) -> Work:
        if len(request.body) <= LARGE_BODY:
            return prepare(request)
        return await self._in_thread(lambda: prepare(request), request, self._parsing)

    async def _in_thread(self, call: Callable[[], Any], request: Request, threads: ThreadPoolExecutor) -> Any:
        """What `call` returns, from one of `threads`. Raises Refusal (timed out) where neither it nor the plane keeps the deadline."""
        if self._waiting >= self._limits.max_pending:
            found = f"{self._waiting} requests are pending"
            raise Refusal("unavailable", "overloaded", "server", found, mend="Try again.", retry_after=1.0)
        left = request.deadline + GRACE_SECONDS - self._rim.clock()
        self._waiting += 1
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(threads, call), max(left, 0.001))
        except TimeoutError:
            found = f"no answer within {self._limits.answer_seconds:g} s"
            raise Refusal("timed_out", "timed_out", "deadline", found, mend="Try again.", retry_after=1.0) from None
        finally:
            self._waiting -= 1

    def _readiness(self, model: str | None, version: str | None) -> Readiness:
        return Readiness(False, ("it is shutting down",)) if self.draining else self._plane.readiness(model, version)

    def _metrics(self, request: Request) -> Work:
        del request
        render = self._rim.render
        if render is None:
            raise Refusal("not_found", "no_metrics", "path", "this server keeps no metrics")
        return Work(False, lambda: Reply(200, render(), (METRICS_TYPE,)))

    def _tell(self, refusal: Refusal, request_id: str, principal: Principal, seconds: float, *, counted: bool) -> None:
        if not counted:
            self._rim.telemetry.refused("", refusal.kind, refusal.code, seconds)
        level = "error" if refusal.kind == "failed" else "info"
        told = {"request_id": request_id, "principal": principal.name, "kind": refusal.kind, "code": refusal.code}
        self._rim.telemetry.event("request_refused", level, **told, field=refusal.place, seconds=seconds)

    def _tell_failure(self, request_id: str) -> None:
        self._rim.telemetry.event("request_failed", "error", request_id=request_id, traceback=traceback.format_exc())


def _check_type(headers: Headers) -> None:
    """Refuse what is no JSON, also so that no web page of a stranger can send a form, and what is packed."""
    kind = headers.content_type
    if kind is not None and kind != "application/json" and kind.partition(";")[0].strip().lower() not in _JSON_TYPES:
        raise Refusal("unsupported", "not_json", "content-type", "is not spoken here", expected="application/json")
    coding = headers.content_encoding
    if coding is not None and coding.strip().lower() != "identity":
        found, mend = "packed bodies are not unpacked", "Send it as it is."
        raise Refusal("unsupported", "packed_body", "content-encoding", found, expected="identity", mend=mend)


async def _of_page(pages: Any, scope: Scope, body: bytes) -> Reply:
    """The whole answer of an ASGI application to a request whose body was read."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await pages(scope, receive, send)
    headers = tuple((name, value) for name, value in sent[0]["headers"] if name != b"content-length")
    return Reply(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), headers)


async def _begin_and_end(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI's lifespan, of which nothing is made; anything else is not spoken."""
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


__all__ = ["Application", "Rim"]
