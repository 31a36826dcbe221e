"""`barmill serve` as a process of its own: what it says, who asks it, and what became of each request."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from barmill.bundles import Bundle, read_bundle
from barmill.market import Bars

SECONDS = 120.0  # until a test gives up waiting; nothing is asserted of how long anything took

Json = dict[str, Any]
Serving = Callable[..., "Server"]

_asking: list["Asking"] = []  # clients that are asking now: what fails one of them is waited for by nobody


def until(holds: Callable[[], Any], what: str = "it did not come about") -> Any:
    """What `holds` returns, as soon as it holds. Raises at once what any client raised that is asking meanwhile."""
    end = time.monotonic() + SECONDS
    while not (found := holds()):
        for asking in _asking:
            asking.check()
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return found


class Server:
    """A server, begun with these options of the command line and these settings of a configuration's file.

    within : a command that prepares what the server finds, and then becomes it
    """

    def __init__(self, folder: Path, cache: Path, *options: str, within: Sequence[str] = (), **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "server.json"
        path.write_text(json.dumps({"port": 0, **settings}))  # JSON is YAML
        self._command = [*within, sys.executable, "-m", "barmill.cli", "serve", *options, "--config", str(path)]
        self._environment = {**os.environ, "BARMILL_CACHE": str(cache)}
        self.begin()

    def begin(self) -> None:
        """Start it, and wait until it answers."""
        self.lines: list[str] = []
        self.process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, env=self._environment)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: self.process.poll() is not None or self._address("http"))
        assert self.process.poll() is None, self.lines
        self.url = self._address("http")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def _address(self, scheme: str) -> str:
        return next((line.removeprefix("serving at ") for line in self.lines if line.startswith(f"serving at {scheme}")), "")

    @property
    def grpc(self) -> str:
        """Host and port of gRPC."""
        return self._address("grpc").removeprefix("grpc://")

    until = staticmethod(until)

    def told(self, event: str) -> list[Json]:
        """The lines of its log of one event."""
        return [line for line in map(_parsed, list(self.lines)) if line.get("event") == event]

    def client(self) -> httpx.Client:
        """Keeps one connection open, as long as the server does."""
        return httpx.Client(
            base_url=self.url, timeout=SECONDS, limits=httpx.Limits(max_connections=1), verify=False
        )  # reads no certificates

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
        sys.stdout.write("\n".join(self.lines))  # which is shown where the test failed
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            self.ended()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.ended()


def _parsed(line: str) -> Json:
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(line)
    return {}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Generator[Serving]:
    """Begins servers that end with the module: `serving("--models", folder, streams={...})`."""
    begun: list[Server] = []

    def begin(*options: Any, **settings: Any) -> Server:
        cache = tmp_path_factory.getbasetemp() / "seen-bundles"
        begun.append(Server(tmp_path_factory.mktemp("server"), cache, *map(str, options), **settings))
        return begun[-1]

    yield begin
    for server in begun:
        server.close()


@dataclass(frozen=True)
class Truth:
    """What bundles say of some bars, each asked in this process.

    bars : of which the first `history` warm a stream up
    """

    bars: Bars
    history: int
    rows: dict[str, dict[int, dict[str, float]]]
    features: dict[int, dict[str, float]]

    def of(self, answer: Json) -> list[dict[str, float]]:
        """What the version that an answer names says of the bars that it is about."""
        return [self.rows[answer["digest"]][time] for time in answer["open_time"]]

    def agrees(self, answer: Json) -> bool:
        """Whether an answer says something, and the same bits."""
        columns = answer["forecast"]
        said = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return bool(said) and said == self.of(answer)

    def bar(self, row: int) -> Json:
        """One bar, as a request has it."""
        bar = self.bars.bar(row)
        return dict(zip(("open_time", "open", "high", "low", "close", "volume"), bar[:6], strict=True))

    def many(self, start: int, stop: int) -> Json:
        """Bars as columns, as a request has them."""
        part = self.bars.slice(start, stop)
        return {"bars": {name: getattr(part, name).tolist() for name in ("open_time", "open", "high", "low", "close", "volume")}}


@pytest.fixture(scope="session")
def truth_of(making: ModuleType) -> Callable[..., Truth]:
    """`truth_of(folders, n_bars)`: what the versions at these folders say, bar by bar, of bars that none was fitted on."""

    def make(folders: Sequence[Path], n_bars: int = 900) -> Truth:
        bars, rows, features, history = making.walk(n_bars, seed=23), {}, {}, 0
        for bundle in (Bundle.from_verified(read_bundle(folder)) for folder in folders):
            history = bundle.needed_bars
            stream = bundle.stream()
            said = [stream.push(bars.bar(row)) for row in range(len(bars))]
            rows[bundle.digest] = {one["open_time"]: {name: one[name] for name in bundle.outputs} for one in said if one is not None}
            table = bundle.plan.compute(bars)
            features = {
                time: dict(zip(table.names, values, strict=True))
                for time, values in zip(bars.open_time.tolist(), table.values.tolist(), strict=True)
            }
        return Truth(bars, history, rows, features)

    return make


class Asking:
    """Clients that ask all the time, each on a thread of its own; what any of them raises is raised where the block ends."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.raised: list[BaseException] = []

    def __call__(self, ask: Callable[[], object]) -> None:
        """Call `ask` until the block ends, or it returns False."""

        def run() -> None:
            try:
                while not self.stopping.is_set() and ask() is not False:
                    pass
            except BaseException as error:  # noqa: BLE001 - raised again on the thread of the test
                self.raised.append(error)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def check(self) -> None:
        """Raise what the first of them raised, if any did."""
        if self.raised:
            raise self.raised[0]

    def join(self) -> None:
        """Wait until every client has ended by itself."""
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def asking() -> Callable[[], contextlib.AbstractContextManager[Asking]]:
    @contextlib.contextmanager
    def begin() -> Iterator[Asking]:
        asking = Asking()
        _asking.append(asking)
        try:
            yield asking
        finally:
            asking.stopping.set()
            _asking.remove(asking)
            asking.join()
        asking.check()

    return begin
