"""What versions answered, counted in a microsecond or two: series for Prometheus are made of it when somebody reads them."""

import threading
from bisect import bisect_left
from collections.abc import Generator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from barmill.serving.answers import Answer

SECONDS = (25e-6, 50e-6, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_PROBABILITY = tuple(round(0.05 * step, 2) for step in range(1, 20))
_RETURN = (-0.02, -0.01, -5e-3, -2e-3, -1e-3, -5e-4, -2e-4, -1e-4, 0.0, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02)
_MOST_ROWS = 64  # of one answer are told apart; a batch of thousands must not hold the loop
_OF_VERSION = ("model", "version")

HISTOGRAMS = {
    "seconds": ("barmill_inference_duration_seconds", "Time of an answer in the plane.", SECONDS),
    "p_up": ("barmill_forecast_p_up", "Probabilities given out.", _PROBABILITY),
    "E_r": ("barmill_forecast_expected_return", "E_r given out, net log return.", _RETURN),
}


class _Distribution:
    """How many values fell at or below each bound and above the one before, the last above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def tell(self, family: Metric, labels: dict[str, str]) -> None:
        """Add its samples; the library's own family of histograms tells neither sum nor count where a bound is negative, as of returns."""
        for bound, below in zip((*self.bounds, float("inf")), accumulate(self.counts), strict=True):
            family.add_sample(f"{family.name}_bucket", {**labels, "le": floatToGoString(bound)}, below)
        family.add_sample(f"{family.name}_count", labels, sum(self.counts))
        family.add_sample(f"{family.name}_sum", labels, self.total)


class _Tally:
    """Of one version."""

    __slots__ = ("distributions", "lock", "n_rows", "outcomes")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.outcomes = {"ok": 0, "degraded": 0, "warming": 0}
        self.n_rows = 0
        self.distributions = {name: _Distribution(bounds) for name, (_, _, bounds) in HISTOGRAMS.items()}

    def add(self, answer: Answer, seconds: float) -> None:
        n_rows, of = len(answer), self.distributions
        with self.lock:
            self.outcomes["degraded" if answer.degraded else "ok" if n_rows else "warming"] += 1
            self.n_rows += n_rows
            of["seconds"].add(seconds)
            for name in ("p_up", "E_r"):
                values = answer.columns.get(name)
                if values is not None:
                    for value in values[:_MOST_ROWS].tolist():
                        of[name].add(value)


class Tallies(Collector):
    """Of all versions. Safe to call from any thread.

    triton : whether the same figures are also told under Triton's names
    """

    def __init__(self, triton: bool) -> None:
        self._triton = triton
        self._of: dict[tuple[str, str], _Tally] = {}

    def add(self, answer: Answer, seconds: float) -> None:
        """Count one answer and the seconds that it took."""
        key = answer.model, answer.version
        (self._of.get(key) or self._of.setdefault(key, _Tally())).add(answer, seconds)

    def collect(self) -> Generator[Metric]:
        """The series, as `prometheus_client` asks for them."""
        requests = CounterMetricFamily("barmill_inference_requests", "Requests by how they ended.", labels=(*_OF_VERSION, "outcome"))
        rows = CounterMetricFamily("barmill_inference_rows", "Forecasts given out.", labels=_OF_VERSION)
        histograms = {name: Metric(called, said, "histogram") for name, (called, said, _) in HISTOGRAMS.items()}
        success = CounterMetricFamily("nv_inference_request_success", "Requests that were answered.", labels=_OF_VERSION)
        count = CounterMetricFamily("nv_inference_count", "Inferences, rows of a batch each for itself.", labels=_OF_VERSION)
        micros = CounterMetricFamily("nv_inference_request_duration_us", "Summed time of requests.", labels=_OF_VERSION)
        for key, tally in list(self._of.items()):
            with tally.lock:
                for outcome, n in tally.outcomes.items():
                    requests.add_metric((*key, outcome), n)
                rows.add_metric(key, tally.n_rows)
                for name, family in histograms.items():
                    tally.distributions[name].tell(family, dict(zip(_OF_VERSION, key, strict=True)))
                success.add_metric(key, sum(tally.outcomes.values()))
                count.add_metric(key, tally.n_rows)
                micros.add_metric(key, 1e6 * tally.distributions["seconds"].total)
        yield from (requests, rows, *histograms.values(), *((success, count, micros) if self._triton else ()))


__all__ = ["SECONDS", "Tallies"]
