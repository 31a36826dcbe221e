"""Runs every benchmark of this folder, each in a process of its own, one after another.

    python -m benchmarks [--quick] [NAME ...]

`--quick` takes sizes that end within a minute or so: enough to see that they run, too small to quote.
"""

import argparse
import os
import pkgutil
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
NOT_SPEED = {"__main__", "feature_peers", "forecasting_data", "forecasting_rows", "hot_path_bundles", "run_report", "serving_peers"}
QUICK = {
    "adding_problem": ("--windows", "256", "--epochs", "1"),
    "backtest": ("--bars", "100000", "--columns", "10", "--rounds", "1"),
    "ensembles": ("--rounds", "5", "--bars", "20000"),
    "features": ("--bars", "100000", "--rounds", "1"),
    "feature_kernels": ("--bars", "100000"),
    "forecasting": ("--rows", "anchors,nlinear", "--seeds", "1"),
    "hot_path": ("--calls", "300", "--trees", "50", "--hidden", "16", "--rows", "3000"),
    "labels": ("--bars", "100000", "--rounds", "2"),
    "leakage": ("--bars", "9000", "--rows", "100000", "--only", "recall,cost"),
    "models": ("--rows", "10000", "--windows", "512", "--rounds", "1"),
    "networks": ("--windows", "256", "--rounds", "1", "--only", "lstm,nbeats,nhits,dlinear,nlinear"),
    "overload": ("--seconds", "0.5", "--rounds", "1", "--connections", "64"),
    "reloads": ("--reloads", "5", "--minutes", "1", "--rate", "50", "--steady", "2"),
    "serving": ("--requests", "500", "--rounds", "2"),
    "serving_memory": ("--requests", "4000", "--lines", "4"),
    "shadow": ("--rounds", "1", "--seconds", "2", "--rate", "50"),
    "splits": ("--labels", "100000", "--rounds", "2"),
    "trees": ("--trees", "50", "--features", "60", "--calls", "200"),
    "views": ("--bars", "20000", "--batches", "4", "--rounds", "1"),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


def names() -> list[str]:
    """Every benchmark there is, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]) if module.name not in NOT_SPEED)


def run(name: str, *, quick: bool) -> bool:
    """Run one; its table goes to standard output as it comes. Returns whether it ended well."""
    print(f"\n## {name}\n", flush=True)
    began = time.perf_counter()
    arguments = QUICK.get(name, ()) if quick else ()
    environment = {**os.environ, **ONE_THREAD}
    code = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=FOLDER.parent, env=environment, check=False
    ).returncode
    print(f"\n{name}: {'done' if code == 0 else f'FAILED with code {code}'} in {time.perf_counter() - began:.1f} s", flush=True)
    return code == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; all if left out")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(names()))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are {', '.join(names())}")
    results = [run(name, quick=asked.quick) for name in asked.names or names()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
