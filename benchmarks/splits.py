"""Processor time and memory of combinatorial purged cross-validation against skfolio, in turns, in one process, on the same labels.

    python benchmarks/splits.py [--labels 1000000] [--rounds 5]

Both work on one thread and wait for nothing, so processor time is what they need, whatever else the machine does.
skfolio purges by a number of rows, so the comparison gives every label one length, where both must keep the same rows; that is
asserted. Then Barmill alone, on labels of random length that end out of order, which skfolio has no way to tell.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from skfolio.model_selection import CombinatorialPurgedCV as TheirCombinatorialPurgedCV

from barmill.labels import sequential_bootstrap_sample
from barmill.splits import CombinatorialPurgedCV, OrderedSpans

N_GROUPS, N_TEST_GROUPS = 10, 2
HORIZON = 60
EMBARGO = 1440


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


def ranges(labels: Spans) -> list[object]:
    return list(CombinatorialPurgedCV(n_groups=N_GROUPS, n_test_groups=N_TEST_GROUPS, embargo=EMBARGO).folds(labels))


def arrays(labels: Spans) -> list[object]:
    return list(CombinatorialPurgedCV(n_groups=N_GROUPS, n_test_groups=N_TEST_GROUPS, embargo=EMBARGO, labels=labels).split(labels.t0))


def skfolio(rows: np.ndarray) -> list[object]:
    splitter = TheirCombinatorialPurgedCV(n_folds=N_GROUPS, n_test_folds=N_TEST_GROUPS, purged_size=HORIZON, embargo_size=EMBARGO)
    return list(splitter.split(rows))


def check_same_rows(labels: Spans, rows: np.ndarray) -> None:
    splitter = TheirCombinatorialPurgedCV(n_folds=N_GROUPS, n_test_folds=N_TEST_GROUPS, purged_size=HORIZON, embargo_size=EMBARGO)
    ours = CombinatorialPurgedCV(n_groups=N_GROUPS, n_test_groups=N_TEST_GROUPS, embargo=EMBARGO).folds(labels)
    for fold, (train, tests) in zip(ours, splitter.split(rows), strict=True):
        np.testing.assert_array_equal(fold.train.positions(), np.sort(train))
        np.testing.assert_array_equal(fold.test.positions(), np.concatenate(tests))


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def peak_mib(work: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def tell(name: str, seconds: list[float], mib: float) -> None:
    print(f"{name:<52}{median(seconds) * 1e3:>10.1f} ms ({min(seconds) * 1e3:.1f} at best) {mib:>9.1f} MiB")


def tell_ratio(name: str, ours: list[float], theirs: list[float]) -> None:
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    print(f"  Barmill's {name} against skfolio: {median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    t0 = np.arange(options.labels)
    even = Spans(t0, t0 + HORIZON)
    uneven = Spans(t0, t0 + np.random.default_rng(0).integers(1, HORIZON + 1, options.labels))
    rows = np.zeros((options.labels, 1))
    check_same_rows(even, rows)

    short: list[float] = []
    random: list[float] = []
    checked: list[float] = []
    long: list[float] = []
    theirs: list[float] = []
    for _ in range(options.rounds):
        short.append(timed(lambda: ranges(even)))
        random.append(timed(lambda: ranges(uneven)))
        checked.append(timed(lambda: OrderedSpans.of(uneven.t0, uneven.t1)))
        long.append(timed(lambda: arrays(even)))
        theirs.append(timed(lambda: skfolio(rows)))

    print(f"all splits of {N_GROUPS} groups, {N_TEST_GROUPS} of which judge; {options.labels:,} labels, embargo {EMBARGO}, one thread")
    tell("Barmill, as ranges", short, peak_mib(lambda: ranges(even)))
    tell("Barmill, as ranges, random lengths", random, peak_mib(lambda: ranges(uneven)))
    tell("  of which checking the labels", checked, peak_mib(lambda: OrderedSpans.of(uneven.t0, uneven.t1)))
    tell("Barmill, as index arrays", long, peak_mib(lambda: arrays(even)))
    tell("skfolio, index arrays", theirs, peak_mib(lambda: skfolio(rows)))
    tell_ratio("ranges", short, theirs)
    tell_ratio("index arrays", long, theirs)

    sequential_bootstrap_sample(t0[:10], t0[:10], options.labels, seed=0)  # compiles
    draws = [timed(lambda: sequential_bootstrap_sample(t0, even.t1, options.labels + HORIZON, seed=0)) for _ in range(options.rounds)]
    print(f"sequential bootstrap, as many draws as labels of {HORIZON} bars: {median(draws):.2f} s")


if __name__ == "__main__":
    main()
