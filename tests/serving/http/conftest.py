"""Applications asked in this process, and servers on an event loop of their own, over a plane that serves small real bundles."""

import asyncio
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from barmill.bundles import Bundle, publish, read_bundle
from barmill.serving.contract import Forecasting
from barmill.serving.http.application import Application, Rim
from barmill.serving.http.limits import Limits
from barmill.serving.listening import HeldPort, HttpServer, run_loop
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.served import warm
from barmill.serving.server_config import ServerConfig
from barmill.serving.streams import Streams

HOST = (b"host", b"127.0.0.1")
JSON = (b"content-type", b"application/json")


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Asking:
    """Asks an application as a server would, without a socket."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, method: str, path: str, body: Any = None, headers: Any = (), **fields: Any) -> Answered:
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [HOST, *([JSON, (b"content-length", b"%d" % len(data))] if body is not None else [])]
        names = {name for name, _ in headers}
        return asyncio.run(self.raw(method, path, [data], [*(line for line in lines if line[0] not in names), *headers], **fields))

    def get(self, path: str, **fields: Any) -> Answered:
        return self("GET", path, **fields)

    def post(self, path: str, body: Any, **fields: Any) -> Answered:
        return self("POST", path, body, **fields)

    async def raw(self, method: str, path: str, given: list[bytes], headers: list[tuple[bytes, bytes]], query: bytes = b"") -> Answered:
        """The answer to a body that comes in these parts, then the end of the connection."""
        messages = [{"type": "http.request", "body": part, "more_body": number < len(given)} for number, part in enumerate(given, 1)]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers, "client": ("127.0.0.1", 1)}
        await self.application(scope, receive, send)
        start, *parts = sent
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answered(start["status"], found, b"".join(part["body"] for part in parts))


class Running:
    """A server that runs on a thread of its own."""

    def __init__(self, plane: Forecasting, rim: Rim | None = None, **config: Any) -> None:
        rim = rim or Rim()
        self.application = Application(plane, rim)
        held = HeldPort("127.0.0.1", 0)
        self.port = held.number
        self._server = HttpServer(self.application, ServerConfig(bundles=("x",), limits=rim.limits, **config), self.port, rim.telemetry)
        self._thread = threading.Thread(target=lambda: run_loop(self._server.serve()))
        self._thread.start()
        self.url = f"http{'s' if 'tls_cert' in config else ''}://127.0.0.1:{self.port}"
        while True:
            try:
                self.connect().close()
                break
            except OSError:
                assert self._thread.is_alive()
        held.close()

    def connect(self, seconds: float = 20.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def close(self) -> None:
        self._server.stop()
        self._thread.join(30)
        self.application.close()


@contextmanager
def running(plane: Forecasting, rim: Rim | None = None, **config: Any) -> Generator[Running]:
    server = Running(plane, rim, **config)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    """Runs a server: `with run(plane, Rim(...)) as server`."""
    return running


@pytest.fixture(scope="session")
def load(files_of: Callable[..., dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """A small bundle, loaded once a session: `load("logistic", version="1.3.0")`."""

    @cache
    def loaded(model: str, **fields: Any) -> Bundle:
        folder: Path = publish(files_of(model, **fields), tmp_path_factory.mktemp("http"), model)
        return Bundle.from_verified(read_bundle(folder))

    return loaded


@pytest.fixture(scope="session")
def plane(load: Callable[..., Bundle]) -> Plane:
    """Serves `logistic` 1.2.3, and keeps streams of it."""
    table = ModelTable()
    table.install(warm(load("logistic"), 1), champion=True)
    return Plane(table, Streams())


@pytest.fixture(scope="session")
def asking() -> Callable[..., Asking]:
    """`asking(plane, Rim(...))` asks an application of its own."""

    def make(plane: Forecasting, rim: Rim | None = None, **limits: Any) -> Asking:
        return Asking(Application(plane, rim or Rim(limits=Limits(**limits))))

    return make


@pytest.fixture(scope="session")
def ask(plane: Plane, asking: Callable[..., Asking]) -> Asking:
    """Asks the application with every default."""
    return asking(plane)


@pytest.fixture(scope="session")
def names(ask: Asking) -> list[str]:
    """Of the features that the model needs, in order."""
    return [feature["name"] for feature in ask.get("/v1/models/logistic/schema").json["features"]]


@pytest.fixture
def row(names: list[str]) -> dict[str, float]:
    """Features of one forecast."""
    return {name: 0.25 / number for number, name in enumerate(names, 1)}
