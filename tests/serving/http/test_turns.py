"""More requests than can be answered: so many wait, the rest are refused at once, and what is answered is right."""

import asyncio
import contextlib
import os
import threading
from collections import Counter

import httpx
import pytest

from barmill.serving.http.application import Rim
from barmill.serving.http.limits import Limits
from barmill.serving.http.turns import EACH_ROUND, RESERVED, Turns, is_whole_post

FORECAST = "/v1/models/logistic/forecast"
MOST = 40


class Telling(type(Rim().telemetry)):
    """Keeps what it is told of refusals."""

    def __init__(self):
        self.told = Counter()

    def refused(self, model, kind, code, seconds, count=1):
        self.told[model, kind, code] += count


@pytest.fixture
def telling():
    return Telling()


@pytest.fixture
def crowded(plane, asking, telling):
    return asking(plane, Rim(limits=Limits(max_pending=MOST), telemetry=telling))


def at_once(ask, requests):
    """The answers to requests that all come in one round of the event loop, and how many were let in at most."""
    most = 0

    async def one(method, path, body):
        nonlocal most
        host = [(b"host", b"127.0.0.1")]
        headers = [*host, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))] if body else host
        found = await ask.raw(method, path, [body], headers)
        most = max(most, ask.application.pending)
        return found

    async def everyone():
        return await asyncio.gather(*(one(*request) for request in requests))

    return asyncio.run(everyone()), most


def test_so_many_are_answered_and_the_rest_are_told_to_come_again(crowded, row, telling):
    alone = crowded.post(FORECAST, {"features": row})
    assert alone.status == 200
    request = ("POST", FORECAST, httpx.Request("POST", "http://x", json={"features": row}).content)
    for _ in range(2):  # and afterwards all is as before
        answers, most = at_once(crowded, [request] * 300)
        assert Counter(answer.status for answer in answers) == {200: EACH_ROUND + MOST, 503: 300 - EACH_ROUND - MOST}
        assert [answer.status for answer in answers[: EACH_ROUND + MOST]] == [200] * (EACH_ROUND + MOST)  # in the order in which they came
        assert most <= EACH_ROUND + MOST
        for answer in answers:
            if answer.status == 200:
                assert answer.body == alone.body
            else:
                assert (answer.json["code"], answer.headers["retry-after"]) == ("overloaded", "1")
                assert set(answer.json) == {"error", "code", "field"}
        assert crowded.post(FORECAST, {"features": row}).body == alone.body
    assert crowded.application.pending == len(crowded.application.turns) == 0


def test_who_asks_whether_it_lives_is_answered_while_others_are_refused(crowded, row):
    crowd = [("POST", FORECAST, httpx.Request("POST", "http://x", json={"features": row}).content)] * 200
    answers, _ = at_once(crowded, [*crowd, ("GET", "/v1/health", b""), ("GET", "/v1/models", b""), ("GET", "/v2/health/ready", b"")])
    assert [answer.status for answer in answers[-3:]] == [200, 503, 200]
    answers, _ = at_once(crowded, [*crowd, *[("GET", "/v1/health", b"")] * 50])  # of whom there is no end of places either
    assert Counter(answer.status for answer in answers[200:]) == {200: RESERVED, 503: 50 - RESERVED}


def test_a_large_body_that_is_turned_away_is_heard_to_its_end(crowded, row):
    crowd = [("POST", FORECAST, httpx.Request("POST", "http://x", json={"features": row}).content)] * 100
    answers, _ = at_once(crowded, [*crowd, ("POST", FORECAST, b"[" * 100_000)])
    assert answers[-1].status == 503
    assert answers[-1].headers["connection"] == "close"
    assert "connection" not in answers[-2].headers


def test_those_turned_away_are_told_of_together(telling):
    told = []

    async def turned_away():
        turns = Turns(0, told.append)
        for _ in range(7):
            turns.count_away()
        assert told == []
        turns._tell_of_them()
        turns.count_away()
        turns._tell_of_them()

    asyncio.run(turned_away())
    assert told == [7, 1]


def test_metrics_count_each_of_those_turned_away(crowded, telling):
    crowded.application._tell_turned_away(5)
    assert telling.told == {("", "unavailable", "overloaded"): 5}


def test_one_who_waits_no_longer_takes_no_turn():
    order = []

    async def take(turns, name):
        await turns.take()
        order.append(name)

    async def everyone():
        turns = Turns(10, order.append)
        tasks = [asyncio.ensure_future(take(turns, number)) for number in range(EACH_ROUND + 3)]
        await asyncio.sleep(0)
        assert len(turns) == 3
        tasks[EACH_ROUND].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(turns)

    assert asyncio.run(everyone()) == 0
    assert order == [number for number in range(EACH_ROUND + 3) if number != EACH_ROUND]


HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (HEAD + b"\r\n{}", True),
        (HEAD.replace(b"Content-Length: 2", b"content-length:2") + b"\r\n{}", True),
        (HEAD + b"Content-Type: application/json\r\nConnection: keep-alive\r\n\r\n{}", True),
        (HEAD + b"\r\n{", False),
        (HEAD + b"\r\n{}" + HEAD, False),
        (HEAD, False),
        (HEAD[5:] + b"\r\n{}", False),
        (HEAD.replace(b"POST", b"GET") + b"\r\n{}", False),
        (HEAD.replace(b"1.1", b"1.0") + b"\r\n{}", False),
        (HEAD + b"Content-Length: 2\r\n\r\n{}", False),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n{}", False),
        (HEAD + b"Connection: close\r\n\r\n{}", False),
        (HEAD + b"Expect: 100-continue\r\n\r\n{}", False),
        (HEAD.replace(b"Content-Length", b"X: Content-Length") + b"\r\n{}", False),
        (HEAD.replace(b"\r\nContent", b"\r\n Content") + b"\r\n{}", False),
        (HEAD.replace(b"\r\nContent", b"\nContent") + b"\r\n{}", False),
        (HEAD.replace(b": 2", b": +2") + b"\r\n{}", False),
        (HEAD.replace(b": 2", b": 2, 2") + b"\r\n{}", False),
    ],
)
def test_only_a_request_whose_end_nobody_could_doubt_is_whole(data, whole):
    assert is_whole_post(data) is whole


def test_a_server_that_is_full_says_so_whatever_it_is_asked_and_however_it_comes(plane, run, row, telling):
    """Parsed or not, the answers are the same, and the connection goes on."""
    body = httpx.Request("POST", "http://x", json={"features": row}).content
    request = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        FORECAST.encode(),
        len(body),
    )
    chunked = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" % FORECAST.encode()
    other = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    health = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with (
        run(plane, Rim(limits=Limits(max_pending=0), telemetry=telling, hosts={"127.0.0.1"})) as server,
        server.connect(60) as connection,
        connection.makefile("rb") as file,
    ):
        said = []
        for asked in (request + body, request + body, other, request + body + request + body, health, request + body):
            connection.sendall(asked)
            said += [_read(file) for _ in range(asked.count(b" HTTP/1.1"))]
        connection.sendall(request + body[:10])
        connection.sendall(body[10:] + health)
        said += [_read(file), _read(file)]
        assert [answer.status for answer in said] == [503] * 5 + [200, 503, 503, 200]
        assert len({answer.body for answer in said if answer.status == 503}) == 1
        connection.sendall(chunked)
        assert _read(file) == said[0]
        assert file.read() == b""  # of what has no length the end is not waited for


def test_thousands_of_idle_connections_are_no_concern_of_others(plane, run, row):
    """As many as the limit of open files allows, of which each costs this test two; all of them still work afterwards."""
    idle = int(os.environ.get("BARMILL_IDLE_CONNECTIONS", "1000"))
    health = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with run(plane, Rim(hosts={"127.0.0.1"})) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(60)) for _ in range(idle)]
        with httpx.Client(base_url=server.url, timeout=60) as client:
            answers = [client.post(FORECAST, json={"features": row}) for _ in range(50)]
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.content for answer in answers}) == 1
        for connection in connections[:: max(idle // 100, 1)]:
            connection.sendall(health)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


class Standing:
    """A plane on which the event loop stands still until it is let go on."""

    def __init__(self, plane):
        self._plane = plane
        self.stands, self.goes_on = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self._plane, name)

    def forecast(self, ask, features, names=None):
        if not self.goes_on.is_set():
            self.stands.set()
            assert self.goes_on.wait(60)
        return self._plane.forecast(ask, features, names)


def test_a_crowd_at_a_server_is_answered_or_refused_and_each_keeps_its_connection(plane, run, row, telling):
    standing = Standing(plane)
    limits = Limits(max_pending=MOST)
    body = httpx.Request("POST", "http://x", json={"features": row}).content
    head = f"POST {FORECAST} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    with run(standing, Rim(limits=limits, telemetry=telling, hosts={"127.0.0.1"})) as server:
        files = []
        for _ in range(200):
            connection = server.connect(60)
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            files.append((connection, connection.makefile("rb")))
            assert _read(files[-1][1]).status == 200
        files[0][0].sendall(request)
        assert standing.stands.wait(60)
        for connection, _ in files[1:]:
            connection.sendall(request)
        standing.goes_on.set()
        answers = [_read(file) for _, file in files]
        found = Counter(answer.status for answer in answers)
        assert set(found) == {200, 503}
        assert found[200] >= MOST
        assert {answer.body for answer in answers if answer.status == 200} == {answers[0].body}
        for connection, file in files:  # one after the other
            connection.sendall(request)
            assert _read(file) == answers[0]
            file.close()
            connection.close()
        assert server.application.pending == 0


class _Answer(tuple):
    status = property(lambda self: self[0])
    body = property(lambda self: self[1])


def _read(file):
    status, length = int(file.readline().split()[1]), 0
    while (line := file.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return _Answer((status, file.read(length)))
