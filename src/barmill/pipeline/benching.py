"""The bench of a bundle, or of every bundle of a run, with the machine that it was measured on and the charters' targets."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import barmill
from barmill.artefacts import readable_json, without_nan, write_bytes
from barmill.bundles.benching import asked_of, bench_bundle, told
from barmill.errors import InputError
from barmill.pipeline.run import Run
from barmill.progress import Progress

FORMAT = 1
FILE = Path("metrics") / "bench.json"  # of a run
CALLS = 10_000


def bench(place: Path, calls: int = CALLS, progress: Progress | None = None) -> dict[str, Any]:
    """Measure the bundle in `place`, or every bundle of the run there.

    Returns
    -------
    plain JSON: `machine`, `calls`, `bundles` (what `bench_bundle` says, by name), `targets` and `summary`. That of a run is also written
    to its `metrics/bench.json`, whole or not at all, where its report finds it.

    Raises: InputError for a folder that is neither; else as `Bundle.load`.
    """
    run = Run(place) if (place / "fingerprints.json").exists() else None
    if run is None and not ((place / "manifest.json").exists() or (place / "current.json").exists()):
        raise InputError(str(place), "holds neither a bundle nor a finished run", expected="the folder of one of them")
    load = os.getloadavg()[0]
    paths = {"": place} if run is None else run.bundle_paths
    benches = {name: bench_bundle(path, calls, progress) for name, path in paths.items()}
    if run is None:
        benches = {one["name"]: one for one in benches.values()}
    years = {name: one["bars_a_year"] for name, one in benches.items()}
    asked = asked_of(benches, None if run is None else signals_of(run.judgement, years))
    done = {
        "format": FORMAT,
        "machine": _machine(load),
        "calls": calls,
        "bundles": benches,
        "targets": [one.to_json() for one in asked],
        "summary": told(asked),
    }
    if run is not None:
        write_bytes(place / FILE, readable_json(without_nan(done)))
    return done


def signals_of(judgement: Mapping[str, Any], bars_a_year: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """What the test block said of each model's signal: correlation with returns, information coefficient, and turnover of a bar."""
    found: dict[str, dict[str, float | None]] = {}
    for model in judgement["models"]:
        name, forecast, turnover = model["name"], model.get("forecast", {}), model.get("trading", {}).get("turnover")
        per_bar = None if turnover is None else turnover / bars_a_year[name]
        found[name] = {"correlation": forecast.get("ic"), "ic": forecast.get("rank_ic"), "turnover_per_bar": per_bar}
    return found


def _machine(load: float) -> dict[str, Any]:
    """What it was measured on; `load` is the mean number of processes that wanted a processor in the minute before."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)),
        "load": round(load, 2),
        "python": platform.python_version(),
        "barmill": barmill.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


__all__ = ["CALLS", "FILE", "bench", "signals_of"]
