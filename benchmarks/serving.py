"""One-row forecasts over loopback: our server beside a bare FastAPI + ONNX Runtime service, MLServer and BentoML.

    python -m benchmarks.serving [--requests N] [--rounds N] [--mlserver PYTHON] [--bentoml PYTHON]

The same client, a plain socket that is kept, asks each in turn within every round, so that a busy machine is busy for all. The bare
service is run twice, with httptools on uvloop, which our server stands on too, and as uvicorn comes by itself. The bare services run a
logistic graph of as many features and check nothing; ours checks names, shapes, ranges and answers, and counts, and forecasts with a
real bundle. Every server has one process.
"""

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.serving_peers import bentoml, fastapi, mlserver, write_session


def make_bundle(folder: Path) -> Path:
    """A small real bundle: a run of the smallest recipe."""
    from barmill.factory import train

    recipe = folder / "recipe.yaml"
    recipe.write_text(
        "name: served\nbars: {simulate: {n_bars: 9000, seed: 3, strength: 2.0}}\nlabels: {horizon: 30, atr_window: 30, every: 5}\n"
        "splits: {embargo: 60}\nbase_models:\n  - {name: logistic}\nrandom_signals: 20\n"
    )
    os.environ.update(BARMILL_LEDGER=str(folder / "ledger"))
    train(recipe, out=folder / "run")
    return folder / "run" / "bundle" / "logistic"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextlib.contextmanager
def begun(command: list[str], port: int, folder: Path) -> Generator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def asked(port: int, path: str, body: bytes, n: int) -> list[float]:
    """Seconds of each of `n` requests, one after the other on one connection."""
    raw = _request(path, body)
    took: list[float] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(n):
            start = time.perf_counter()
            connection.sendall(raw)
            answer = _one_answer(connection)
            took.append(time.perf_counter() - start)
            if b" 200 " not in answer[:20]:
                raise RuntimeError(answer.decode())
    return took


def answered_a_second(port: int, path: str, body: bytes, n: int, connections: int = 8) -> float:
    """Requests a second of as many connections at a time, each of which asks again once it is answered."""
    raw = _request(path, body)
    left, ended = n, 0
    with selectors.DefaultSelector() as ready, contextlib.ExitStack() as open_ones:
        found: dict[socket.socket, bytes] = {}
        for _ in range(connections):
            one = open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(one, selectors.EVENT_READ)
            found[one] = b""
        start = time.perf_counter()
        for one in found:
            one.sendall(raw)
        left -= connections
        while ended < n:
            for key, _ in ready.select():
                one = key.fileobj
                assert isinstance(one, socket.socket)
                found[one] += one.recv(65536)
                if not _is_whole(found[one]):
                    continue
                ended, found[one] = ended + 1, b""
                if left > 0:
                    left -= 1
                    one.sendall(raw)
        return n / (time.perf_counter() - start)


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


def _one_answer(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65536):
        found += part
        if _is_whole(found):
            return found
    raise EOFError(found.decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000, help="of each server in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mlserver", metavar="PYTHON", help="an interpreter that has MLServer and ONNX Runtime: it is timed too")
    parser.add_argument("--bentoml", metavar="PYTHON", help="the same of BentoML")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        port = free_port()
        serve = [sys.executable, "-m", "barmill.cli", "serve", str(make_bundle(folder)), "--port", str(port), "--log-level", "error"]
        stack.enter_context(begun(serve, port, Path.cwd()))
        row = row_of(port, "logistic")
        values = list(row.values())
        write_session(folder, len(row))
        bare = "FastAPI + ONNX Runtime"
        peers = {
            f"{bare}, uvicorn with httptools and uvloop": fastapi(folder, "fast", free_port(), values),
            f"{bare}, uvicorn by itself": fastapi(folder, "plain", free_port(), values),
        }
        if told.mlserver:
            peers["MLServer"] = mlserver(folder, told.mlserver, (free_port(), free_port(), free_port()), values)
        if told.bentoml:
            peers["BentoML"] = bentoml(folder, told.bentoml, free_port(), values)
        for peer in peers.values():
            stack.enter_context(begun(peer.command, peer.port, peer.folder))
        servers = {"barmill serve": (port, "/v1/models/logistic/forecast", json.dumps({"features": row}).encode())}
        servers |= {name: (peer.port, peer.path, peer.body) for name, peer in peers.items()}
        for server in servers.values():
            until_it_answers(*server)
        report(servers, told.requests, told.rounds, len(row))


def row_of(port: int, model: str) -> dict[str, float]:
    """A row in the middle of the range of training: of one outside, our server would also say where."""
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/v1/models/{model}/schema") as answered:
        return {feature["name"]: (feature["min"] + feature["max"]) / 2 for feature in json.load(answered)["features"]}


def until_it_answers(port: int, path: str, body: bytes, seconds: float = 120.0) -> None:
    """A server listens before its model is loaded."""
    end = time.monotonic() + seconds
    while True:
        try:
            asked(port, path, body, 1)
        except (OSError, EOFError, RuntimeError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def report(servers: dict[str, tuple[int, str, bytes]], n: int, rounds: int, n_features: int) -> None:
    took: dict[str, list[list[float]]] = {name: [] for name in servers}
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, (port, path, body) in servers.items():
            seconds = asked(port, path, body, n if number else max(n // 5, 100))
            if number:  # the first round warms up
                took[name].append(seconds)
                rates[name].append(answered_a_second(port, path, body, n))
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"one row of {n_features} features over loopback, one connection, {rounds} rounds of {n} requests; {load}\n")
    print("| server | p50 ms | p90 ms | p99 ms | p50 of the rounds, ms | requests a second, 8 connections |")
    print("|---|---|---|---|---|---|")
    for name, of in took.items():
        whole = np.concatenate(of) * 1e3
        p50, p90, p99 = np.quantile(whole, [0.5, 0.9, 0.99])
        each = [median(one) * 1e3 for one in of]
        print(f"| {name} | {p50:.3f} | {p90:.3f} | {p99:.3f} | {min(each):.3f} to {max(each):.3f} | {median(rates[name]):,.0f} |")


if __name__ == "__main__":
    main()
