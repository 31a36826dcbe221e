"""Tuning as a stage of a run: its content address, the jobs that make it, and what later stages read from it."""

from collections.abc import Mapping
from typing import Any

from barmill.artefacts import read_json, readable_json, write_bytes
from barmill.market import Timeframe
from barmill.models.catalogue import spec_of
from barmill.models.contract import Window
from barmill.pipeline.executor import Job
from barmill.pipeline.fingerprints import code_fingerprint, family_versions, key_of, library_versions
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.job import StageRef
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.tuning.job import TuneJob
from barmill.pipeline.tuning.spaces import tuned_entries, tuned_entry
from barmill.pipeline.tuning.tuner import Tuning
from barmill.pipeline.workspace import Stage, Workspace


def tuning_of(recipe: Recipe, entry: ModelEntry, timeframe: Timeframe, window: Window, prepared: Mapping[str, Stage]) -> Tuning:
    """The tuning of one model of a recipe.

    window : bars that the model sees, by timeframe where there are several, None for one row
    prepared : stages of the prepared data, `features` and `labels` among them
    """
    assert recipe.tune is not None
    keys = {
        "features": prepared["features"].key,
        "labels": prepared["labels"].key,
        "code": code_fingerprint("models", "training", "views", "splits", "uncertainty", "evaluation", "pipeline"),
        "libraries": {**family_versions(spec_of(entry.name).family), **library_versions(("optuna",))},
    }
    purge, embargo = recipe.splits.purge_bars(timeframe), recipe.splits.embargo_bars(timeframe)
    return Tuning(entry, recipe.tune, recipe, keys, window, purge, embargo)


def tuned_stages(inputs: RunInputs, prepared: Mapping[str, Stage]) -> dict[str, Stage]:
    """The stage of each model that the recipe tunes, by its label; none without `tune`."""
    stages: dict[str, Stage] = {}
    for entry in tuned_entries(inputs.recipe):
        tuning = tuning_of(inputs.recipe, entry, inputs.bars.timeframe, inputs.windows[entry.label], prepared)
        # which rows train is what the splits say
        key = key_of(trials=tuning.identity, rows=prepared["splits"].key, how=tuning.how, n_trials=tuning.config.trials)
        stages[entry.label] = Stage(f"tune {entry.label}", f"models/{entry.label}-tuned", key)
    return stages


def tuning_jobs(inputs: RunInputs, prepared: Mapping[str, Stage], tuned: Mapping[str, Stage], workspace: Workspace) -> list[Job]:
    """One job for each model that is not tuned yet.

    prepared : the stages of the prepared data, as `Dataset.of` takes them, and of the bars
    """
    jobs: list[Job] = []
    for label, stage in tuned.items():
        if workspace.record(stage) is not None:
            continue
        job = TuneJob(
            root=workspace.root.absolute(),
            label=label,
            recipe=inputs.recipe,
            stages={role: StageRef.of(each) for role, each in {**prepared, "tuned": stage}.items()},
            window=inputs.windows[label],
            volatility=inputs.volatility,
        )
        file = workspace.root / ".scratch" / f"tuning-{label}.json"
        write_bytes(file, readable_json(job.model_dump(mode="json")))
        jobs.append(Job(f"tuning {label}", "barmill.pipeline.tuning.worker", file, workspace.root / "logs" / f"tuning-{label}.log"))
    return jobs


def best_of(workspace: Workspace, stage: Stage) -> dict[str, Any]:
    """The parameters that a finished tuning found."""
    return read_json(workspace.path(stage) / "best.json")


def tuned_recipe(recipe: Recipe, workspace: Workspace, tuned: Mapping[str, Stage]) -> Recipe:
    """The recipe with what its tunings found laid over the models' own parameters; as it is without `tune`."""
    entries = tuple(
        tuned_entry(entry, best_of(workspace, tuned[entry.label])) if entry.label in tuned else entry for entry in recipe.base_models
    )
    return recipe.model_copy(update={"base_models": entries})


def tuning_judgement(workspace: Workspace, tuned: Mapping[str, Stage]) -> list[dict[str, Any]]:
    """What the judgement tells of each tuning."""
    return [read_json(workspace.path(stage) / "tuning.json") for stage in tuned.values()]


__all__ = ["best_of", "tuned_recipe", "tuned_stages", "tuning_jobs", "tuning_judgement", "tuning_of"]
