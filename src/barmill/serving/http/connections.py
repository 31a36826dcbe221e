"""HTTP/1.1 over one connection: uvicorn's, with the bounds that it leaves to others.

Uvicorn waits for the rest of a head without end, takes heads of any size and any number of requests at once, and for a client that reads
no answers. Here each phase of a connection has a time and each heap a bound, and what is no HTTP is told so in JSON.
"""

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from barmill.serving.http.limits import Limits
from barmill.serving.http.statuses import Reply, RimRefusal, refused
from barmill.serving.http.turns import TURNED_AWAY, Turns, is_whole_post
from barmill.serving.refusals import Refusal
from barmill.serving.telemetry import Silent, Telemetry

MAX_CONNECTIONS = 8192  # open at a time in one process
MAX_PIPELINED = 64  # requests of one connection that wait for the one before
LINGER_SECONDS = 2.0  # in which a client that is still sending may read that it was refused
READ_SECONDS = 15.0  # in which a client reads what is written to it

_LONGEST_HEAD = 16 << 10  # bytes beyond those of our own limits, in which a head is refused with reasons of its own


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    limits = Limits()
    telemetry: Telemetry = Silent()
    turns: Turns | None = None

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = self.limits.idle_seconds  # pyright: ignore[reportAttributeAccessIssue]  whole seconds elsewhere
        self._head_bytes = 0  # of a head that is not whole
        self._in_head = False
        self._half_closed = self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._head_timer = self.loop.call_later(self.limits.header_seconds, self._head_is_late)
        if len(self.connections) > MAX_CONNECTIONS:
            found = f"{MAX_CONNECTIONS} connections are open"
            self._refuse(Refusal("unavailable", "too_many_connections", "server", found, mend="Try again.", retry_after=1.0))

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._body_timer, self._reading_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self.turns is not None:
            if self.turns.full() and self._is_at_rest() and is_whole_post(data):
                self._turn_away(self.turns)
                return
            self.turns.arrives()
        super().data_received(data)
        asked = self._asked
        if self._in_head or asked is None or asked.response_complete:
            self._wait_for_head(len(data))
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._wait_for_body(asked)

    def eof_received(self) -> bool | None:  # pyright: ignore[reportIncompatibleMethodOverride]  asyncio's own may say True
        """A client that says no more may still read what it asked for; TLS knows no half of a connection."""
        asked = self._asked
        waits = asked is not None and not asked.more_body and not asked.response_complete
        self._half_closed = waits and self.scheme == "http"
        return self._half_closed or None

    def pause_writing(self) -> None:
        self._reading_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._reading_timer is not None:
            self._reading_timer.cancel()
        super().resume_writing()

    # of the parser and of a request

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self.pipeline.clear()
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._half_closed and not self.pipeline and self.cycle.response_complete:
            self.transport.close()
        if self.transport.is_closing():
            self._end_within(READ_SECONDS)

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(RimRefusal(400, "malformed", "malformed_http", "request", "is no HTTP/1.1", mend="Send what RFC 9112 describes."))

    def timeout_keep_alive_handler(self) -> None:
        self._let_go()

    # bounds

    def _is_at_rest(self) -> bool:
        """Whether what comes next begins a request, and its answer can be written."""
        asked = self._asked
        answered = asked is None or (asked.response_complete and not asked.more_body)
        return answered and not (self._in_head or self._head_bytes or self.pipeline or self.flow.write_paused)

    def _turn_away(self, turns: Turns) -> None:
        """Refuse a request of which nothing is parsed: where there are too many, what this takes is missing to those that are answered."""
        turns.count_away()
        self.transport.write(TURNED_AWAY)
        self._unset_keepalive_if_required()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    @property
    def _asked(self) -> RequestResponseCycle | None:
        """The last request of the connection, None before the first."""
        return self.cycle

    def _wait_for_head(self, size: int) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.header_seconds, self._head_is_late)
        self._head_bytes += size
        if self._head_bytes > self.limits.max_header_bytes + self.limits.max_path + _LONGEST_HEAD:
            expected = f"at most {self.limits.max_headers} headers of {self.limits.max_header_bytes} bytes in all"
            self._refuse(RimRefusal(431, "too_large", "headers_too_large", "headers", "do not end", expected=expected))

    def _wait_for_body(self, asked: RequestResponseCycle | None) -> None:
        """However it trickles: the time is that of the whole."""
        waits = asked is not None and asked.more_body and not asked.response_complete
        if waits and self._body_timer is None:
            self._body_timer = self.loop.call_later(self.limits.body_seconds, self._body_is_late)
        elif not waits and self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _body_is_late(self) -> None:
        self._body_timer = None
        if self._asked is not None and self._asked.more_body and not self._asked.response_started:
            found = f"was not whole after {self.limits.body_seconds:g} s"
            self._refuse(RimRefusal(408, "timed_out", "body_too_slow", "body", found, mend="Send it at once."))

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._let_go()

    def _let_go(self) -> None:
        """Close, also where an answer lies that the client does not read."""
        self.transport.abort() if self.transport.get_write_buffer_size() else self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Say no and hear no more; what is asked on this connection already is not answered."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.telemetry.refused("", refusal.kind, refusal.code, 0.0)
        self.pipeline.clear()
        if self._asked is not None:
            self._asked.disconnected = True
            self._asked.message_event.set()
        self.transport.write(_raw(refused(refusal, close=True)))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._end_within(LINGER_SECONDS)

    def _end_within(self, seconds: float) -> None:
        """Once; a connection that is lost before is not held until then."""
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(seconds, self.transport.abort)


def _raw(reply: Reply) -> bytes:
    headers = (*reply.headers, (b"content-length", b"%d" % len(reply.body)), (b"connection", b"close"))
    return b"".join((STATUS_LINE[reply.status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n", reply.body))


__all__ = ["Connection"]
