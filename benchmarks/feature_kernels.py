"""What bounds each kernel of the charter set on base bars, and how far from that bound it is.

    python -m benchmarks.feature_kernels [--bars 500000]

Three times are given for a bar. `kernel`: the kernel itself, over bars that it has not seen. `memory`: reading the rows that
it reads and writing those that it writes, once, on the same sheet. `arithmetic`: the logarithms, divisions, roots, error
functions and additions that its formula needs at the least, at the rates that this processor reaches when they do not wait
for each other (additions four at once). The larger of the last two bounds it; what is left over is waiting: a sum for its last term, a
quotient for the sum, a guess for the branch.
"""

import argparse
import math
import time
from collections.abc import Callable

import numba
import numpy as np

from barmill.features import FeaturePlan
from barmill.features.computing import new_reader
from barmill.features.layout import Run
from barmill.features.scan import BLOCK, Scan
from benchmarks.features import make_bars

# at the least, from the window n: logarithms, divisions and roots, additions and multiplications; error functions last
LEAST: dict[str, Callable[[int], tuple[float, float, float, float]]] = {
    "return_moments": lambda n: (1, 8, 7 * n, 0),
    "kyle_lambda": lambda n: (0, 4, 12 * math.log2(n), 1),
    "vpin": lambda _: (0, 2, 8, 1),
    "volatility_regime": lambda n: (1, 2, 2 * 20 + 2 * n, 0),
    "obv_zscore": lambda n: (0, 3, 4 * n, 0),
    "roll_spread": lambda n: (0, 3, 12 * math.log2(n), 0),
    "bollinger": lambda n: (0, 4, 3 * n, 0),
    "corwin_schultz_spread": lambda n: (2, 5, 2 * math.log2(n), 0),
    "imbalance": lambda n: (0, 3, 4 * math.log2(n), 1),
    "effective_spread": lambda n: (2, 2, 2 * math.log2(n), 0),
    "realised_volatility": lambda n: (1, 2, 2 * n, 0),
    "stochastic": lambda n: (0, 3, 2 * n, 0),
    "price_impact": lambda n: (1, 3, 2 * math.log2(n), 0),
    "trend": lambda n: (1, 2, 3 * n, 0),
    "garman_klass_volatility": lambda n: (2, 2, n, 0),
    "parkinson_volatility": lambda n: (1, 2, n, 0),
    "rate": lambda n: (0, 3, 2 * math.log2(n), 0),
    "amihud": lambda n: (0, 4, 2 * math.log2(n), 0),
    "vwap_distance": lambda n: (0, 2, 2 * n, 0),
    "volume_ratio": lambda n: (0, 2, n, 0),
    "efficiency_ratio": lambda n: (0, 1, 2 * n, 0),
    "logarithm": lambda _: (1, 0, 0, 0),
    "rsi": lambda _: (0, 3, 6, 0),
    "atr": lambda _: (0, 2, 6, 0),
    "adx": lambda _: (0, 6, 14, 0),
    "macd": lambda _: (0, 3, 10, 0),
    "haar": lambda _: (0, 0, 8, 0),
    "product": lambda _: (0, 0, 1, 0),
}


@numba.njit(error_model="numpy")
def _logarithms(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = math.log(x[i])


@numba.njit(error_model="numpy")
def _quotients(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = 1.5 / x[i]


@numba.njit(error_model="numpy")
def _error_functions(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = math.erf(x[i])


OPERATIONS = 8


@numba.njit(error_model="numpy")
def _additions(x: np.ndarray, out: np.ndarray) -> None:
    """Eight additions and multiplications of each value, of many values at once."""
    for i in range(x.size):
        v = x[i]
        out[i] = (((v + 1.5) * 0.75 + 0.5) * 1.25 + 2.5) * 0.5 + v * v


def best_ns(work: Callable[[], object], n: int, rounds: int = 30) -> float:
    """The least time in nanoseconds for one of `n`."""
    least = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    return least / n * 1e9


def rates() -> tuple[float, float, float, float]:
    """Nanoseconds of a logarithm, a division, an addition and an error function, one after another without waiting."""
    x, out = np.linspace(0.5, 2.0, BLOCK), np.empty(BLOCK)
    works = (_logarithms, _quotients, _additions, _error_functions)
    for work in works:
        work(x, out)
    per_log, per_quotient, eight, per_error = (best_ns(lambda work=work: work(x, out), BLOCK, 200) for work in works)
    return per_log, per_quotient, eight / OPERATIONS, per_error


def kernel_ns(scan: Scan, runs: list[Run], rows: np.ndarray) -> dict[str, float]:
    """Nanoseconds a bar of each run, every block of bars once and in turn."""
    program = scan._program
    works = {run.name: program.work((), [run]) for run in runs}
    took = dict.fromkeys(works, 0.0)
    for start in range(0, rows.shape[1] - BLOCK, BLOCK):
        scan._begin_block(rows[:, start : start + BLOCK])
        for name, work in works.items():
            began = time.perf_counter()
            scan._run_kernels(work)
            took[name] += time.perf_counter() - began
    n_bars = (rows.shape[1] - BLOCK) // BLOCK * BLOCK
    return {name: seconds / n_bars * 1e9 for name, seconds in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=500_000)
    bars = make_bars(parser.parse_args().bars)
    plan = FeaturePlan.build(set="charter", needs=())
    rows = np.empty((7, len(bars)))
    new_reader(plan).read(bars, 0, len(bars), rows)
    scan = Scan(plan.program)
    out = np.empty((len(bars), len(plan.names)), dtype=np.float32)
    for _ in scan.advance(rows, out):
        pass  # warm, and wide enough for a block
    runs = [run for run in plan.program.layout.runs if run.layer == 0 and not run.late]
    first = {run.kernel.name: run for run in reversed(runs)}
    took = kernel_ns(scan, list(first.values()), rows)
    per_log, per_quotient, per_addition, per_error = rates()
    row = best_ns(lambda: np.copyto(scan._sheet[8, :BLOCK], scan._sheet[5, :BLOCK]), BLOCK, 200)
    print(
        f"a logarithm {per_log:.2f} ns, a quotient {per_quotient:.2f}, an error function {per_error:.2f}, an addition {per_addition:.3f};"
    )
    print(f"a row read and a row written {row:.2f}\n")
    print("| kernel | a bar | memory | arithmetic | bound by | times its bound |\n|---|---|---|---|---|---|")
    for name, run in sorted(first.items(), key=lambda item: -took[item[1].name]):
        if name not in LEAST:
            continue
        logs, quotients, additions, errors = LEAST[name](int(run.numbers[0]) if run.numbers else 1)
        arithmetic = logs * per_log + quotients * per_quotient + additions * per_addition + errors * per_error
        memory = row * max(len(run.kernel.outputs), 1)
        bound = max(arithmetic, memory)
        what = "arithmetic" if arithmetic >= memory else "memory"
        ns = took[run.name]
        print(f"| `{run.name}` | {ns:.1f} ns | {memory:.1f} | {arithmetic:.1f} | {what} | {ns / bound:.1f} |")


if __name__ == "__main__":
    main()
