"""A model that takes its process with it: who asked it hears that nobody answers, and never half an answer; everybody else is answered."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from barmill.bundles import publish
from barmill.serving.grpc.protocol import barmill_pb2 as own
from barmill.serving.grpc.protocol.barmill_pb2_grpc import BarmillStub

pytestmark = pytest.mark.xdist_group("server-process")
SECONDS = 120  # a busy machine loads slowly
FORECAST = "/v1/models/logistic/forecast"


class Server:
    """The process, and what it says."""

    def __init__(self, models: Path) -> None:
        child = str(Path(__file__).with_name("crashing_child.py"))
        self.process = subprocess.Popen([sys.executable, child, str(models)], stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(line.strip() for line in self.process.stderr)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS)
        self._thread.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def count(self, words: str) -> int:
        return sum(words in line for line in list(self.said))

    def wait_for(self, words: str, times: int = 1) -> None:
        end = time.monotonic() + SECONDS
        while self.count(words) < times:
            assert time.monotonic() < end, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def address(self, scheme: str) -> str:
        return next(found[1] for line in self.said if (found := re.search(rf"{scheme}://(\S+)", line)))


@pytest.fixture
def server(files_of: Callable[..., dict[str, bytes]], tmp_path: Path) -> Generator[Server]:
    (tmp_path / "models").mkdir()
    publish(files_of("logistic"), tmp_path / "models", "logistic")
    found = Server(tmp_path / "models")
    try:
        found.wait_for("http://")
        yield found
    finally:
        found.close()


def test_a_crash_takes_the_request_that_caused_it_and_no_other(server: Server) -> None:
    url = f"http://{server.address('http')}"
    schema = httpx.get(f"{url}/v1/models/logistic/schema", timeout=SECONDS).json()
    good = {feature["name"]: 0.25 for feature in schema["features"]}
    unlucky = good | {next(iter(good)): 13.0}
    expected = httpx.post(url + FORECAST, json={"features": good}, timeout=SECONDS).json()
    assert (expected["source"], expected["degraded"]) == ("champion", False)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        httpx.post(url + FORECAST, json={"features": unlucky}, timeout=SECONDS)
    server.wait_for("SIGSEGV", 1)
    for _ in range(10):  # before the other is back
        assert httpx.post(url + FORECAST, json={"features": good}, timeout=SECONDS).json()["forecast"] == expected["forecast"]

    with grpc.insecure_channel(server.address("grpc")) as channel, pytest.raises(grpc.RpcError) as refused:
        BarmillStub(channel).Forecast(message(unlucky), timeout=SECONDS)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    server.wait_for("SIGSEGV", 2)
    server.wait_for("serves again", 2)
    with grpc.insecure_channel(server.address("grpc")) as channel:
        said = BarmillStub(channel).Forecast(message(good), timeout=SECONDS, wait_for_ready=True)
    assert {one.name: list(one.values) for one in said.columns} == expected["forecast"]
    assert httpx.get(f"{url}/v1/ready", timeout=SECONDS).status_code == 200
    assert server.count("SIGSEGV") == 2


def message(row: dict[str, Any]) -> own.ForecastRequest:
    return own.ForecastRequest(features=own.Features(names=list(row), shape=[1, len(row)], values=list(row.values())))
