"""One-row forecasts over loopback: our server beside a bare FastAPI + ONNX Runtime service, under uvicorn and under granian.

    python -m benchmarks.serving [--requests N] [--rounds N]

The same client, raw asyncio over one connection that is kept, asks each in turn within every round, so that a busy machine is busy for
all. The bare services run a logistic graph of as many features and check nothing; ours checks names, shapes, ranges and answers, and
counts, and forecasts with a real bundle. Every server has one process.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

BARE = """
import sys
import numpy as np, onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel
options = ort.SessionOptions(); options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
class Body(BaseModel):
    features: list[list[float]]
app = FastAPI()
@app.post("/forecast")
async def forecast(body: Body):
    return {"p_up": session.run(None, {"x": np.array(body.features, dtype=np.float32)})[0].ravel().tolist()}
if sys.argv[2] == "uvicorn":
    import uvicorn
    uvicorn.run(app, port=int(sys.argv[3]), log_level="error", access_log=False)
else:
    import asyncio
    from granian.server.embed import Server
    from granian.constants import Interfaces
    asyncio.run(Server(app, port=int(sys.argv[3]), interface=Interfaces.ASGINL, log_enabled=False).serve())
"""


def write_graph(path: Path, n_features: int) -> None:
    """A logistic regression as an ONNX graph."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.linspace(-0.1, 0.1, n_features, dtype=np.float32).reshape(n_features, 1)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n_features])
    told = helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph(nodes, "logistic", [given], [told], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


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
def begun(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
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


async def asked(port: int, path: str, body: bytes, n: int) -> list[float]:
    """Seconds of each of `n` requests, one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    raw = head.encode() + body
    took: list[float] = []
    for _ in range(n):
        start = time.perf_counter()
        writer.write(raw)
        told = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in told[:20]:
            raise RuntimeError(told.decode())
        await reader.readexactly(int(told.split(b"content-length: ")[1].split(b"\r\n")[0]))
        took.append(time.perf_counter() - start)
    writer.close()
    await writer.wait_closed()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000, help="of each server in each round")
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        bundle = make_bundle(folder)
        ours, uvicorn, granian = free_port(), free_port(), free_port()
        serve = [sys.executable, "-m", "barmill.cli", "serve", str(bundle), "--port", str(ours), "--log-level", "error"]
        stack.enter_context(begun(serve, ours))
        schema = names_of(ours, "logistic")
        write_graph(folder / "logistic.onnx", len(schema))
        (folder / "bare.py").write_text(BARE)
        for kind, port in (("uvicorn", uvicorn), ("granian", granian)):
            stack.enter_context(begun([sys.executable, str(folder / "bare.py"), str(folder / "logistic.onnx"), kind, str(port)], port))
        by_name = json.dumps({"features": dict.fromkeys(schema, 0.01)}).encode()
        by_place = json.dumps({"features": [[0.01] * len(schema)]}).encode()
        servers = {
            "barmill serve": (ours, "/v1/models/logistic/forecast", by_name),
            "FastAPI + ONNX Runtime, uvicorn": (uvicorn, "/forecast", by_place),
            "FastAPI + ONNX Runtime, granian": (granian, "/forecast", by_place),
        }
        report(servers, told.requests, told.rounds, len(schema))


def names_of(port: int, model: str) -> list[str]:
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/v1/models/{model}/schema") as answered:
        return [feature["name"] for feature in json.load(answered)["features"]]


def report(servers: dict[str, tuple[int, str, bytes]], n: int, rounds: int, n_features: int) -> None:
    took: dict[str, list[list[float]]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, (port, path, body) in servers.items():
            seconds = asyncio.run(asked(port, path, body, n if number else max(n // 5, 100)))
            if number:  # the first round warms up
                took[name].append(seconds)
    print(f"one row of {n_features} features over loopback, one connection, {rounds} rounds of {n} requests\n")
    print("| server | p50 ms | p90 ms | p99 ms | requests a second | p50 of the rounds, ms |")
    print("|---|---|---|---|---|---|")
    for name, of in took.items():
        whole = np.concatenate(of) * 1e3
        p50, p90, p99 = np.quantile(whole, [0.5, 0.9, 0.99])
        each = [median(one) * 1e3 for one in of]
        print(f"| {name} | {p50:.3f} | {p90:.3f} | {p99:.3f} | {1e3 / whole.mean():,.0f} | {min(each):.3f} to {max(each):.3f} |")


if __name__ == "__main__":
    main()
