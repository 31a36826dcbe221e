"""From the stages of one model to its published bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import read_json, sha256
from barmill.bundles import BundleContents, ForecastBand, Volatility, assemble, publish
from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.image_scaling import ImageScaling
from barmill.bundles.neighbours import Neighbours
from barmill.market import Bars
from barmill.models.resolutions import finest_first, history_bars
from barmill.pipeline.bands.applying import served
from barmill.pipeline.bands.fitting import read_band_of
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.exporting import with_export
from barmill.pipeline.job import ModelJob
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.model_card import model_card
from barmill.pipeline.model_fit import columns_of
from barmill.pipeline.recipe import ExpertEntry, ModelEntry
from barmill.pipeline.unconditional import unconditional
from barmill.pipeline.workspace import Stage, Workspace
from barmill.uncertainty import ResidualQuantiles, read_calibrator
from barmill.views import RobustScaler

GOLDEN_ROWS = 512  # of which the golden samples take at least 256, edge cases among them
PROFILE_LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class QuestionParts:
    """What of a bundle goes by the question that its model answers.

    entry : the model in the recipe; train : int64, the bars of its training rows
    history : gapless bars before its first forecast, and that one
    prior : what is true of the training labels as a whole, by output; empty for a question that a bundle answers by its golden bars
    """

    entry: ModelEntry | ExpertEntry
    scaler: RobustScaler | BarScaling | ImageScaling
    input_names: tuple[str, ...]
    n_classes: int
    train: npt.NDArray[np.int64]
    history: int
    model_card: str
    quantiles: ResidualQuantiles | None = None
    volatility: Volatility | None = None
    band: ForecastBand | None = None
    thresholds: Mapping[str, Any] = field(default_factory=dict[str, Any])
    neighbours: Neighbours | None = None
    prior: Mapping[str, float] = field(default_factory=dict[str, float])


def publish_bundle(
    job: ModelJob, workspace: Workspace, data: Dataset, bars: Bars, parts: QuestionParts, say: Callable[[str], None]
) -> dict[str, Any]:
    """Assemble, export where the recipe asks for it, and publish the bundle of `job`'s model.

    say : hears what is to be told of the export

    Returns its place in the run folder and its digest.
    """
    files = with_export(assemble(_contents(job, workspace, data, bars, parts)), job.recipe.export, job.label, say)
    place = publish(files, job.root / "bundle", job.label)
    return {"path": place.relative_to(job.root).as_posix(), "digest": sha256(files["manifest.json"])}


def direction_parts(job: ModelJob, workspace: Workspace, data: Dataset, bars: Bars) -> QuestionParts:
    """Those of a model that says where the label goes."""
    calibrated, plan, recipe = workspace.path(job.stages["calibrate"].stage), data.plan, job.recipe
    band = served(read_band_of(calibrated), recipe.labels, data, bars)
    return QuestionParts(
        entry=job.entry,
        scaler=BarScaling(finest_first(job.window), plan.anchor) if isinstance(job.window, Mapping) else data.scaler,
        input_names=columns_of(job.entry, job.window, data.names),
        n_classes=recipe.labels.classes,
        train=data.labels.t0[data.positions["train"]],
        history=history_bars(plan.warmup_bars, job.window, bars.timeframe),
        model_card=model_card(job, bars, data, read_json(calibrated / "selection.json")),
        quantiles=ResidualQuantiles.from_json(read_json(calibrated / "quantiles.json")),
        volatility=Volatility(job.volatility, recipe.labels.horizon, data.volatility_floor),
        band=band,
        thresholds=read_json(calibrated / "thresholds.json"),
        prior=unconditional(data.labels, data.positions["train"], recipe.labels.classes, band),
    )


def _contents(job: ModelJob, workspace: Workspace, data: Dataset, bars: Bars, parts: QuestionParts) -> BundleContents:
    recipe, calibrated = job.recipe, workspace.path(job.stages["calibrate"].stage)
    return BundleContents(
        name=job.label,
        version=recipe.version,
        recipe=job.portable_recipe,
        plan=data.plan,
        instrument=bars.instrument,
        timeframe=bars.timeframe,
        scaler=parts.scaler,
        model_name=parts.entry.name,
        model_files=fitted_files(workspace, job.stages["fit"].stage),
        input_names=parts.input_names,
        window=job.window,
        n_classes=parts.n_classes,
        outputs=learned_outputs(parts.entry),
        calibration=read_calibrator(read_json(calibrated / "calibration.json")),
        quantiles=parts.quantiles,
        volatility=parts.volatility,
        band=parts.band,
        thresholds=parts.thresholds,
        neighbours=parts.neighbours,
        metrics={"selection": read_json(calibrated / "selection.json")},
        reference_profile=reference_profile(data.values, parts.train, data.names, parts.prior),
        fingerprints=job.fingerprints,
        model_card=parts.model_card,
        provenance=[timed(record, bars) for record in read_json(calibrated / "provenance.json")],
        golden_bars=golden_bars(bars, parts.history, int(parts.train[-1])),
    )


def fitted_files(workspace: Workspace, stage: Stage) -> dict[str, bytes]:
    """The bytes of a fitted model, as its stage keeps them."""
    folder = workspace.path(stage) / "weights"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def timed(record: dict[str, Any], bars: Bars) -> dict[str, Any]:
    """A provenance record with the times of its bars, ms UTC: whoever has other bars can tell which of them the bundle has seen."""
    first, last = int(bars.open_time[record["first_bar"]]), int(bars.close_time[record["last_bar"]])
    return {**record, "first_time": first, "last_time": last}


def reference_profile(
    values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], names: tuple[str, ...], prior: Mapping[str, float]
) -> dict[str, Any]:
    """What the training rows were like as a whole, which live ones are compared with.

    Quantiles, mean and standard deviation of each feature; under "prior" what a server says where it has no better answer, by output.
    """
    profile: dict[str, Any] = {}
    for column, name in enumerate(names):
        seen = np.asarray(values[rows, column])
        quantiles = np.quantile(seen, PROFILE_LEVELS).tolist()
        profile[name] = {"mean": float(seen.mean()), "std": float(seen.std()), "quantiles": quantiles}
    return {"n_rows": len(rows), "levels": list(PROFILE_LEVELS), "features": profile, "prior": dict(prior)}


def golden_bars(bars: Bars, history: int, last: int) -> Bars:
    """A stretch of the training bars that fills the warm-up and the window, and then some."""
    length = history + GOLDEN_ROWS
    start = max(0, last + 1 - length)
    return bars.slice(start, min(len(bars), start + length))
