"""What only a socket can do: trickle, stop half way, say two things at once, send more than is taken. Good clients notice nothing."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from barmill.serving.http.application import Rim
from barmill.serving.http.limits import Limits
from raw_http import statuses, until_end

FORECAST = "/v1/models/logistic/forecast"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server(plane, run):
    """With deadlines that a test can wait for."""
    with run(plane, Rim(limits=Limits(header_seconds=0.6, body_seconds=0.6, idle_seconds=1.0), hosts={"127.0.0.1"})) as found:
        yield found


@pytest.fixture
def body(row):
    return json.dumps({"features": row}).encode()


def request(body, path=FORECAST, **headers):
    lines = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body))} | headers
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"POST {path} HTTP/1.1\r\n{told}\r\n".encode() + body


def works(server, body):
    answered = httpx.post(server.url + FORECAST, content=body, headers={"content-type": "application/json"})
    assert answered.status_code == 200, answered.text


def test_clients_that_send_their_head_slowly_are_closed_and_others_unaffected(server, body):
    slow = [server.connect() for _ in range(100)]
    for number, connection in enumerate(slow):
        connection.sendall(request(body)[: 5 + number % 40])
    works(server, body)
    for connection in slow:
        assert b" 200 " not in until_end(connection)
        connection.close()


def test_clients_that_send_their_body_slowly_are_told_408_and_closed(server, body):
    slow = [server.connect() for _ in range(50)]
    for connection in slow:
        connection.sendall(request(body)[:-5])
    works(server, body)
    for connection in slow:
        answer = until_end(connection)
        assert statuses(answer) == [408]
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_slow"
        connection.close()


def test_a_body_that_trickles_is_no_faster_for_it(server, body):
    connection = server.connect()
    connection.sendall(request(body)[:-60])
    began = time.monotonic()
    answer = b""
    connection.settimeout(0.05)
    while time.monotonic() - began < 15 and not answer:
        try:
            connection.sendall(b"x")
            answer = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
    assert statuses(answer) == [408]
    connection.close()


def test_an_idle_connection_is_closed(server):
    with server.connect() as connection:
        assert until_end(connection) == b""


def test_half_a_body_and_the_end_is_no_request(server, body):
    with server.connect() as connection:
        connection.sendall(request(body)[:-5])
        connection.shutdown(socket.SHUT_WR)
        assert statuses(until_end(connection)) in ([400], [])
    works(server, body)


def test_a_client_that_leaves_at_any_byte_leaves_nothing_behind(server, body):
    whole = request(body)
    for at in range(0, len(whole), max(len(whole) // 150, 1)):
        connection = server.connect()
        connection.sendall(whole[:at])
        connection.close()
    works(server, body)
    deadline = time.monotonic() + 20
    while server.application.pending and time.monotonic() < deadline:
        works(server, body)
    assert server.application.pending == 0


def test_requests_in_one_packet_are_answered_in_order(server, body):
    bad = b'{"features": 1}'
    with server.connect() as connection:
        connection.sendall(request(body) + request(bad) + request(body, path="/none") + request(body, Connection="close"))
        assert statuses(until_end(connection)) == [200, 422, 404, 200]


SMUGGLED = "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde" + SMUGGLED,
        "Content-Length: -5\r\n\r\n" + SMUGGLED,
        "Content-Length: +5\r\n\r\nabcde" + SMUGGLED,
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + SMUGGLED,
        "Content-Length : 0\r\n\r\n" + SMUGGLED,
        "X\x00: 1\r\n\r\n" + SMUGGLED,
    ],
)
def test_no_second_request_is_smuggled_behind_an_ambiguous_first(server, head):
    with server.connect() as connection:
        connection.sendall(f"POST {FORECAST} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{head}".encode())
        answer = until_end(connection)
    assert len(statuses(answer)) == 1, answer
    assert statuses(answer)[0] in (400, 408, 413, 422), answer


@pytest.mark.parametrize("head", ["GET / HTTP/1.1\r\n\r\n", "GET http://evil.example/v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n"])
def test_a_request_for_nobody_or_somebody_else_is_refused(server, head):
    with server.connect() as connection:
        connection.sendall(head.encode())
        assert statuses(until_end(connection))[0] in (400, 403, 404)


@pytest.mark.parametrize(
    "raw",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 50, bytes(range(256)) * 2, b"GET / HTTP/9.9\r\n\r\n"],
    ids=["tls", "http/2", "blank lines", "any bytes", "http/9.9"],
)
def test_what_is_no_http_is_closed(server, raw):
    with server.connect() as connection:
        connection.sendall(raw)
        assert b" 200 " not in until_end(connection)


@pytest.mark.parametrize(("lines", "length"), [(500, 10), (3, 200_000), (1, 2_000_000)])
def test_heads_that_are_too_large_are_refused(server, body, lines, length):
    with server.connect() as connection:
        extra = {f"X-{number}": "a" * length for number in range(lines)}
        try:
            connection.sendall(request(body, **extra))
        except OSError:  # closed before all of it was sent
            return
        assert statuses(until_end(connection))[0] == 431


def resident(pid="self"):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("chunked", [False, True], ids=["told", "in chunks"])
def test_fifty_megabytes_are_refused_before_they_are_held(server, chunked):
    def parts():
        for _ in range(50):
            yield b"[" * MEGABYTE

    before = resident()
    length = {} if chunked else {"content-length": str(50 * MEGABYTE)}
    answered = httpx.post(server.url + FORECAST, content=parts(), headers={"content-type": "application/json", **length}, timeout=30)
    assert (answered.status_code, answered.json()["code"]) == (413, "body_too_large")
    assert resident() - before < 2 * 8 * MEGABYTE + 4 * MEGABYTE


def test_a_small_refusal_keeps_the_connection_and_a_large_body_unread_closes_it(server, body):
    with httpx.Client(base_url=server.url) as client:
        for _ in range(3):
            assert "connection" not in client.post(FORECAST, content=body, headers={"content-type": "application/json"}).headers
        assert "connection" not in client.post(FORECAST, content=b"{}", headers={"content-type": "text/plain"}).headers
        big = b"[" * 100_000
        assert client.post(FORECAST, content=big, headers={"content-type": "text/plain"}).headers["connection"] == "close"
        assert client.get("/v1/health").status_code == 200


def test_existing_clients_of_the_open_inference_protocol_work_unchanged(server, names, row):
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("logistic")
    assert client.is_model_ready("logistic", "1.2.3")
    assert client.get_server_metadata()["name"] == "barmill"
    assert client.get_model_metadata("logistic")["inputs"][0]["shape"] == [-1, len(names)]
    assert [model["state"] for model in client.get_model_repository_index()] == ["READY"]
    values = np.array([list(row.values())] * 2)
    found = []
    for binary in (True, False):
        given = triton.InferInput("features", list(values.shape), "FP64")
        given.set_data_from_numpy(values, binary_data=binary)
        for outputs in (None, [triton.InferRequestedOutput("p_up", binary_data=binary)]):
            result = client.infer("logistic", [given], outputs=outputs, request_id="a")
            assert result.get_response()["id"] == "a"
            found.append(result.as_numpy("p_up").tolist())
    assert all(one == found[0] for one in found)
    with pytest.raises(triton.InferenceServerException, match="there is no input 'x'"):
        client.infer("logistic", [triton.InferInput("x", [1, 1], "FP64").set_data_from_numpy(np.zeros((1, 1)))])
    client.close()


def test_tls_is_spoken_where_a_certificate_is_given(plane, run, row, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make, *names], check=True, capture_output=True)
    with run(plane, tls_cert=str(certificate), tls_key=str(key)) as server:
        import ssl

        with httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(certificate))) as client:
            assert client.post(FORECAST, json={"features": row}).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{server.port}/v1/health")


def test_an_application_imports_neither_the_trainer_nor_torch_nor_pages():
    said = "import sys, barmill.serving.http.application; print(sorted({'torch', 'fastapi', 'typer', 'onnx', 'grpc'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True).stdout == "[]\n"
