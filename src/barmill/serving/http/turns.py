"""Requests take turns at the event loop, so that it says no to those that are too many before it works for those that are not.

A forecast that the event loop makes itself is made where it stands, and whatever comes meanwhile waits behind it, unseen, in the loop's
own queue: with more requests than can be answered that queue has no end, and nobody is told. Here each round of the loop begins a few, and
looks at all that came: so many may wait, and the next is refused at once. To refuse costs a small part of an answer, or what is too much
would take the place of what can be answered.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from barmill.serving.http.limits import Receive, linger
from barmill.serving.http.statuses import JSON, Header, error_body

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

EACH_ROUND = 4  # requests that are begun in one round of the loop, which lets in one new connection: a thousand may stand before the door
RESERVED = 16  # further places for who asks whether the server lives: one that has much to do still does
TOLD_SECONDS = 1.0  # between two lines of the log on those that were turned away

URGENT = frozenset({"/v1/health", "/v1/ready", "/v2/health/live", "/v2/health/ready"})
OVERLOADED = error_body("server: more requests wait than may. Try again.", "overloaded", "server")
OVERLOADED_HEADERS: tuple[Header, ...] = (
    JSON,
    (b"retry-after", b"1"),
    (b"content-length", b"%d" % len(OVERLOADED)),
    (b"server", b"barmill"),
)
TURNED_AWAY = b"HTTP/1.1 503 Service Unavailable\r\n%b\r\n%b" % (b"".join(b"%b: %b\r\n" % one for one in OVERLOADED_HEADERS), OVERLOADED)

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,5})(?:\r\n|$)")
_UNUSUAL = re.compile(rb"transfer-encoding|close|expect|upgrade|\n[ \t]|[^\r]\n")


def is_whole_post(data: bytes) -> bool:
    """Whether `data` is one request with all of its body and nothing behind it, which can be answered without being parsed.

    Of anything unusual it is said that it is not: where another would see the request's end elsewhere, two answers could change places.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    if not head.startswith(b"post ") or b" http/1.1\r\n" not in head or head.count(b"content-length") != 1 or _UNUSUAL.search(head):
        return False
    length = _LENGTH.search(head)
    return length is not None and int(length[1]) == len(body)


class Turns:
    """Who waits for the event loop, in the order in which they came. For one event loop.

    most : how many may wait at a time
    tell : is told now and then how many were turned away
    """

    def __init__(self, most: int, tell: Callable[[int], None]) -> None:
        self._most, self._tell = most, tell
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = EACH_ROUND
        self._coming = 0  # requests that were read since the round began, and will ask for a turn in the next
        self._follows = False  # whether the next round is asked for
        self._turned_away = 0  # of whom nobody was told yet

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def full(self, path: str = "") -> bool:
        """Whether a request for `path` is one too many."""
        waiting = len(self._waiting) + self._coming
        return waiting >= self._most and (path not in URGENT or waiting >= self._most + RESERVED)

    def arrives(self) -> None:
        """Count what was read and may be a request, before it is parsed and asks for its turn."""
        self._coming += 1
        if not self._follows:
            self._ask_for_next()

    def count_away(self) -> None:
        """One more was refused. To tell of each would cost more than to refuse it."""
        if not self._turned_away:
            asyncio.get_running_loop().call_later(TOLD_SECONDS, self._tell_of_them)
        self._turned_away += 1

    async def turn_away(self, scope: Scope, receive: Receive, send: Send, *, close: bool) -> None:
        """Answer that there is too much to do, without a look at what is asked."""
        self.count_away()
        whole = all(name != b"transfer-encoding" and (name != b"content-length" or len(value) < 5) for name, value in scope["headers"])
        headers = OVERLOADED_HEADERS if whole and not close else (*OVERLOADED_HEADERS, (b"connection", b"close"))
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": OVERLOADED, "more_body": not whole})
        if not whole:  # a small body came with its head or soon will, and is passed over; of a large one the sender is to read the answer
            await linger(receive)
            await send({"type": "http.response.body", "body": b""})

    async def take(self) -> None:
        """Return when it is this request's turn: at once where nobody waits and the round is not full."""
        if not self._follows:
            self._ask_for_next()
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _ask_for_next(self) -> None:
        self._follows = True
        asyncio.get_running_loop().call_soon(self._next_round)

    def _next_round(self) -> None:
        """Runs behind all that had come before it was asked for."""
        self._left, self._coming, self._follows = EACH_ROUND, 0, False
        while self._waiting and self._left:
            turn = self._waiting.popleft()
            if not turn.done():  # one who was cancelled waits no longer
                self._left -= 1
                turn.set_result(None)
        if self._left < EACH_ROUND:
            self._ask_for_next()

    def _tell_of_them(self) -> None:
        count, self._turned_away = self._turned_away, 0
        self._tell(count)


__all__ = ["EACH_ROUND", "OVERLOADED", "OVERLOADED_HEADERS", "RESERVED", "TURNED_AWAY", "URGENT", "Turns", "is_whole_post"]
