"""A server that is told to stop while it is asked all the time: what it took it answers, and begun again its streams go on to the bit."""

import signal
import threading
import time

import httpx
import pytest

from barmill.bundles import publish

pytestmark = pytest.mark.xdist_group("whole servers")

FORECAST, STREAM = "/v1/models/logistic/forecast", "/v1/models/logistic/streams/{}"
LATE = 0.1  # seconds that a client let go by between two requests: its connection may have been closed as idle


@pytest.fixture(scope="module")
def folder(files_of, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    publish(files_of("logistic"), models, "logistic")
    return models


@pytest.fixture(scope="module")
def server(serving, folder, tmp_path_factory):
    return serving(
        "--models", folder, state=str(tmp_path_factory.mktemp("state")), streams={"snapshot_seconds": 600, "snapshot_bars": 10_000}
    )


@pytest.fixture(scope="module")
def truth(folder, truth_of):
    return truth_of([folder / "logistic"])


class Client:
    """Asks until it is told that its connection is closed. answered : how often; last : its last answer"""

    def __init__(self, server):
        self.http, self.answered, self.last = server.client(), 0, {}
        self._before = time.monotonic()

    def ask(self, path, body):
        """Whether to go on."""
        late = time.monotonic() - self._before > LATE
        try:
            reply = self.http.post(path, json=body)
        except httpx.TransportError:
            assert late, "a request was not answered"
            return False
        assert reply.status_code == 200, reply.text
        self.answered, self.last, self._before = self.answered + 1, reply.json(), time.monotonic()
        return reply.headers.get("connection") != "close"


class Pusher(Client):
    """Pushes the bars of a stream."""

    def __init__(self, server, truth, stream):
        super().__init__(server)
        self.truth, self.stream, self.row = truth, stream, truth.history
        assert self.ask(f"{STREAM.format(stream)}/bars", truth.many(0, truth.history))

    def push(self):
        goes_on = self.ask(f"{STREAM.format(self.stream)}/bars", self.truth.bar(self.row))
        assert self.truth.agrees(self.last)
        self.row += 1
        return goes_on and self.row < len(self.truth.bars) - 10


def test_no_accepted_request_fails_and_after_a_restart_streams_go_on_to_the_bit(server, truth, asking, making):
    features = {"features": truth.features[int(truth.bars.open_time[truth.history])]}
    clients, pushers = [Client(server) for _ in range(3)], [Pusher(server, truth, f"s{number}") for number in range(3)]
    history = making.walk(8_000, seed=3)
    names = ("open_time", "open", "high", "low", "close", "volume")
    long = Client(server)
    sent = threading.Event()

    def ask_for_long():
        body = {"bars": {name: getattr(history, name).tolist() for name in names}}
        sent.set()
        long.ask(f"{STREAM.format('long')}/bars", body)
        return False

    with asking() as ask:
        for one in clients:
            ask(lambda one=one: one.ask(FORECAST, features))
        for one in pushers:
            ask(one.push)
        server.until(lambda: all(one.answered > 5 for one in (*clients, *pushers)))
        ask(ask_for_long)
        assert sent.wait(60)
        server.until(lambda: taken(server) or long.answered)
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        ask.join()
    assert long.answered == 1
    assert not server.told("request_failed")

    server.begin()
    with server.client() as client:
        for one in pushers:
            said = client.get(STREAM.format(one.stream)).raise_for_status().json()
            assert said["restored"]
            assert said["last_open_time"] == one.last["open_time"][0]
        said = client.get(STREAM.format("long")).raise_for_status().json()
        assert (said["bars_seen"], said["last_open_time"]) == (len(history), int(history.open_time[-1]))
    again = [Client(server) for _ in pushers]
    for one, other in zip(again, pushers, strict=True):
        row = truth.bars.open_time.tolist().index(other.last["open_time"][0]) + 1
        for at in range(row, min(row + 10, len(truth.bars))):
            assert one.ask(f"{STREAM.format(other.stream)}/bars", truth.bar(at))
            assert truth.agrees(one.last)
    for one in (*clients, *pushers, *again, long):
        one.http.close()


def taken(server):
    """Whether requests are pending."""
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return any(line.startswith("barmill_inference_pending_requests") and float(line.split()[-1]) > 0 for line in lines)
