"""Worker: fit one expert, calibrate it where it says probabilities, and publish its bundle.

`python -m barmill.pipeline.experts.fitting JOB`
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from barmill.artefacts import readable_json, without_nan, write_new
from barmill.models.catalogue import load_forecaster, spec_of
from barmill.models.contract import AnsweringForecaster
from barmill.pipeline.bundling import QuestionParts, fitted_files, publish_bundle
from barmill.pipeline.calibrating import chain
from barmill.pipeline.events import StageProgress
from barmill.pipeline.experts.answers import classes_of
from barmill.pipeline.experts.bundling import expert_parts
from barmill.pipeline.experts.data import ExpertData
from barmill.pipeline.experts.scoring import AnswerBlock, scores_of
from barmill.pipeline.fitting import dataset_of, do_steps, write_fitted
from barmill.pipeline.job import ModelJob
from barmill.pipeline.model_fit import fit_model
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.worker import Teller, work
from barmill.pipeline.workspace import Workspace
from barmill.uncertainty import Calibration, fit_calibration


def fit_calibrate_bundle(raw: dict[str, Any], teller: Teller) -> None:
    """Do what is not done yet of the three stages of one expert."""
    job = ModelJob.model_validate(raw)
    workspace = Workspace(job.root)
    data = ExpertData(dataset_of(job, workspace), workspace.path(job.stages["answers"].stage), job.expert)
    steps: dict[str, Callable[[Path], None]] = {
        "fit": lambda folder: _fit(job, workspace, data, folder, teller),
        "calibrate": lambda folder: _calibrate(job, workspace, data, folder),
        "bundle": lambda folder: _bundle(job, workspace, data, folder, teller),
    }
    do_steps({role: ref.stage for role, ref in job.stages.items()}, workspace, steps, teller)


def _fit(job: ModelJob, workspace: Workspace, data: ExpertData, folder: Path, teller: Teller) -> None:
    stage = job.stages["fit"].stage
    fitted = fit_model(
        job.expert,
        data.samples("train"),
        data.samples("early_stopping"),
        data.names,
        job.recipe,
        n_classes=classes_of(spec_of(job.expert.name)),
        horizon=job.recipe.outcomes.horizon,
        scratch=workspace.scratch(stage),
        logs=job.root / "logs" / "tensorboard" / job.label,
        explain=data.view("selection"),
        progress=StageProgress(teller, stage.name),
    )
    write_fitted(folder, fitted)


def _calibrate(job: ModelJob, workspace: Workspace, data: ExpertData, folder: Path) -> None:
    """Probabilities on the calibration block; quantiles stay as they were learned. Both are scored on the selection block."""
    spec, recipe = spec_of(job.expert.name), job.recipe
    forecaster = load_forecaster(spec, fitted_files(workspace, job.stages["fit"].stage))
    assert isinstance(forecaster, AnsweringForecaster)
    calibration = Calibration(0)
    if n_classes := classes_of(spec):
        held_out = data.samples("calibration")
        calibration = fit_calibration(_methods(recipe, n_classes), forecaster.raw(held_out.view).logits, held_out.y, n_classes)
    raw = forecaster.raw(data.view("selection"))
    said = forecaster.table(raw, calibration.apply(raw.logits))
    scores = scores_of(job.expert, said, AnswerBlock.of(data, "selection"), recipe)
    write_new(folder / "calibration.json", readable_json(calibration.to_json()))
    write_new(folder / "selection.json", readable_json(without_nan({"scores": scores, "n": len(raw.logits)})))
    write_new(folder / "provenance.json", readable_json([record.to_json() for record in data.provenance(recipe.tune is not None)]))


def _methods(recipe: Recipe, n_classes: int) -> list[str]:
    """The calibrators of the recipe; of patterns, some of which are rare, temperature alone, which is one number for all."""
    return [method for method in chain(recipe) if n_classes == 2 or method == "temperature_scaling"]


def _bundle(job: ModelJob, workspace: Workspace, data: ExpertData, folder: Path, teller: Teller) -> None:
    parts: QuestionParts = expert_parts(job, workspace, data)
    published = publish_bundle(job, workspace, data.run, data.bars, parts, teller.said)
    write_new(folder / "published.json", readable_json(published))


if __name__ == "__main__":
    work(fit_calibrate_bundle)
