"""The parent's side of a run's ensembles: which folds and fits there are to do, and who does them."""

import math
from dataclasses import replace

from barmill.artefacts import readable_json, write_bytes
from barmill.models.catalogue import spec_of
from barmill.pipeline.counting import Counting
from barmill.pipeline.ensembles.losing import Loss, losses, spared_folds
from barmill.pipeline.ensembles.stages import OofStages, cut_key
from barmill.pipeline.events import Listener
from barmill.pipeline.executor import Job, run_jobs
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.job import EnsembleJob, OutOfFoldJob, StageRef
from barmill.pipeline.model_stages import origins, portable_recipe
from barmill.pipeline.plan import Stages
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.workspace import Workspace

OUT_OF_FOLD = "out of fold"


def forecast_for_bands(
    inputs: RunInputs, recipe: Recipe, stages: Stages, workspace: Workspace, workers: int, listener: Listener
) -> list[Loss]:
    """The models in every fold that their bands are made of, as far as that is not done; before the models are calibrated.

    recipe : of the run, with the parameters that were tuned

    Returns
    -------
    models that failed in a fold, of ensembles that go on without them
    """
    if recipe.band_folds is None or all(workspace.record(one.calibrate) is not None for one in stages.models.values()):
        return []
    name = cut_key(recipe.band_folds)
    return _forecast_folds(inputs, recipe, stages, name, stages.out_of_fold[name], workspace, workers, listener)


def fit_ensembles(inputs: RunInputs, recipe: Recipe, stages: Stages, workspace: Workspace, workers: int, listener: Listener) -> list[Loss]:
    """Members in every fold of the training block, then what combines them, as far as that is not done.

    recipe : of the run, with the parameters that were tuned

    Returns
    -------
    members that failed in a fold, of ensembles that go on without them: then nothing is combined yet
    """
    lost: list[Loss] = []
    for name, cut in stages.out_of_fold.items():
        fitted = [one.calibrate for one in stages.ensembles.values()]
        if all(workspace.record(stage) is not None for stage in (*fitted, *stages.evidence.values())):
            break
        lost += _forecast_folds(inputs, recipe, stages, name, cut, workspace, workers, listener)
    if lost:
        return lost
    run_jobs(_ensemble_jobs(inputs, recipe, stages, workspace), workers, listener)
    return []


def _forecast_folds(
    inputs: RunInputs, recipe: Recipe, stages: Stages, name: str, cut: OofStages, workspace: Workspace, workers: int, listener: Listener
) -> list[Loss]:
    missing = [number for number, fold in enumerate(cut.folds) if any(workspace.record(stage) is None for stage in fold.values())]
    total = len(cut.all)
    done = total - sum(workspace.record(stage) is None for stage in cut.all)
    size = max(1, math.ceil(len(missing) / workers))
    jobs: list[Job] = []
    for first in range(0, len(missing), size):
        numbers = missing[first : first + size]
        job = OutOfFoldJob(
            root=workspace.root.absolute(),
            recipe=recipe,
            stages={role: StageRef.of(stage) for role, stage in stages.prepared.items()},
            oof=cut.oof,
            folds={number: {label: StageRef.of(stage) for label, stage in cut.folds[number].items()} for number in numbers},
            windows=inputs.windows,
            volatility=inputs.volatility,
        )
        file = workspace.root / ".scratch" / f"out-of-fold-{name}-{numbers[0]}.json"
        write_bytes(file, readable_json(job.model_dump(mode="json")))
        log = workspace.root / "logs" / "out-of-fold.log"
        jobs.append(Job(f"folds {numbers[0]} to {numbers[-1]}", "barmill.pipeline.ensembles.out_of_fold", file, log))
    if not jobs:
        return []
    listener.started(OUT_OF_FOLD)
    counting, spared = Counting(listener, OUT_OF_FOLD, done, total), spared_folds(recipe, name, cut.folds)
    lost = losses(run_jobs(jobs, workers, counting, spared), spared)
    listener.finished(OUT_OF_FOLD, counting.seconds)
    return lost


def _ensemble_jobs(inputs: RunInputs, recipe: Recipe, stages: Stages, workspace: Workspace) -> list[Job]:
    jobs: list[Job] = []
    for ensemble in recipe.combined:
        label, own = ensemble.label, stages.ensembles[ensemble.label]
        written = {"fit": own.fit, "calibrate": own.calibrate, "evidence": stages.evidence[label], "bundle": own.bundle}
        if all(workspace.record(stage) is not None for stage in written.values()):
            continue
        members = [entry.label for entry in recipe.members(ensemble)]
        cut = stages.out_of_fold[cut_key(ensemble.oof)]
        job = EnsembleJob(
            root=workspace.root.absolute(),
            recipe=recipe,
            ensemble=ensemble,
            portable_recipe=portable_recipe(replace(inputs, recipe=recipe)),
            fingerprints=origins(inputs, [spec_of(entry.name).family for entry in recipe.members(ensemble)]),
            stages={role: StageRef.of(stage) for role, stage in {**stages.prepared, **written}.items()},
            folds={member: [StageRef.of(stage) for stage in cut.of(member)] for member in members},
            members={member: (StageRef.of(stages.models[member].fit), StageRef.of(stages.models[member].calibrate)) for member in members},
            windows=inputs.windows,
            volatility=inputs.volatility,
        )
        file = workspace.root / ".scratch" / f"ensemble-{label}.json"
        write_bytes(file, readable_json(job.model_dump(mode="json")))
        jobs.append(Job(f"ensemble {label}", "barmill.pipeline.ensembles.fitting", file, workspace.root / "logs" / f"{label}.log"))
    return jobs


__all__ = ["fit_ensembles", "forecast_for_bands"]
