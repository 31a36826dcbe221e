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
    rows = [_row("size", name, limit, _kilobytes(sizes, models, name), "kB") for name, limit in targets.size_kb.items()]
    for name, limit in targets.latency_ms.items():
        names = tuple(bundles) if name == EACH else (name,)
        rows += [_row("latency", one, limit, _milliseconds(latency, models, one), "ms") for one in names]
    return rows


def _row(kind: str, name: str, limit: float, measured: float | None, unit: str) -> dict[str, Any]:
    met = None if measured is None else measured <= limit
    return {"kind": kind, "of": name, "limit": limit, "measured": measured, "unit": unit, "met": met}


def _kilobytes(sizes: Mapping[str, WeightBytes], models: tuple[str, ...], name: str) -> float | None:
    if name == TOTAL:
        once = [sizes[label].weights if label in models else sizes[label].combiner for label in sizes]
        return sum(once) / 1000
    return sum(sizes[name]) / 1000 if name in sizes else None


def _milliseconds(latency: Clocks, models: tuple[str, ...], name: str) -> float | None:
    """None where it was not measured, of one or of all that it is of."""
    if name == ALL:
        measured = [latency.get(label, {}).get("p99_us") for label in models]
    elif name == CALIBRATION:
        measured = [one.get("calibration_us") for one in latency.values()]
    elif name == COMBINING:
        measured = [one["combining_us"] for one in latency.values() if "combining_us" in one]
    else:
        measured = [latency.get(name, {}).get("p99_us")]
    known = [float(value) for value in measured if value is not None]
    if not known or len(known) < len(measured):
        return None
    return round((sum(known) if name == ALL else max(known)) / 1000, 4)


__all__ = ["WeightBytes", "check_targets"]
