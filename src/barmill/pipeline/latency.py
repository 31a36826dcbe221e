"""How long one forecast takes: a bundle as a server loads it, one bar at a time, features already there.

A clock's figure: it differs from call to call and machine to machine, so it stands beside a run's results and in no fingerprint.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from barmill.artefacts import read_json, readable_json, write_bytes
from barmill.bundles import Bundle
from barmill.bundles.benching.steps import measure_steps
from barmill.bundles.forecasting import SeenBars
from barmill.features import FeatureTable

WARM_UP = 3
FEWEST, MOST = 20, 400  # forecasts
SECONDS = 0.3  # of a model, once the fewest are done


def measure_latency(bundle: Bundle, table: FeatureTable, closed: SeenBars | None = None) -> dict[str, Any]:
    """Median and 99th percentile of the time of one forecast, in microseconds, on the last bars of `table` that can be forecast;
    and of its steps, see `measure_steps`, where the direction is forecast.

    One row goes in at a time: scaling, the model, calibration, quantiles and the guard, in one thread if the process has one.

    closed : what `pipeline.closed` says, for a model that sees bars; they are there already, as the features are
    """
    depth = bundle.pipeline.depth
    rows = np.flatnonzero(bundle.pipeline.ready(table.ready, closed))[-MOST:]
    taken: list[int] = []
    seen, known = table.values[:0], None
    began = time.perf_counter()
    for turn in range(WARM_UP + MOST):
        row = int(rows[turn % rows.size])
        seen = np.ascontiguousarray(table.values[row + 1 - depth : row + 1])
        known = None if closed is None else closed.known_at(row)
        asked = time.perf_counter_ns()
        bundle.pipeline.run(seen, np.array([depth - 1], dtype=np.int64), closed=known)
        if turn >= WARM_UP:
            taken.append(time.perf_counter_ns() - asked)
        if len(taken) >= FEWEST and time.perf_counter() - began > SECONDS:
            break
    p50, p99 = np.percentile(np.array(taken) / 1000, (50, 99))
    steps = {} if bundle.pipeline.direction is None else measure_steps(bundle, seen, known)
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1), "n": len(taken), "steps": steps, "digest": bundle.digest}


def latency_file(root: Path, label: str) -> Path:
    """Where a worker leaves what it measured of one model, for the run to take up."""
    return root / ".scratch" / f"latency-{label}.json"


def write_latency(root: Path, label: str, measured: dict[str, Any]) -> None:
    write_bytes(latency_file(root, label), readable_json(measured))


def latencies(root: Path, bundles: dict[str, str], earlier: dict[str, Any]) -> dict[str, Any]:
    """What was measured of each bundle (label to digest), now or in an earlier call; a bundle that no measure is of has none."""
    found: dict[str, Any] = {}
    for label, digest in bundles.items():
        file = latency_file(root, label)
        for measured in (read_json(file) if file.exists() else None, earlier.get(label)):
            if measured is not None and measured["digest"] == digest:
                found[label] = measured
                break
    return found
