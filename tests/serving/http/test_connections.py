"""Bounds of a connection that uvicorn leaves to others, each over a socket."""

import contextlib
import json
import re
import socket
import time

import httpx
import pytest

from barmill.serving.http import connections
from barmill.serving.http.application import Rim
from barmill.serving.http.limits import Limits
from barmill.serving.http.pages import make_pages
from barmill.serving.metrics import Metrics
from raw_http import statuses, until_end

HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def server(plane, run):
    with run(plane, Rim(limits=Limits(header_seconds=0.5, idle_seconds=0.5), hosts={"127.0.0.1"})) as found:
        yield found


def test_a_client_that_says_no_more_gets_all_that_it_asked_for(server):
    with server.connect() as connection:
        connection.sendall(HEALTH * 5)
        connection.shutdown(socket.SHUT_WR)
        assert statuses(until_end(connection)) == [200] * 5


def test_a_connection_is_closed_when_no_request_follows(server):
    with server.connect() as connection:
        connection.sendall(HEALTH)
        assert statuses(until_end(connection)) == [200]


@pytest.mark.parametrize("drop", [b"\r\n", b"X: 1\r\n"], ids=["blank lines", "headers"])
def test_a_head_that_trickles_is_no_faster_for_it(server, drop):
    with server.connect(0.02) as connection:
        connection.sendall(b"" if drop == b"\r\n" else HEALTH[:-2])
        dropped = 0
        for _ in range(1000):
            try:
                connection.sendall(drop)
                dropped += 1
                if not connection.recv(1000):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert dropped < 1000


def test_an_answer_that_is_on_its_way_outlives_the_time_for_the_next_head(server):
    with httpx.Client(base_url=server.url) as client:
        for _ in range(3):
            assert client.get("/v1/health").status_code == 200
            time.sleep(0.3)


def test_what_is_no_http_is_told_so_in_json(server):
    with server.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\xfc\x03\x03 nothing\r\n\r\n")
        answer = until_end(connection)
    assert statuses(answer) == [400]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed_http"


def test_a_refused_request_is_not_answered_a_second_time(server):
    with server.connect() as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n")
        assert statuses(until_end(connection)) == [400]


def test_what_a_connection_refuses_is_counted_once_by_its_code(plane, run):
    metrics = Metrics()
    limits = Limits(header_seconds=5.0, body_seconds=0.2, max_header_bytes=1000)
    asked = {
        "headers_too_large": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
        "body_too_slow": b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
        "malformed_http": b"\x00\r\n\r\n",
    }
    with run(plane, Rim(limits=limits, hosts={"127.0.0.1"}, telemetry=metrics)) as server:
        for request in asked.values():
            with server.connect() as connection:
                connection.sendall(request)
                until_end(connection)
    counted = [line for line in metrics.render().decode().splitlines() if line.startswith("barmill_refusals_total")]
    assert sorted(re.search(r'code="(\w+)"', line)[1] for line in counted) == sorted(asked)
    assert all(line.endswith(" 1.0") for line in counted)


def test_requests_that_nobody_waits_for_are_not_kept(server):
    """One packet of thousands is let go of; what was answered before then is whole."""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(HEALTH * 20_000)
        assert len(statuses(until_end(connection))) < 20_000
    assert httpx.get(server.url + "/v1/health").status_code == 200


def ask_for_long(connection, asked):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            connection.sendall(asked)
        time.sleep(0.005)


def test_a_client_that_reads_nothing_is_let_go_of(plane, run, monkeypatch):
    monkeypatch.setattr(connections, "READ_SECONDS", 0.3)
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with run(plane, Rim(hosts={"127.0.0.1"}, pages=make_pages(None))) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.05)
        connection.connect(("127.0.0.1", server.port))
        with pytest.raises(ConnectionError):
            ask_for_long(connection, asked)
        assert httpx.get(server.url + "/v1/health").status_code == 200


def test_more_connections_than_may_be_are_told_to_come_again(plane, run, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    with run(plane, Rim(hosts={"127.0.0.1"})) as server:
        held = [server.connect() for _ in range(3)]
        for connection in held:
            connection.sendall(HEALTH)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with server.connect() as connection:
            answer = until_end(connection)
        assert statuses(answer) == [503]
        assert b"retry-after: 1\r\n" in answer
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if httpx.get(server.url + "/v1/health").status_code == 200:
                break
        else:
            pytest.fail("no connection was let in after others had gone")
