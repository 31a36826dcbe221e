"""How long one forecast takes: of a row whose features are there, of a raw bar, and of many rows at once."""

import time
from itertools import cycle
from typing import Any

import numpy as np

from barmill.bundles.benching.clock import Clock, clocked
from barmill.bundles.benching.sample import Sample
from barmill.bundles.bundle import Bundle
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.hot_path import HotPath
from barmill.bundles.row_path import row_path

BATCHES = (1, 8, 64, 512, 4096)
SECONDS = 0.25  # for one size of batch, and three turns at least


def clock_of_row(pipeline: Pipeline, sample: Sample, calls: int) -> Clock:
    """One row, features ready: the way that a stream takes, see `HotPath`."""
    rows = cycle([sample.last(pipeline, int(row)) for row in sample.rows])
    path = row_path(pipeline)
    if path is None:
        seen = cycle([None if sample.closed is None else sample.closed.known_at(int(row)) for row in sample.rows])
        newest = np.array([pipeline.depth - 1], dtype=np.int64)
        return clocked(lambda: pipeline.run(next(rows), newest, closed=next(seen)), calls)
    path.fill(next(rows))
    lines = cycle([sample.values[row].copy() for row in sample.rows])

    def forecast() -> None:
        line = next(lines)
        path.take(line)
        path.forecast(line)

    return clocked(forecast, calls)


def clock_of_bar(bundle: Bundle, sample: Sample, calls: int) -> Clock:
    """One raw bar to its forecast, through features that are streamed. The golden bars come again and again, each time after the same
    history; the first of them, for which memory is laid out, is not counted."""
    sources = bundle.plan.sources
    first = int(sample.rows[0])
    bars = [sample.bars.bar(row) for row in range(first, len(sample.bars))]
    numbers = [(*bar[:6], *(bar.extra[name] for name in sources)) for bar in bars]
    taken: list[int] = []
    while len(taken) < calls:
        path = HotPath(bundle)
        path.extend(sample.bars.slice(0, first))
        path.push(*numbers[0])
        for one in numbers[1:]:
            asked = time.perf_counter_ns()
            path.push(*one)
            taken.append(time.perf_counter_ns() - asked)
    return Clock.of(taken[:calls])


def batches(pipeline: Pipeline, sample: Sample) -> list[dict[str, Any]]:
    """Rows a second by rows in a call, features ready: the median of the turns."""
    since = max(int(sample.rows[0]) + 1 - pipeline.depth, 0) if sample.closed is None else 0
    values = np.ascontiguousarray(sample.values[since:])
    found: list[dict[str, Any]] = []
    for size in BATCHES:
        rows = np.resize(sample.rows - since, size).astype(np.int64)
        taken: list[int] = []
        pipeline.run(values, rows, closed=sample.closed)
        while len(taken) < 3 or sum(taken) < SECONDS * 1e9:
            asked = time.perf_counter_ns()
            pipeline.run(values, rows, closed=sample.closed)
            taken.append(time.perf_counter_ns() - asked)
        found.append({"rows": size, "per_second": round(size / (float(np.median(taken)) / 1e9), 1)})
    return found


__all__ = ["BATCHES", "batches", "clock_of_bar", "clock_of_row"]
