"""Speed of the feature engine against TA-Lib with Polars and against pandas, in turns, in one process, on the same bars.

    python -m benchmarks.features [--bars 1000000] [--rounds 3]

The common subset is 22 indicators, at one timeframe, three and nine; each peer computes it as its users do, returning one
float64 table. `charter` is the whole set at nine timeframes as float32, and the floor is what writing that table once costs on
this machine: into new memory, whose pages the system has to give first, and into memory that is there.
"""

import argparse
import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from barmill.features import FeaturePlan, FeatureStream, parse_feature, warm_kernels
from barmill.market import Bars, Instrument, Timeframe
from benchmarks.feature_peers import COMMON, MINUTE_MS, pandas_only, talib_polars

MINUTE = Timeframe.parse("1m")
LADDERS = ((1,), (1, 5, 15), (1, 5, 10, 15, 20, 25, 30, 45, 60))
N_STREAMS = 1_000


def make_bars(n_bars: int) -> Bars:
    """A random walk with ranges and volume."""
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, n_bars)))
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0.0, 2e-4, n_bars)))
    low = np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0.0, 2e-4, n_bars)))
    open_time = 1_704_067_200_000 + MINUTE_MS * np.arange(n_bars)
    return Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, open_time, open_, high, low, close, rng.lognormal(3.0, 1.0, n_bars))


def common_plan(minutes: tuple[int, ...]) -> FeaturePlan:
    names = [name if m == 1 else f"{name}@{m}m" for m in minutes for name in COMMON]
    return FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))


def barmill(bars: Bars, minutes: tuple[int, ...]) -> np.ndarray:
    return common_plan(minutes).compute(bars, threads=1).values


PEERS: dict[str, Callable[[Bars, tuple[int, ...]], np.ndarray]] = {
    "Barmill": barmill,
    "TA-Lib + Polars": talib_polars,
    "pandas": pandas_only,
}


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    made = work()
    took = time.perf_counter() - start
    del made
    return took


def in_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, one after another within each round, so that a slow moment of the machine meets them all."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return times


def print_times(title: str, times: dict[str, list[float]]) -> None:
    print(f"\n{title}")
    first = times[next(iter(times))]
    for name, took in times.items():
        ratios = sorted(t / own for t, own in zip(took, first, strict=True))
        print(f"  {name:<28} {median(took) * 1e3:9.0f} ms   {median(ratios):6.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


def check_equal(bars: Bars) -> None:
    """The peers compute the same numbers, or the times say nothing (pandas starts its means otherwise: compared late)."""
    ours, theirs = barmill(bars, (1, 5)), talib_polars(bars, (1, 5))
    late = slice(len(bars) // 2, None)
    skew = [i for i in range(2 * len(COMMON)) if COMMON[i % len(COMMON)] == "return_skewness_60"]
    same = [i for i in range(2 * len(COMMON)) if i not in skew]  # the libraries' skewness is corrected for bias or not
    np.testing.assert_allclose(ours[late][:, same], theirs[late][:, same], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(ours[late][:, same], pandas_only(bars, (1, 5))[late][:, same], rtol=1e-6, atol=1e-7)


def compile_seconds() -> float:
    """All kernels from nothing, in a process of its own with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        program = "import time; from barmill.features import warm_kernels as w; t = time.perf_counter; b = t(); w(); print(t() - b)"
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        return float(subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True).stdout)


def whole_set(plan: FeaturePlan, bars: Bars, rounds: int) -> None:
    """The set on one thread and on two, into new memory and into memory that is there, beside writing the table once."""
    shape = (len(bars), len(plan.names))
    room = np.zeros(shape, dtype=np.float32)
    works: dict[str, Callable[[], object]] = {
        "two threads, memory reused": lambda: plan.compute(bars, out=room, threads=2),
        "one thread, memory reused": lambda: plan.compute(bars, out=room, threads=1),
        "two threads, new memory": lambda: plan.compute(bars, dtype="float32", threads=2),
        "writing it once": lambda: room.fill(1.0),
        "writing it once, new memory": lambda: np.full(shape, 1.0, dtype=np.float32),
    }
    size = room.nbytes / 2**20
    print_times(f"charter: {shape[1]} columns at nine timeframes, {shape[0]:,} bars, {size:.0f} MiB of float32", in_turns(works, rounds))


def peak_memory(bars: Bars, plan: FeaturePlan) -> float:
    """How much more memory the computation takes at its peak than before it, as a multiple of the table (in this process)."""
    before = _resident_mb()
    table = plan.compute(bars, dtype="float32")
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before) / (table.values.nbytes / 2**20)


def _resident_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123  a line of the kernel's
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def pushes(streams: list[FeatureStream], bars: Bars, first: int, last: int) -> tuple[float, float]:
    """Median and 99th percentile of one more bar in microseconds, the streams in turns, over bars that differ."""
    took: list[float] = []
    for i in range(first, last):
        bar = bars.bar(i)
        for stream in streams:
            start = time.perf_counter_ns()
            stream.push(bar)
            took.append((time.perf_counter_ns() - start) / 1e3)
    return float(np.quantile(took, 0.5)), float(np.quantile(took, 0.99))


def live(plan: FeaturePlan, bars: Bars) -> None:
    one = FeatureStream(plan)
    one.extend(bars.slice(0, 5_000))
    middle, late = pushes([one], bars, 5_000, 25_000)
    print(f"\none more bar through charter: median {middle:.0f} us, 99th percentile {late:.0f} us, over 20,000 bars")
    before = _resident_mb()
    streams = [FeatureStream(plan) for _ in range(N_STREAMS)]
    middle, late = pushes(streams, bars, 0, 60)
    held = _resident_mb() - before
    pushes(streams, bars, 60, 120)
    grown = _resident_mb() - before - held
    print(f"{N_STREAMS:,} streams in turns: median {middle:.0f} us, 99th percentile {late:.0f} us")
    print(f"they hold {held:.0f} MiB, and {grown:+.1f} MiB after 60 bars more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"compile all kernels from nothing: {compile_seconds():.1f} s; load them from the cache: {seconds(warm_kernels):.2f} s")
    bars, charter = make_bars(asked.bars), FeaturePlan.build(set="charter", needs=())
    print(f"peak memory of charter: {peak_memory(bars, charter):.2f} times its table")
    check_equal(bars.slice(0, min(asked.bars, 20_000)))
    for minutes in LADDERS:
        works = {name: (lambda peer=peer, minutes=minutes: peer(bars, minutes)) for name, peer in PEERS.items()}
        n_columns = len(minutes) * len(COMMON)
        works["Barmill, two threads"] = lambda minutes=minutes: common_plan(minutes).compute(bars, threads=2, dtype="float32")
        title = f"{n_columns} columns at {', '.join(f'{m}m' for m in minutes)}, {asked.bars:,} bars, one thread"
        print_times(title, in_turns(works, asked.rounds))
    whole_set(charter, bars, asked.rounds)
    live(charter, bars)


if __name__ == "__main__":
    main()
