"""From the stages of one model to its published bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import read_json, sha256
from barmill.bundles import BundleContents, Volatility, assemble, publish
from barmill.bundles.bar_scaling import BarScaling
from barmill.features import FeaturePlan
from barmill.market import Bars
from barmill.models.catalogue import spec_of
from barmill.models.contract import Window
from barmill.models.resolutions import finest_first, history_bars
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.job import ModelJob
from barmill.pipeline.model_card import model_card
from barmill.pipeline.model_fit import columns_of
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import Calibration, ResidualQuantiles

GOLDEN_ROWS = 512  # of which the golden samples take at least 256, edge cases among them
PROFILE_LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


def publish_bundle(
    job: ModelJob, workspace: Workspace, data: Dataset, bars: Bars, plan: FeaturePlan, weights: dict[str, bytes]
) -> dict[str, Any]:
    """Assemble and publish the bundle of `job`'s model; returns its place in the run folder and its digest."""
    calibrated = workspace.path(job.stages["calibrate"].stage)
    files = assemble(_contents(job, data, bars, plan, weights, calibrated))
    place = publish(files, job.root / "bundle", job.label)
    return {"path": place.relative_to(job.root).as_posix(), "digest": sha256(files["manifest.json"])}


def _contents(job: ModelJob, data: Dataset, bars: Bars, plan: FeaturePlan, weights: dict[str, bytes], calibrated: Path) -> BundleContents:
    spec, recipe, entry = spec_of(job.entry.name), job.recipe, job.entry
    selection = read_json(calibrated / "selection.json")
    train = data.labels.t0[data.positions["train"]]
    return BundleContents(
        name=job.label,
        version=recipe.version,
        recipe=job.portable_recipe,
        plan=plan,
        instrument=bars.instrument,
        timeframe=bars.timeframe,
        scaler=BarScaling(finest_first(job.window), plan.anchor) if isinstance(job.window, Mapping) else data.scaler,
        model_name=spec.name,
        model_files=weights,
        input_names=columns_of(entry, job.window, data.names),
        window=job.window,
        n_classes=recipe.labels.classes,
        outputs=tuple(output for output in entry.outputs if output in spec.outputs),
        calibration=Calibration.from_json(read_json(calibrated / "calibration.json")),
        quantiles=ResidualQuantiles.from_json(read_json(calibrated / "quantiles.json")),
        volatility=Volatility(job.volatility, recipe.labels.horizon, data.volatility_floor),
        thresholds=read_json(calibrated / "thresholds.json"),
        metrics={"selection": selection},
        reference_profile=reference_profile(data.values, train, data.names),
        fingerprints=job.fingerprints,
        model_card=model_card(job, bars, data, selection),
        provenance=[_timed(record, bars) for record in read_json(calibrated / "provenance.json")],
        golden_bars=_golden_bars(bars, plan, job.window, int(train[-1])),
    )


def _timed(record: dict[str, Any], bars: Bars) -> dict[str, Any]:
    """A provenance record with the times of its bars, ms UTC: whoever has other bars can tell which of them the bundle has seen."""
    first, last = int(bars.open_time[record["first_bar"]]), int(bars.close_time[record["last_bar"]])
    return {**record, "first_time": first, "last_time": last}


def reference_profile(values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], names: tuple[str, ...]) -> dict[str, Any]:
    """Quantiles, mean and standard deviation of each feature on the training rows: what live features are compared with."""
    profile: dict[str, Any] = {}
    for column, name in enumerate(names):
        seen = np.asarray(values[rows, column])
        quantiles = np.quantile(seen, PROFILE_LEVELS).tolist()
        profile[name] = {"mean": float(seen.mean()), "std": float(seen.std()), "quantiles": quantiles}
    return {"n_rows": len(rows), "levels": list(PROFILE_LEVELS), "features": profile}


def _golden_bars(bars: Bars, plan: FeaturePlan, window: Window, last: int) -> Bars:
    """A stretch of the training bars that fills the warm-up and the window, and then some."""
    length = history_bars(plan.warmup_bars, window, bars.timeframe) + GOLDEN_ROWS
    start = max(0, last + 1 - length)
    return bars.slice(start, min(len(bars), start + length))
