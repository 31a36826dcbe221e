"""Prometheus metrics of what the plane tells, under the names that its users know. Every label is one that we chose.

No name that a stranger sent becomes a label: models and versions are told by the plane once they were found, codes are our own. So a
million unknown names add no series.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from barmill.serving.answers import Answer
from barmill.serving.tallies import SECONDS, Tallies
from barmill.serving.telemetry import Silent

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_APART = (1e-6, 1e-4, 1e-3, 1e-2, 0.02, 0.05, 0.1, 0.2, 0.5)
_MOST_ROWS = 64  # of one answer are compared; a batch of thousands must not hold the loop

_REASON = {"overloaded": "REJECTED", "too_many_requests": "REJECTED", "timed_out": "CANCELED", "cancelled": "CANCELED", "failed": "BACKEND"}


class Metrics(Silent):
    """Counts what happens. Safe to call from any thread; a request costs a microsecond or two.

    Parameters
    ----------
    worker : str, number of this process among several, which every series then carries as a label; empty for one process
    compat : "triton" adds Triton's names for the same figures, so that boards made for it work
    """

    def __init__(self, worker: str = "", compat: Literal["", "triton"] = "") -> None:
        self._worker = worker
        self._registry = CollectorRegistry(auto_describe=True)
        self._champions: dict[str, tuple[str, ...]] = {}
        self._asked: list[tuple[Gauge, Callable[[], Mapping[str, float]]]] = []
        self._triton = compat == "triton"
        self._tallies = Tallies(self._triton)
        self._registry.register(self._tallies)
        self._refusals = self._counter("barmill_refusals", "Requests that were refused.", "model", "kind", "code")
        self._refused_seconds = self._histogram("barmill_refusal_duration_seconds", "Time until a refusal.", SECONDS)
        self._fallbacks = self._counter("barmill_fallback", "Versions that did not answer, and the next was asked.", "model", "reason")
        self._shadows = self._histogram("barmill_shadow_p_up_difference", "How far a shadow was from what was answered.", _APART, "model")
        self._info = self._gauge("barmill_model_info", "The version that answers as the champion.", "model", "version", "number", "digest")
        self._loaded = self._gauge("barmill_model_loaded_timestamp_seconds", "When the champion began to answer.", "model")
        self._events = self._counter("barmill_events", "What else happened, by name.", "event", "level")
        self._gauges = {
            "shadow_dropped": self._gauge("barmill_shadow_dropped", "Requests that the shadow had no room for.", "model"),
            "shadow_failed": self._gauge("barmill_shadow_failed", "Requests that the shadow did not answer.", "model"),
            "pending_requests": self._gauge("barmill_inference_pending_requests", "Requests that are being answered."),
            "streams": self._gauge("barmill_streams", "Named streams.", "model"),
            "stream_lag_seconds": self._gauge(
                "barmill_stream_lag_seconds", "How far the slowest stream is behind the clock, while its market is open.", "model"
            ),
            "store_queue": self._gauge("barmill_store_queue", "Writes that wait for the feature store."),
            "store_dropped": self._gauge("barmill_store_dropped", "Writes that the feature store never got."),
        }
        if self._triton:
            self._nv_failure = self._counter("nv_inference_request_failure", "Requests that were not.", "model", "reason")

    def answered(self, answer: Answer, seconds: float) -> None:
        self._tallies.add(answer, seconds)

    def refused(self, model: str, kind: str, code: str, seconds: float, count: int = 1) -> None:
        self._refusals.labels(model, kind, code).inc(count)
        self._refused_seconds.observe(seconds)
        if self._triton:
            self._nv_failure.labels(model, _REASON.get(code, "OTHER")).inc(count)

    def fell_back(self, model: str, version: str, reason: str) -> None:
        self._fallbacks.labels(model, reason).inc()

    def shadowed(self, model: str, primary: Answer, shadow: Answer) -> None:
        ours, theirs = primary.columns.get("p_up"), shadow.columns.get("p_up")
        if ours is not None and theirs is not None and ours.shape == theirs.shape:
            for apart in np.abs(ours - theirs)[:_MOST_ROWS].tolist():
                self._shadows.labels(model).observe(apart)

    def swapped(self, model: str, version: str, number: int, digest: str) -> None:
        before = self._champions.pop(model, None)
        if before is not None:
            self._info.remove(*before)
        self._champions[model] = (model, version, str(number), digest)
        self._info.labels(*self._champions[model]).set(1)
        self._loaded.labels(model).set_to_current_time()

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        self._events.labels(name, level).inc()

    def gauge(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        known = self._gauges.get(name)
        if known is not None:
            (known.labels(**labels) if labels else known).set(value)

    def ask_for(self, name: str, value: Callable[[], float]) -> None:
        """Ask for a gauge's value whenever the metrics are read: for what changes with every request, which is not to pay for it."""
        self._gauges[name].set_function(value)

    def ask_for_models(self, name: str, values: Callable[[], Mapping[str, float]]) -> None:
        """The same of a gauge that each model has."""
        self._asked.append((self._gauges[name], values))

    def render(self) -> bytes:
        """All series as Prometheus reads them, in the text format."""
        for gauge, values in self._asked:
            gauge.clear()
            for model, value in values().items():
                gauge.labels(model).set(value)
        page = generate_latest(self._registry)
        return _labelled(page, self._worker) if self._worker else page

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(name, said, labels, registry=self._registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(name, said, labels, registry=self._registry)

    def _histogram(self, name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, said, labels, buckets=buckets, registry=self._registry)


def merged(pages: Sequence[bytes]) -> bytes:
    """The pages of several workers as one, each family of series once, in the order of the first page that has it."""
    families: dict[bytes, list[bytes]] = {}
    for page in pages:
        family: list[bytes] = []
        for line in page.splitlines():
            if line.startswith(b"# HELP "):
                family = families.setdefault(line.split(b" ", 3)[2], [])
                if not family:
                    family.append(line)
            elif not line.startswith(b"#") or line not in family:
                family.append(line)
    return b"\n".join(line for family in families.values() for line in family) + b"\n"


def _labelled(page: bytes, worker: str) -> bytes:
    """The page with the label `worker` in every series."""
    label = f'worker="{worker}"'.encode()
    return b"\n".join(line if line.startswith(b"#") or not line else _with(line, label) for line in page.splitlines()) + b"\n"


def _with(line: bytes, label: bytes) -> bytes:
    name, brace, rest = line.partition(b"{")
    if brace:
        return name + b"{" + label + b"," + rest
    name, _, value = line.partition(b" ")
    return name + b"{" + label + b"} " + value


__all__ = ["CONTENT_TYPE", "Metrics", "merged"]
