"""Percentiles of the time of a call."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

WARM_UP = 20
_PERCENTILES = (50, 90, 99, 99.9)

Nanoseconds = Callable[[], int]


class Clock(NamedTuple):
    """How long a call took, microseconds; `n` calls were made after those that warm up."""

    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    n: int

    @classmethod
    def of(cls, taken_ns: Sequence[int]) -> "Clock":
        """The percentiles of at least one call."""
        p50, p90, p99, p999 = (round(float(one) / 1000, 2) for one in np.percentile(np.array(taken_ns), _PERCENTILES))
        return cls(p50, p90, p99, p999, len(taken_ns))

    def to_json(self) -> dict[str, float]:
        return self._asdict()


def clocked(call: Callable[[], Any], calls: int, now: Nanoseconds = time.perf_counter_ns) -> Clock:
    """Make `calls` calls one after the other, and some before that to warm up."""
    for _ in range(min(WARM_UP, calls)):
        call()
    taken: list[int] = []
    for _ in range(calls):
        asked = now()
        call()
        taken.append(now() - asked)
    return Clock.of(taken)


__all__ = ["Clock", "Nanoseconds", "clocked"]
