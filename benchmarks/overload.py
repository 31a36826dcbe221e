"""What a server does with more requests than it can answer, asked by a client that does not wait for it.

    python -m benchmarks.overload [--seconds N] [--connections N] [--times N] [--rounds N]

`barmill serve` is one process and the client another. The client first asks as fast as answers come, which is what the server can do; then
it asks by a schedule that takes no notice of answers: at a low rate, at half of that, at several times that, and at half again. A request's
latency counts from when it was due, so that what waits for a connection has waited; the time of a refusal counts from when it was sent.
Server and client share the machine's cores: the CPU time that the server took for each answer and each refusal says what a machine of its
own would give.
"""

import argparse
import contextlib
import json
import os
import select
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.serving import begun, free_port, make_bundle, row_of, until_it_answers
from benchmarks.serving_memory import resident, serving

FORECAST = "/v1/models/logistic/forecast"
PATIENCE = 20.0  # seconds after the last request was due


@dataclass
class Seen:
    """Of each status: when each request was due, how long after that and after it was sent its answer was there; seconds."""

    times: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    retry_after: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    cpu: float = 0.0  # seconds of the server

    def count(self, status: str = "") -> int:
        return sum(len(times) for name, times in self.times.items() if status in (name, ""))

    def quantiles(self, status: str, column: int) -> str:
        found = np.array(self.times.get(status, []))
        return "" if not len(found) else " / ".join(f"{1e3 * one:.1f}" for one in np.quantile(found[:, column], [0.5, 0.99]))


class Connection:
    """A socket that has one request on its way, or none."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._read = b""
        self.due = self.sent = 0.0

    def answer(self) -> tuple[str, bytes] | None:
        """Status and head once the answer is whole; raises ConnectionError at the connection's end."""
        part = self.socket.recv(1 << 16)
        if not part:
            raise ConnectionError
        self._read += part
        head, gap, body = self._read.partition(b"\r\n\r\n")
        if not gap or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return None
        self._read = b""
        return head[9:12].decode(), head


def asked(port: int, request: bytes, due: Generator[float | None], connections: int, *, waits: bool = False) -> Seen:
    """Ask as `due` says: a time of this process's clock, None for not yet, and its end for no more.

    waits : for a connection, before it asks what is due next
    """
    poll, of, idle, waiting, seen = select.epoll(), dict[int, Connection](), list[Connection](), deque[float](), Seen()
    began, more, last = time.perf_counter(), True, 0.0
    while more or waiting or len(idle) < len(of):
        while more and not (waits and len(waiting) >= len(idle) + connections - len(of)) and (at := next(due, 0.0)) is not None:
            if at:
                waiting.append(at)
                last = at
            more = bool(at)
        while waiting and (idle or len(of) < connections):
            connection = idle.pop() if idle else _connected(port, poll, of)
            connection.due, connection.sent = waiting.popleft(), time.perf_counter()
            connection.socket.send(request)
        if not more and time.perf_counter() > last + PATIENCE:
            break
        for number, _ in poll.poll(0.0005):
            connection = of[number]
            try:
                found = connection.answer()
            except ConnectionError:
                poll.unregister(number)
                del of[number]
                connection.socket.close()
                continue
            if found is not None:
                now, (status, head) = time.perf_counter(), found
                seen.times.setdefault(status, []).append((connection.due - began, now - connection.due, now - connection.sent))
                seen.retry_after += b"\r\nretry-after: " in head
                idle.append(connection)
    seen.seconds, seen.unanswered = time.perf_counter() - began, len(waiting) + len(of) - len(idle)
    for connection in of.values():
        connection.socket.close()
    return seen


def _connected(port: int, poll: select.epoll, of: dict[int, Connection]) -> Connection:
    connection = Connection(port)
    of[connection.socket.fileno()] = connection
    poll.register(connection.socket.fileno(), select.EPOLLIN)
    return connection


def scheduled(rate: float, seconds: float) -> Generator[float | None]:
    """Requests that are due `rate` times a second, whatever becomes of them."""
    began = time.perf_counter() + 0.01
    for number in range(int(rate * seconds)):
        while (at := began + number / rate) > time.perf_counter():
            yield None
        yield at


def at_once(seconds: float) -> Generator[float | None]:
    """Requests that are due as soon as there is a connection for them."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield time.perf_counter()


def cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    port: int
    process: int
    request: bytes

    def asked(self, due: Generator[float | None], connections: int, *, waits: bool = False) -> Seen:
        before = cpu(self.process)
        seen = asked(self.port, self.request, due, connections, waits=waits)
        seen.cpu = cpu(self.process) - before
        return seen


def line(name: str, rate: float, seen: Seen) -> None:
    ok, refused = seen.count("200"), seen.count("503") + seen.count("429")
    other = seen.count() - ok - refused + seen.unanswered
    told = [name, f"{rate:,.0f}" if rate else "", f"{ok / seen.seconds:,.0f}", seen.quantiles("200", 1), f"{refused / seen.seconds:,.0f}"]
    print("|", " | ".join([*told, seen.quantiles("503", 2), str(other), f"{1e6 * seen.cpu / max(seen.count(), 1):.0f}"]), "|", flush=True)


def report(server: Server, told: argparse.Namespace) -> None:
    server.asked(at_once(1.0), 32, waits=True)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {told.connections} connections at most\n")
    print("| asked | a second | answered a second | p50 / p99 ms since due | refused a second | p50 / p99 ms since sent | other | CPU µs |")
    print("|---|---|---|---|---|---|---|---|")
    goodputs: list[float] = []
    for _ in range(told.rounds):
        full = server.asked(at_once(told.seconds), 64, waits=True)
        capacity = full.count("200") / full.seconds
        line("64 connections, as fast as it answers", 0, full)
        line("hardly", 50, server.asked(scheduled(50, told.seconds), told.connections))
        line("half", capacity / 2, server.asked(scheduled(capacity / 2, told.seconds), told.connections))
        before = resident(server.process)
        over = server.asked(scheduled(told.times * capacity, told.seconds), told.connections)
        line(f"{told.times:g} times", told.times * capacity, over)
        grown = resident(server.process) - before
        after = server.asked(scheduled(capacity / 2, told.seconds), told.connections)
        line("half, after that", capacity / 2, after)
        late = [due for status, times in after.times.items() for due, _, sent in times if status != "200" or sent > 0.1]
        goodput = over.count("200") / over.seconds
        goodputs.append(goodput / capacity)
        refused = over.count("503") + over.count("429")
        each = (over.cpu - over.count("200") * full.cpu / max(full.count(), 1)) / max(refused, 1)
        print(f"\ngoodput {goodput / capacity:.0%} of what it can do, {over.retry_after:,} of {refused:,} refusals with Retry-After,")
        print(f"each {1e6 * each:.0f} µs CPU beside {1e6 * full.cpu / max(full.count(), 1):.0f} of an answer; {grown:+.1f} MiB;")
        print(f"all answered within 100 ms again {max(late, default=0.0):.2f} s after\n", flush=True)
    print(f"median goodput {np.median(goodputs):.0%} of what it can do, at {told.times:g} times as much")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each rate")
    parser.add_argument("--connections", type=int, default=400, help="that the client opens at most")
    parser.add_argument("--times", type=float, default=3.0, help="as much as the server can answer")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        port = free_port()
        command = [sys.executable, "-m", "barmill.cli", "serve", str(make_bundle(Path(name))), "--port", str(port), "--log-level", "error"]
        stack.enter_context(begun(command, port, Path.cwd()))
        body = json.dumps({"features": row_of(port, "logistic")}).encode()
        until_it_answers(port, FORECAST, body)
        head = f"POST {FORECAST} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        report(Server(port, serving(port), head.encode() + body), told)


if __name__ == "__main__":
    main()
