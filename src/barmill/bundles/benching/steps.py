"""How long single steps of a forecast take: calibration alone, and what an ensemble adds to the forecasts of its members."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.bundles import Bundle
from barmill.bundles.ensemble_pipeline import EnsemblePipeline
from barmill.bundles.forecasting import SeenBars

WARM_UP, TURNS = 20, 1000


def measure_steps(bundle: Bundle, values: npt.NDArray[np.float64], closed: SeenBars | None) -> dict[str, dict[str, float]]:
    """Median and 99th percentile of each step for one row, in microseconds: "calibration", and of an ensemble "combining".

    values : float64 (n, n_features), features that end with a row which can be forecast; closed : as `measure_latency` has it
    """
    pipeline = bundle.pipeline
    even = np.zeros(1) if pipeline.n_classes == 2 else np.zeros((1, pipeline.n_classes))
    row, feature = np.array([len(values) - 1], dtype=np.int64), pipeline.calibration.feature
    regime = None if feature is None else values[row, pipeline.names.index(feature)]
    steps = {"calibration": _timed(lambda: pipeline.calibration.apply(even, regime))}
    if isinstance(pipeline, EnsemblePipeline):
        said = pipeline.said(values, row, closed=closed)
        steps["combining"] = _timed(lambda: pipeline.combined(said, values, row))
    return steps


def _timed(step: Callable[[], Any]) -> dict[str, float]:
    taken: list[int] = []
    for turn in range(WARM_UP + TURNS):
        asked = time.perf_counter_ns()
        step()
        if turn >= WARM_UP:
            taken.append(time.perf_counter_ns() - asked)
    p50, p99 = np.percentile(np.array(taken) / 1000, (50, 99))
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}


__all__ = ["measure_steps"]
