"""A gRPC server on an event loop of its own, over a plane that serves small real bundles."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest

from barmill.bundles import Bundle, publish, read_bundle
from barmill.serving.contract import Forecasting
from barmill.serving.grpc.server import GrpcServer, GrpcSettings, start
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.served import warm
from barmill.serving.telemetry import Silent

MESSAGES = "/inference.GRPCInferenceService/"


class Running:
    """A server that runs, and the loop that it runs on."""

    def __init__(self, plane: Forecasting, telemetry: Any, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        who = {name: options.pop(name, None) for name in ("authenticate", "take")}
        settings = GrpcSettings(port=0, drain_seconds=5.0, **options)
        try:
            self.server: GrpcServer = self.do(start(plane, telemetry, settings, **who))
        except BaseException:
            self._end()
            raise
        self.address = f"127.0.0.1:{self.server.port}"

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop, from outside."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.address)

    def close(self) -> None:
        self.do(self.server.stop())
        self._end()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()


@contextmanager
def running(plane: Forecasting, telemetry: Any = None, **options: Any) -> Generator[Running]:
    server = Running(plane, telemetry or Silent(), **options)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    """Runs a server within `with run(plane, max_calls=2) as server`."""
    return running


@pytest.fixture(scope="session")
def load(files_of: Callable[..., dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """A small bundle, loaded once a session: `load("logistic", version="1.3.0")`."""

    @cache
    def loaded(model: str, **fields: Any) -> Bundle:
        folder: Path = publish(files_of(model, **fields), tmp_path_factory.mktemp("grpc"), model)
        return Bundle.from_verified(read_bundle(folder))

    return loaded


@pytest.fixture(scope="session")
def plane(load: Callable[..., Bundle]) -> Plane:
    """Serves `logistic` 1.2.3."""
    table = ModelTable()
    table.install(warm(load("logistic"), 1), champion=True)
    return Plane(table)


@pytest.fixture(scope="module")
def server(plane: Plane) -> Generator[Running]:
    with running(plane) as found:
        yield found


@pytest.fixture
def channel(server: Running) -> Generator[grpc.Channel]:
    with server.channel() as found:
        yield found
