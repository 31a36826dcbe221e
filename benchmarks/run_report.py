"""Whole runs, measured: trains recipes in processes of their own and prints a Markdown table of what they took and gave.

    python -m benchmarks.run_report recipes/quickstart.yaml
    python -m benchmarks.run_report recipes/crypto-1m.yaml recipes/crypto-1m.yaml@$BARMILL_DATA/fx/EURUSD_1m_2019.parquet

A run is RECIPE or RECIPE@BARS. Each gets a new folder below --out and a trial ledger of its own there, so that measuring adds
nothing to yours. Wall time is the clock's from the start of the program to its end, compiled kernels being cached (a first,
call warms them). Peak memory is the largest sum over all processes of the run at one time, pages that they share
counted once.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADINGS = ("bars", "model", "fit", "AUC (95 %)", "ECE", "net Sharpe", "random 5..95 %", "trades", "above chance")


@dataclass(frozen=True)
class Measured:
    """One run: where it is, and the seconds that it took."""

    folder: Path
    wall_s: float

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name).read_bytes())


def measure(run: str, folder: Path, settings: list[str]) -> Measured:
    """Train one recipe into `folder`; ends the program with what it said if it fails."""
    recipe, _, bars = run.partition("@")
    command = [sys.executable, "-m", "barmill.cli", "train", recipe, "--out", str(folder), "--json"]
    command += ["--bars", bars] if bars else []
    command += [word for setting in settings for word in ("--set", setting)]
    environment = {**os.environ, "BARMILL_LEDGER": str(folder.parent / "ledger")}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{run} ended with code {done.returncode}:\n{done.stderr}")
    return Measured(folder, wall_s)


def table(results: list[Measured]) -> str:
    """A row for each model, and below it a line for each run."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    notes: list[str] = []
    for result in results:
        judgement, timings = result.json("metrics/judgement.json"), result.json("timings.json")
        what = f"{judgement['symbol']} {judgement['timeframe']}"
        lines += [f"| {' | '.join(_cells(what, model, timings))} |" for model in judgement["models"]]
        data = judgement["data"]
        span = f"{data['rows']:,} bars, {data['first']} to {data['last']}, {judgement['labels']['n']:,} labels"
        memory = f"peak {timings['peak_memory_mb']:,} MiB (estimated {timings['estimated_memory_mb']:,})"
        notes.append(f"- {judgement['name']} on {what}, {span}: {result.wall_s:.0f} s in all, {memory}")
    return "\n".join([*lines, "", *notes])


def _cells(what: str, model: dict[str, Any], timings: dict[str, Any]) -> list[str]:
    scores, trading = model["classification"], model["trading"]
    low, high = scores["auc_interval"]
    band = trading["random"]
    return [
        what,
        f"{model['name']}{' *' if model['selected'] else ''}",
        f"{timings['stages']['fit ' + model['name']]:.1f} s",
        f"{_number(scores['auc'])} ({_number(low)} to {_number(high)})",
        _number(model["calibration"]["ece"]),
        _number(trading["sharpe"], 2),
        f"{_number(band['p05'], 1)} to {_number(band['p95'], 1)}",
        f"{trading['n_trades']}",
        "yes" if trading["above_chance"] else "no",
    ]


def _number(value: float | str | None, digits: int = 3) -> str:
    return "n/a" if value is None else value if isinstance(value, str) else f"{value:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run_report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RECIPE[@BARS]")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="laid over every recipe; repeatable"
    )
    parser.add_argument("--out", type=Path, help="folder of the runs, which must be new or empty; a temporary one if left out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            parser.error(f"{out} is not empty: a run that is there already would be measured as nothing")
        warm = [sys.executable, "-c", "from barmill.features import warm_kernels; import barmill.labels._kernels; warm_kernels()"]
        subprocess.run(warm, check=True)
        results = [measure(run, out / f"run-{number}", asked.settings) for number, run in enumerate(asked.runs, start=1)]
        print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
        print(table(results))


if __name__ == "__main__":
    main()
