"""Targets of a recipe against what was measured: met, not met, or not measured.

Latencies are a clock's, so nothing of this is in a result that has a fingerprint: it stands in `timings.json`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from barmill.artefacts import read_json
from barmill.bundles.manifest import ENSEMBLE, MANIFEST, WEIGHTS
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.target_config import ALL, CALIBRATION, COMBINING, EACH, TOTAL

Clocks = Mapping[str, Mapping[str, Any]]


class WeightBytes(NamedTuple):
    """Bytes of a bundle's weights, and of what combines members, 0 in the bundle of a model."""

    weights: int
    combiner: int

    @classmethod
    def of(cls, bundle: Path) -> "WeightBytes":
        """As the manifest in the version's folder `bundle` has them."""
        files = read_json(bundle / MANIFEST)["files"]
        return cls(*(sum(file["size"] for file in files if file["path"].startswith(f"{folder}/")) for folder in (WEIGHTS, ENSEMBLE)))


def check_targets(recipe: Recipe, bundles: Mapping[str, Path], latency: Clocks) -> list[dict[str, Any]]:
    """Each target of `recipe` with what was measured, plain JSON, in the recipe's order; empty where it sets none.

    bundles : folder of the version of each model and ensemble, by its name in the run
    latency : what `measure_latency` gave of each, by the same names
    """
    targets = recipe.targets
    if targets is None:
        return []
    models = tuple(entry.label for entry in recipe.base_models)
    sizes = {label: WeightBytes.of(folder) for label, folder in bundles.items()} if targets.size_kb else {}
    rows = [_row("size", name, limit, "kB", _kilobytes(sizes, models, name)) for name, limit in targets.size_kb.items()]
    for name, limit in targets.latency_ms.items():
        for one in tuple(bundles) if name == EACH else (name,):
            p50, p99 = (_milliseconds(latency, models, one, percentile) for percentile in ("p50_us", "p99_us"))
            rows.append(_row("latency", one, limit, "ms", p99, p50))
    return rows


def _row(kind: str, name: str, limit: float, unit: str, measured: float | None, median: float | None = None) -> dict[str, Any]:
    """`median` tells a slow step from a busy machine; a size has none."""
    met = None if measured is None else measured <= limit
    return {"kind": kind, "of": name, "limit": limit, "measured": measured, "median": median, "unit": unit, "met": met}


def _kilobytes(sizes: Mapping[str, WeightBytes], models: tuple[str, ...], name: str) -> float | None:
    if name == TOTAL:
        once = [sizes[label].weights if label in models else sizes[label].combiner for label in sizes]
        return sum(once) / 1000
    return sum(sizes[name]) / 1000 if name in sizes else None


def _milliseconds(latency: Clocks, models: tuple[str, ...], name: str, percentile: str) -> float | None:
    """None where it was not measured, of one or of all that it is of."""
    if name == ALL:
        clocks = [latency.get(label, {}) for label in models]
    elif name in (CALIBRATION, COMBINING):
        steps = [one.get("steps", {}) for one in latency.values()]
        clocks = [one.get(name, {}) for one in steps if name == CALIBRATION or name in one]
    else:
        clocks = [latency.get(name, {})]
    measured = [clock.get(percentile) for clock in clocks]
    known = [float(value) for value in measured if value is not None]
    if not known or len(known) < len(measured):
        return None
    return round((sum(known) if name == ALL else max(known)) / 1000, 4)


__all__ = ["WeightBytes", "check_targets"]
