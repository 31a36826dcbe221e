"""One bar in, its forecast out: percentiles of each step beside LightGBM's own predict and plain ONNX Runtime.

    python -m benchmarks.hot_path [--calls 10000] [--trees 500] [--hidden 128] [--rows 9000]

Bundles as large as those that are served: LightGBM of 500 trees with 64 leaves on 200 features, an LSTM of two layers of 128 units on
windows of 60 bars and 44 features, and both as members of a vote, each with calibration and a conformal band, on the charter's features.
Every figure is a percentile of single calls after a warm-up, on one thread; the load of the machine stands above the table and below it.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from barmill.bundles import Bundle
from barmill.bundles.benching.clock import Clock, clocked
from barmill.bundles.benching.rows import clock_of_bar, clock_of_row
from barmill.bundles.benching.sample import Sample
from barmill.models.onnx_session import open_session
from benchmarks.hot_path_bundles import Size, loaded, single, voting

GOALS_US = {"lightgbm: one row": 20.0, "lstm: one row": 500.0, "voting: one row": 600.0, "lightgbm: one bar": 300.0}


def tell(name: str, clock: Clock, *, whole: bool) -> None:
    """A line of the table, with the goal where there is one, which is of the whole size."""
    goal = GOALS_US.get(name) if whole else None
    verdict = "" if goal is None else f"   p50 {'below' if clock.p50_us < goal else 'NOT below'} {goal:g}"
    figures = "".join(f"{one:>10,.1f}" for one in (clock.p50_us, clock.p90_us, clock.p99_us, clock.p999_us))
    print(f"{name:<36}{figures}{verdict}", flush=True)


def peer_of_trees(bundle: Bundle, sample: Sample) -> tuple[str, Callable[[], Any]]:
    """LightGBM's own predict of one row of scaled inputs, one thread."""
    import lightgbm as lgb

    (fitted,) = bundle.fitted.values()
    booster = lgb.Booster(model_str=fitted.files["p_up.txt"].decode())
    rows = cycle(bundle.pipeline.scaled(sample.values, sample.rows)[:, None])  # pyright: ignore[reportAttributeAccessIssue]  a model's
    return "LightGBM's own predict", lambda: booster.predict(next(rows), raw_score=True, num_threads=1)


def peer_of_network(bundle: Bundle, sample: Sample) -> tuple[str, Callable[[], Any]]:
    """Plain ONNX Runtime on one window of scaled inputs."""
    (fitted,) = bundle.fitted.values()
    session: Any = open_session(fitted.files["model.onnx"])
    row = int(sample.rows[-1])
    window = bundle.pipeline.scaled(sample.last(bundle.pipeline, row))[None]  # pyright: ignore[reportAttributeAccessIssue]  a model's
    return "plain ONNX Runtime", lambda: session.run(None, {"window": window})


def main() -> None:
    """Fit, load, and print a line for each as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, value in (("calls", 10_000), ("trees", Size().trees), ("hidden", Size().hidden), ("rows", Size().rows)):
        parser.add_argument(f"--{option}", type=int, default=value)
    asked = parser.parse_args()
    size = Size(trees=asked.trees, hidden=asked.hidden, rows=asked.rows)
    whole = size == Size()
    began = time.perf_counter()
    members = [single(name, size) for name in ("lightgbm", "lstm")]
    contents = [*members, voting(members, size)]
    print(f"fitted in {time.perf_counter() - began:.0f} s; {size.trees} trees, {size.hidden} units; load {os.getloadavg()[0]:.1f}")
    print(f"{'microseconds, one thread':<36}{'p50':>10}{'p90':>10}{'p99':>10}{'p99.9':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for one in contents:
            bundle = loaded(one, Path(folder))
            sample = Sample.of(bundle)
            tell(f"{one.name}: one row", clock_of_row(bundle.pipeline, sample, asked.calls), whole=whole)
            row = np.array([bundle.pipeline.depth - 1])
            seen = sample.last(bundle.pipeline, int(sample.rows[-1]))
            tell("  as one of many would go", clocked(lambda b=bundle, s=seen, r=row: b.pipeline.run(s, r), asked.calls), whole=whole)
            if one in members:
                name, call = (peer_of_trees if one.name == "lightgbm" else peer_of_network)(bundle, sample)
                tell(f"  {name}", clocked(call, asked.calls), whole=whole)
            tell(f"{one.name}: one bar", clock_of_bar(bundle, sample, asked.calls), whole=whole)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
