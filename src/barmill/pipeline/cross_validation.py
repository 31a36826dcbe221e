"""The parent's side of the cross-validation: which splits there are to do, who does them, and what they come to together."""

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from barmill.artefacts import read_json, readable_json, write_bytes
from barmill.pipeline.counting import Counting
from barmill.pipeline.development import Development
from barmill.pipeline.ensembles.losing import Loss, SparedStages, losses, spared_folds, spared_models
from barmill.pipeline.events import Listener
from barmill.pipeline.executor import Job, run_jobs
from barmill.pipeline.fold_stages import SplitStages, split_stages
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.job import CrossValidationJob, SplitRefs, StageRef
from barmill.pipeline.path_judging import write_judgement
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.workspace import Workspace

JOBS_PER_WORKER = 4  # so that the last one to end does not keep the others waiting long
FEWEST_SPLITS = 3  # of a job: less is not worth a process of its own


def cross_validate_models(inputs: RunInputs, stages: Stages, workspace: Workspace, workers: int, listener: Listener) -> list[Loss]:
    """Fit and judge every model in every split, and put the paths together, as far as that is not done.

    Returns
    -------
    members that failed, of ensembles that go on without them: then no path is put together yet
    """
    whole = stages.cross_validation
    if whole is None or workspace.record(whole) is not None:
        return []
    listener.started(whole.name)
    began = time.perf_counter()
    data = dataset_of(inputs, stages, workspace)
    development = Development.of(data.labels, data.positions, inputs.recipe, inputs.bars)
    keys = stages.table.key, stages.splits.key
    splits = {number: split_stages(inputs.recipe, *keys, number) for number in range(len(development.folds))}
    if lost := _fit_splits(inputs, stages, workspace, splits, workers, listener):
        return lost
    with workspace.writing(whole) as folder:
        write_judgement(folder, inputs, data, development, {number: _folders(workspace, split) for number, split in splits.items()})
    listener.finished(whole.name, time.perf_counter() - began)
    return []


def cross_validation_section(stages: Stages, workspace: Workspace) -> dict[str, Any] | None:
    """What the report tells of the paths; None for a run without them."""
    if stages.cross_validation is None:
        return None
    return read_json(workspace.path(stages.cross_validation) / "cross_validation.json")


def _fit_splits(
    inputs: RunInputs, stages: Stages, workspace: Workspace, splits: dict[int, SplitStages], workers: int, listener: Listener
) -> list[Loss]:
    missing = {number: split for number, split in splits.items() if any(workspace.record(stage) is None for stage in split.judged.values())}
    total = sum(len(split.all) for split in splits.values())
    done = total - sum(workspace.record(stage) is None for split in missing.values() for stage in split.all)
    size = max(FEWEST_SPLITS, math.ceil(len(missing) / (workers * JOBS_PER_WORKER)))
    jobs: list[Job] = []
    for first in range(0, len(missing), size):
        numbers = list(missing)[first : first + size]
        job = CrossValidationJob(
            root=workspace.root.absolute(),
            recipe=inputs.recipe,
            stages={role: StageRef.of(stage) for role, stage in stages.prepared.items()},
            splits={number: SplitRefs.of(splits[number]) for number in numbers},
            windows=inputs.windows,
            volatility=inputs.volatility,
        )
        name = f"splits {numbers[0]} to {numbers[-1]}"
        file = workspace.root / ".scratch" / f"{name.replace(' ', '-')}.json"
        write_bytes(file, readable_json(job.model_dump(mode="json")))
        jobs.append(Job(name, "barmill.pipeline.cross_validating", file, workspace.root / "logs" / "cross-validation.log"))
    spared = _spared(inputs.recipe, missing.values())
    return losses(run_jobs(jobs, workers, Counting(listener, "cross-validation", done, total), spared), spared)


def _spared(recipe: Recipe, splits: Iterable[SplitStages]) -> SparedStages:
    """The fits of members in splits without which the run goes on."""
    found: SparedStages = {}
    for split in splits:
        found |= spared_models(recipe, {label: [stage.name] for label, stage in split.models.items()})
        for name, cut in split.out_of_fold.items():
            found |= spared_folds(recipe, name, cut.folds)
    return found


def _folders(workspace: Workspace, split: SplitStages) -> dict[str, Path]:
    return {label: workspace.path(stage) for label, stage in split.judged.items()}
