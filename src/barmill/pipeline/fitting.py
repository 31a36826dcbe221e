"""Worker: fit one model, calibrate it, and publish its bundle. `python -m barmill.pipeline.fitting JOB`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from barmill.artefacts import readable_json, without_nan, write_folder, write_new
from barmill.bundles import ForecastBand
from barmill.evaluation import classification_metrics, expected_calibration_error, permutation_importance
from barmill.models.contract import FittedModel
from barmill.pipeline.bands.fitting import band_on, write_band
from barmill.pipeline.bands.out_of_fold import band_of_folds
from barmill.pipeline.bundling import direction_parts, fitted_files, publish_bundle
from barmill.pipeline.calibrating import HeldOut, regimes_at
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.ensembles.said import said_by
from barmill.pipeline.events import StageProgress
from barmill.pipeline.job import ModelJob
from barmill.pipeline.model_fit import CalibratedModel, calibrate_model, columns_of, fit_model, up_of
from barmill.pipeline.provenance import provenance_of
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Stage, Workspace

IMPORTANCE_REPEATS = 3


def fit_calibrate_bundle(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the three stages of one model."""
    job = ModelJob.model_validate(raw)
    workspace = Workspace(job.root)
    data = dataset_of(job, workspace)
    steps: dict[str, Callable[[Path], None]] = {
        "fit": lambda folder: _fit(job, workspace, data, folder, teller),
        "calibrate": lambda folder: _calibrate(job, workspace, data, folder),
        "bundle": lambda folder: _bundle(job, workspace, data, folder, teller),
    }
    do_steps({role: ref.stage for role, ref in job.stages.items()}, workspace, steps, teller)


def do_steps(stages: Mapping[str, Stage], workspace: Workspace, steps: Mapping[str, Callable[[Path], None]], teller: Teller) -> None:
    """Make the stages that are not there yet, each by the step of its role, in order."""
    for role, step in steps.items():
        stage = stages[role]
        if workspace.record(stage) is not None:
            continue
        teller.started(stage.name)
        began = time.perf_counter()
        with workspace.writing(stage) as folder:
            step(folder)
        workspace.drop_scratch(stage)
        teller.finished(stage.name, time.perf_counter() - began)


def dataset_of(job: ModelJob, workspace: Workspace) -> Dataset:
    stages = {role: ref.stage for role, ref in job.stages.items()}
    return Dataset.of(workspace, stages, job.recipe.labels.classes, job.recipe.labels.horizon, job.volatility)


def _fit(job: ModelJob, workspace: Workspace, data: Dataset, folder: Path, teller: Teller) -> None:
    entry, stage = job.entry, job.stages["fit"].stage
    fitted = fit_model(
        entry,
        data.samples("train", job.window, entry.inputs),
        data.samples("early_stopping", job.window, entry.inputs),
        columns_of(entry, job.window, data.names),
        job.recipe,
        scratch=workspace.scratch(stage),
        logs=job.root / "logs" / "tensorboard" / job.label,
        explain=data.samples("selection", job.window, entry.inputs).view,
        progress=StageProgress(teller, stage.name),
    )
    write_fitted(folder, fitted)


def write_fitted(folder: Path, fitted: FittedModel) -> None:
    """Keep a fitted model as its stage does: weights, what only the run keeps, how the fit went and what the model looks at."""
    write_folder(folder / "weights", fitted.files)
    if fitted.training_files:
        write_folder(folder / "training", fitted.training_files)
    write_new(folder / "summary.json", readable_json(without_nan(dict(fitted.summary))))
    write_new(folder / "explanation.json", readable_json(without_nan(dict(fitted.explanation))))


def _calibrate(job: ModelJob, workspace: Workspace, data: Dataset, folder: Path) -> None:
    entry, recipe = job.entry, job.recipe
    held_out, chosen = (data.samples(block, job.window, entry.inputs) for block in ("calibration", "selection"))
    rows, scaled = data.positions, data.scaled_data
    files, regime = fitted_files(workspace, job.stages["fit"].stage), regimes_at(recipe, scaled, rows["selection"])
    model = calibrate_model(entry, files, held_out, HeldOut.of(recipe, scaled, rows["calibration"]), chosen, regime, recipe)
    p = model.probabilities(chosen.view, regime)
    error = expected_calibration_error(up_of(p), (chosen.y == recipe.labels.classes - 1).astype(np.int8))
    selection = {"metrics": classification_metrics(p, chosen.y), "ece": error.ece, "n": len(chosen), "calibrated_by": model.calibrated_by}
    names = columns_of(entry, job.window, data.names)
    importance = permutation_importance(model.forecaster, chosen, names, recipe.seed, IMPORTANCE_REPEATS)
    low, high = model.thresholds
    write_new(folder / "calibration.json", readable_json(model.calibration.to_json()))
    write_new(folder / "quantiles.json", readable_json(model.quantiles.to_json()))
    write_new(folder / "thresholds.json", readable_json({"short_below": low, "long_above": high}))
    write_new(folder / "selection.json", readable_json(without_nan(selection)))
    write_band(folder, _band(job, workspace, data, model))
    write_new(folder / "importance.json", readable_json(importance))
    records = [record.to_json() for record in provenance_of(data, recipe.tune is not None, folded=recipe.band_folds is not None)]
    write_new(folder / "provenance.json", readable_json(records))


def _band(job: ModelJob, workspace: Workspace, data: Dataset, model: CalibratedModel) -> ForecastBand | None:
    config, oof = job.recipe.inference.uncertainty, job.recipe.band_folds
    if config is None:
        return None
    if oof is not None:
        folds = OofFolds.of(data.labels, data.positions["train"], oof)
        return band_of_folds(config, job.label, [ref.stage for ref in job.folds], folds, data.scaled_data, workspace)
    rows, scaled = data.positions["conformal"], data.scaled_data
    said = said_by(model, scaled.view(rows, job.window, job.entry.inputs), regimes_at(job.recipe, scaled, rows))
    return band_on(config, said, scaled, rows)


def _bundle(job: ModelJob, workspace: Workspace, data: Dataset, folder: Path, teller: Teller) -> None:
    bars = job.read_bars()
    published = publish_bundle(job, workspace, data, bars, direction_parts(job, workspace, data, bars), teller.said)
    write_new(folder / "published.json", readable_json(published))


if __name__ == "__main__":
    work(fit_calibrate_bundle)
