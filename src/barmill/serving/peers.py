"""Several worker processes as one server: each stream belongs to one of them, and the others pass on what concerns it.

A stream's worker follows from the names of its model and itself, so that every worker knows it without asking. What is passed on goes over
a Unix socket in a folder of the server's own, as typed messages with the bits of every array, to a thread of the worker that owns the
stream: no event loop waits for another.
"""

import contextlib
import hashlib
import os
import socket
import socketserver
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import msgspec
import numpy as np

from barmill.errors import BarmillError
from barmill.market import Bar
from barmill.serving.aliases import AliasStatus
from barmill.serving.answers import Answer, Ask, Float64Array, RawBars, StreamStatus, VersionStatus
from barmill.serving.contract import Finding, Forecasting, Readiness, Served
from barmill.serving.refusals import Kind, Refusal

F = TypeVar("F", bound=Finding)

MAX_FRAME = 64 << 20  # bytes; more comes from nobody of ours
LATEST_SECONDS = 60.0  # how long a caller without a deadline waits
POOLED = 8  # connections to each worker that are kept open
_LENGTH = struct.Struct("<I")


class Call(msgspec.Struct, frozen=True):
    """What one worker asks another. `seconds` are left until the deadline: clocks of processes need not agree."""

    what: Literal["push", "extend", "stream", "drop", "metrics"]
    ask: Ask = Ask()
    seconds: float = LATEST_SECONDS
    name: str = ""
    bar: Bar | None = None
    bars: RawBars | None = None


class Refused(msgspec.Struct, frozen=True):
    """A refusal, as it is passed on."""

    kind: Kind
    code: str
    place: str
    found: str
    expected: str
    mend: str
    retry_after: float


class Outcome(msgspec.Struct, frozen=True):
    """What it is told: one of these."""

    answer: Answer | None = None
    status: StreamStatus | None = None
    text: bytes | None = None
    refused: Refused | None = None


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [value.shape, np.ascontiguousarray(value).tobytes()]
    if isinstance(value, Mapping):  # a read-only view of one
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} is not passed between workers")


def _decoded(kind: Any, value: Any) -> Any:
    (dtype,) = get_args(get_args(kind)[1])
    shape, data = value
    return np.frombuffer(data, dtype=dtype).reshape(shape)


_encode = msgspec.msgpack.Encoder(enc_hook=_encoded).encode
_decode_call = msgspec.msgpack.Decoder(Call, dec_hook=_decoded).decode
_decode_outcome = msgspec.msgpack.Decoder(Outcome, dec_hook=_decoded).decode


def owner_of(model: str, stream: str, n_workers: int) -> int:
    """The worker, from 0, that keeps a stream."""
    return int.from_bytes(hashlib.blake2b(f"{model}\0{stream}".encode(), digest_size=8).digest(), "little") % n_workers


@dataclass(frozen=True, slots=True)
class Place:
    """Where this worker stands among its peers. folder : of their sockets"""

    worker: int
    n_workers: int
    folder: Path


class Peers:
    """The other workers. Safe to share between threads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._pools: dict[int, deque[socket.socket]] = {worker: deque(maxlen=POOLED) for worker in range(place.n_workers)}

    def ask(self, worker: int, call: Call) -> Outcome:
        """What a worker says. Raises Refusal (unavailable) for one that is not there, which is begun again within seconds."""
        payload = _encode(call)
        pool = self._pools[worker]
        while True:  # a connection of before the other's restart is broken, and shows it when it is used; a new one is not
            kept = pool.pop() if pool else None
            try:
                return self._asked(kept or _connect(self.place.folder, worker, call.seconds), pool, payload, call.seconds)
            except TimeoutError as error:
                found = "the stream's worker did not answer in time"
                raise Refusal("timed_out", "timed_out", "deadline", found, mend="Try again.", retry_after=1.0) from error
            except OSError as error:
                if kept is None:
                    found = "the worker that keeps it is being started again"
                    raise Refusal("unavailable", "worker_restarting", "stream", found, mend="Try again.", retry_after=1.0) from error

    def ask_others(self, call: Call) -> dict[int, Outcome]:
        """What every other worker says; one that is not there is left out."""
        found: dict[int, Outcome] = {}
        for worker in range(self.place.n_workers):
            if worker != self.place.worker:
                with contextlib.suppress(Refusal):
                    found[worker] = self.ask(worker, call)
        return found

    def close(self) -> None:
        """Close what is open."""
        for pool in self._pools.values():
            while pool:
                pool.pop().close()

    def _asked(self, connection: socket.socket, pool: "deque[socket.socket]", payload: bytes, seconds: float) -> Outcome:
        try:
            connection.settimeout(max(seconds, 0.001))
            _send(connection, payload)
            outcome = _decode_outcome(_receive(connection))
        except BaseException:
            connection.close()
            raise
        if len(pool) < POOLED:
            pool.append(connection)
        else:
            connection.close()
        return outcome


class PeerPlane:
    """A plane whose streams are spread over workers: what concerns a stream of another goes there, all else to `plane`."""

    def __init__(self, plane: Forecasting, peers: Peers, clock: Callable[[], float] = time.monotonic) -> None:
        self._plane = plane
        self._peers = peers
        self._clock = clock

    def elsewhere(self, model: str, stream: str) -> bool:
        """Whether another worker keeps a stream."""
        return owner_of(model, stream, self._peers.place.n_workers) != self._peers.place.worker

    def lease(self, ask: Ask) -> contextlib.AbstractContextManager[Served]:
        return self._plane.lease(ask)

    def forecast(self, ask: Ask, features: Float64Array, names: Sequence[str] | None = None) -> Answer:
        return self._plane.forecast(ask, features, names)

    def forecast_bars(self, ask: Ask, bars: RawBars, last: int = 1) -> Answer:
        return self._plane.forecast_bars(ask, bars, last)

    def consult(self, ask: Ask, work: Callable[[Served], F]) -> F:
        return self._plane.consult(ask, work)

    def index(self) -> Sequence[VersionStatus]:
        return self._plane.index()

    def aliases(self, model: str) -> Sequence[AliasStatus]:
        return self._plane.aliases(model)

    def readiness(self, model: str | None = None, version: str | None = None) -> Readiness:
        return self._plane.readiness(model, version)

    def push(self, ask: Ask, stream: str, bar: Bar) -> Answer:
        ask, owner = self._named(ask, stream)
        if owner is None:
            return self._plane.push(ask, stream, bar)
        return _answer(self._passed_on(owner, Call("push", ask, name=stream, bar=bar)))

    def extend(self, ask: Ask, stream: str, bars: RawBars) -> Answer:
        ask, owner = self._named(ask, stream)
        if owner is None:
            return self._plane.extend(ask, stream, bars)
        return _answer(self._passed_on(owner, Call("extend", ask, name=stream, bars=bars)))

    def stream(self, ask: Ask, stream: str) -> StreamStatus:
        ask, owner = self._named(ask, stream)
        return self._plane.stream(ask, stream) if owner is None else _status(self._passed_on(owner, Call("stream", ask, name=stream)))

    def drop(self, ask: Ask, stream: str) -> StreamStatus:
        ask, owner = self._named(ask, stream)
        return self._plane.drop(ask, stream) if owner is None else _status(self._passed_on(owner, Call("drop", ask, name=stream)))

    def _named(self, ask: Ask, stream: str) -> tuple[Ask, int | None]:
        """The same with the model's name, which the owner follows from, and that owner; None where it is this worker."""
        if ask.model is None:
            with self._plane.lease(ask) as served:
                ask = replace(ask, model=served.name)
        owner = owner_of(ask.model or "", stream, self._peers.place.n_workers)
        return ask, None if owner == self._peers.place.worker else owner

    def _passed_on(self, owner: int, call: Call) -> Outcome:
        left = call.ask.deadline - self._clock()
        if left <= 0:
            raise Refusal("timed_out", "timed_out", "deadline", "has passed already", expected="a deadline to come")
        seconds = min(left, LATEST_SECONDS)
        outcome = self._peers.ask(owner, msgspec.structs.replace(call, ask=replace(call.ask, deadline=0.0), seconds=seconds))
        if outcome.refused is not None:
            told = outcome.refused
            raise Refusal(
                told.kind, told.code, told.place, told.found, expected=told.expected, mend=told.mend, retry_after=told.retry_after
            )
        return outcome


class PeerServer:
    """Answers the other workers, with a thread for each connection of theirs."""

    def __init__(
        self,
        plane: Forecasting,
        place: Place,
        render: Callable[[], bytes] | None = None,
        failed: Callable[[BaseException], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plane, self._render, self._failed, self._clock = plane, render, failed, clock
        answer = self._answer

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the other has gone, and with it whoever waited
                    while True:
                        _send(self.request, _encode(answer(_decode_call(_receive(self.request)))))

        with _reachable(place.folder) as folder:
            path = Path(folder, f"{place.worker}.sock")
            path.unlink(missing_ok=True)
            self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
            path.chmod(0o600)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="barmill-peers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no further call."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, call: Call) -> Outcome:
        ask = replace(call.ask, deadline=self._clock() + call.seconds)
        try:
            if call.what == "push":
                assert call.bar is not None
                return Outcome(answer=self._plane.push(ask, call.name, call.bar))
            if call.what == "extend":
                assert call.bars is not None
                return Outcome(answer=self._plane.extend(ask, call.name, call.bars))
            if call.what == "stream":
                return Outcome(status=self._plane.stream(ask, call.name))
            if call.what == "drop":
                return Outcome(status=self._plane.drop(ask, call.name))
            return Outcome(text=b"" if self._render is None else self._render())
        except Refusal as refusal:
            fields = (refusal.kind, refusal.code, refusal.place, refusal.found, refusal.expected, refusal.mend, refusal.retry_after)
            return Outcome(refused=Refused(*fields))
        except Exception as error:  # noqa: BLE001 - the rim of a worker: the log gets the error, the other worker no word of it
            self._failed(error)
            found = "the worker that keeps it could not answer"
            return Outcome(refused=Refused("failed", "failed", "stream", found, "", "The server's log says why.", 0.0))


def _answer(outcome: Outcome) -> Answer:
    if outcome.answer is None:
        raise BarmillError("worker", "gave no answer")
    return outcome.answer


def _status(outcome: Outcome) -> StreamStatus:
    if outcome.status is None:
        raise BarmillError("worker", "gave no status of a stream")
    return outcome.status


@contextlib.contextmanager
def _reachable(folder: Path) -> Generator[str]:
    """A short path of `folder`: that of a Unix socket may have 107 bytes, and a folder's own may be longer."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _connect(folder: Path, worker: int, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(max(seconds, 0.001))
    try:
        with _reachable(folder) as short:
            connection.connect(f"{short}/{worker}.sock")
    except BaseException:
        connection.close()
        raise
    return connection


def _send(connection: socket.socket, payload: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(payload)) + payload)


def _receive(connection: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > MAX_FRAME:
        raise OSError("a frame that is too long")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view, at = memoryview(buffer), 0
    while at < size:
        count = connection.recv_into(view[at:])
        if not count:
            raise ConnectionResetError("the other end has gone")
        at += count
    return bytes(buffer)


__all__ = ["Call", "Outcome", "PeerPlane", "PeerServer", "Peers", "Place", "owner_of"]
