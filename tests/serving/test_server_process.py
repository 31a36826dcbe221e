"""The server as processes: two workers that keep streams between them, one that is killed, and an end that loses nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from barmill.serving.peers import owner_of

pytestmark = pytest.mark.xdist_group("server-process")
SECONDS = 120  # a busy machine loads slowly


class Server:
    """`barmill serve` with two workers, and what it says on standard error."""

    def __init__(self, models: Path, state: Path) -> None:
        options = ["--models", str(models), "--state", str(state), "--workers", "2", "--port", "0", "--log-level", "warning"]
        self.process = subprocess.Popen([sys.executable, "-m", "barmill.cli", "serve", *options], stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        try:
            self.url = self.wait_for("serving at ").rpartition(" ")[2]
        except BaseException:
            self.close()
            raise

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.strip())

    def wait_for(self, words: str) -> str:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for line in list(self.said):
                if words in line:
                    return line
            assert self._thread.is_alive(), self.said
            time.sleep(0.02)
        raise AssertionError(f"it never said '{words}': {self.said}")

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def close(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self._thread.join()
        self.process.stderr.close()
        return code


@pytest.fixture(scope="module")
def server(files_of, tmp_path_factory):
    from barmill.bundles import publish

    folder = tmp_path_factory.mktemp("server")
    (folder / "models").mkdir()
    publish(files_of("logistic"), folder / "models", "logistic")
    found = Server(folder / "models", folder / "state")
    yield found
    if found.process.poll() is None:
        found.close()


@pytest.fixture(scope="module")
def bars(making):
    return making.walk(1600, 11)


def columns(bars, first, last):
    return {name: bars.frame[name][first:last].to_list() for name in ("open_time", "open", "high", "low", "close", "volume")}


def bar(bars, number):
    return {name: values[0] for name, values in columns(bars, number, number + 1).items()}


def path(stream):
    return f"/v1/models/logistic/streams/{stream}"


def test_it_all_from_beginning_to_end(server, bars, making, load_logistic):
    """One server for all of it, since each takes seconds to begin."""
    expected = {row["open_time"]: row["p_up"] for row in load_logistic.forecast(bars).frame.iter_rows(named=True)}
    streams = [f"s{number}" for number in range(6)]
    assert {owner_of("logistic", stream, 2) for stream in streams} == {0, 1}
    clients = [httpx.Client(base_url=server.url, timeout=30) for _ in range(6)]
    for stream in streams:
        assert clients[0].post(path(stream) + "/bars", json={"bars": columns(bars, 0, 1500)}).status_code == 200
    for number in range(1500, 1530):
        for at, stream in enumerate(streams):  # each through another connection, and so through either worker
            told = clients[(number + at) % 6].post(path(stream) + "/bars", json=bar(bars, number)).json()
            assert told["forecast"]["p_up"] == [expected[told["open_time"][0]]]
    metrics = clients[0].get("/metrics").text
    assert all(f'worker="{worker}"' in metrics for worker in (0, 1))
    _survives_the_death_of_a_worker(server, streams)
    _drains(server, clients)


def _survives_the_death_of_a_worker(server, streams):
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    server.wait_for("ended with signal SIGKILL")
    server.wait_for("serves again")
    assert before[1] in server.workers()
    for stream in streams:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            assert client.get(path(stream)).status_code in (200, 404)  # 404: begun less than a snapshot ago
            assert client.get("/v1/ready").status_code == 200


def _drains(server, clients):
    """While clients ask as fast as they can, none is cut off: each is told to close, and goes.

    One that came back all the same might be in the kernel's queue when the last listener closes, which nobody has accepted.
    """
    failed, answered = [], []

    def ask_on(client):
        while True:
            try:
                reply = client.get("/v1/models/logistic")
                answered.append(reply.status_code)
                if reply.headers.get("connection") == "close":
                    return
            except httpx.ConnectError:
                return
            except httpx.HTTPError as error:
                failed.append(repr(error))
                return

    threads = [threading.Thread(target=ask_on, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    while len(answered) < 50:
        time.sleep(0.01)
    assert server.close() == 0
    for thread in threads:
        thread.join(SECONDS)
    for client in clients:
        client.close()
    assert failed == []
    assert set(answered) == {200}


@pytest.fixture(scope="module")
def load_logistic(files_of, tmp_path_factory):
    from barmill.bundles import Bundle, publish, read_bundle

    return Bundle.from_verified(read_bundle(publish(files_of("logistic"), tmp_path_factory.mktemp("bundle"), "logistic")))
