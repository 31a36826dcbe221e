"""The feature store in Redis. Writes wait in memory for a thread that sends them; a Redis that is away costs writes, never a forecast.

Of each key's vectors the newest alone waits, as the newest alone is kept. Forecasts wait in order, as many as the queue holds; where the
connection broke while they were sent, some may stand twice in their stream.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from barmill.errors import SetupError
from barmill.serving.answers import Answer
from barmill.serving.feature_store import FeatureVector, forecast_key, vector_key
from barmill.serving.telemetry import Silent, Telemetry

_BACK_OFF = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts, the last for ever
_AT_ONCE = 256

Entry = tuple[str, dict[str, str]]


class StoreUnavailable(SetupError):
    """A feature store that cannot be asked."""


class RedisStore:
    """A `FeatureStore` behind a URL such as redis://host:6379/0; with a password, TLS (rediss) or a socket (unix) as redis-py takes them.

    Parameters
    ----------
    url : where Redis is; it is told to nobody, since it may hold a password
    telemetry : is told when Redis goes and comes back, and how much waits
    queued : forecasts that may wait; the oldest are dropped, and counted
    kept : about as many entries stay in each stream of forecasts
    timeout : seconds of one call
    """

    def __init__(
        self, url: str, telemetry: Telemetry | None = None, *, queued: int = 10_000, kept: int = 100_000, timeout: float = 1.0
    ) -> None:
        once = Retry(NoBackoff(), 0)  # trying again is this module's affair
        self._redis = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once)
        self._telemetry: Telemetry = telemetry or Silent()
        self._kept = kept
        self._vectors: dict[str, bytes] = {}
        self._forecasts: deque[Entry] = deque(maxlen=queued)
        self._dropped = 0
        self._lock = threading.Lock()
        self._something, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="barmill-feature-store", daemon=True)
        self._thread.start()

    def put(self, symbol: str, timeframe: str, vector: FeatureVector) -> None:
        key = vector_key(symbol, timeframe)
        with self._lock:
            self._vectors[key] = vector.to_bytes()
        self._something.set()

    def get(self, symbol: str, timeframe: str, schema_hash: str) -> FeatureVector | None:
        key = vector_key(symbol, timeframe)
        try:
            found: Any = self._redis.get(key)
        except redis.RedisError as error:
            raise StoreUnavailable(key, f"the store did not answer ({type(error).__name__})", mend="Look whether Redis runs.") from error
        return None if found is None else FeatureVector.from_bytes(found, schema_hash, key)

    def publish(self, symbol: str, timeframe: str, answer: Answer) -> None:
        key = forecast_key(answer.model, symbol, timeframe)
        entries = [(key, _fields(answer, row)) for row in range(len(answer))]
        with self._lock:
            room = (self._forecasts.maxlen or 0) - len(self._forecasts)
            self._dropped += max(0, len(entries) - room)
            self._forecasts.extend(entries)
        self._something.set()

    def close(self) -> None:
        self._closing.set()
        self._something.set()
        self._thread.join(timeout=5.0)
        self._redis.close()

    def _run(self) -> None:
        failures = 0
        while not (self._closing.is_set() and (failures or not self._waits())):
            self._something.wait()
            self._something.clear()
            while self._waits():
                failures = self._sent(failures)
                if failures:
                    if self._closing.is_set():
                        return
                    self._closing.wait(_BACK_OFF[min(failures, len(_BACK_OFF)) - 1])

    def _waits(self) -> bool:
        return bool(self._vectors or self._forecasts)

    def _sent(self, failures: int) -> int:
        """Send what waits; returns failures in a row. What was not sent waits on, unless something newer came."""
        with self._lock:
            vectors, self._vectors = self._vectors, {}
            entries = [self._forecasts.popleft() for _ in range(min(_AT_ONCE, len(self._forecasts)))]
        try:
            self._send(vectors, entries)
        except redis.RedisError as error:
            with self._lock:
                self._vectors = vectors | self._vectors
                room = (self._forecasts.maxlen or 0) - len(self._forecasts)
                self._dropped += max(0, len(entries) - room)
                self._forecasts.extendleft(reversed(entries[max(0, len(entries) - room) :]))
            if not failures:
                self._telemetry.event("feature_store_lost", "error", reason=type(error).__name__)
            self._tell()
            return failures + 1
        if failures:
            self._telemetry.event("feature_store_back", attempts=failures, dropped=self._dropped)
        self._tell()
        return 0

    def _send(self, vectors: dict[str, bytes], entries: list[Entry]) -> None:
        with contextlib.closing(self._redis.pipeline(transaction=False)) as pipeline:
            for key, data in vectors.items():
                pipeline.set(key, data)
            add: Callable[..., Any] = pipeline.xadd
            for key, fields in entries:
                add(key, fields, maxlen=self._kept, approximate=True)
            pipeline.execute()

    def _tell(self) -> None:
        self._telemetry.gauge("store_queue", float(len(self._forecasts) + len(self._vectors)), {})
        self._telemetry.gauge("store_dropped", float(self._dropped), {})


def _fields(answer: Answer, row: int) -> dict[str, str]:
    """One row as a Redis stream holds it: text, numbers so that reading them gives the same bits."""
    said = {"version": answer.version, "digest": answer.digest, "source": answer.source, "degraded": str(int(answer.degraded))}
    if answer.open_time is not None and answer.known_at is not None:
        said |= {"open_time": str(int(answer.open_time[row])), "known_at": str(int(answer.known_at[row]))}
    return said | {name: repr(float(values[row])) for name, values in answer.columns.items()}


__all__ = ["RedisStore", "StoreUnavailable"]
