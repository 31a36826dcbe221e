"""What becomes of a run in which a member fails, where the recipe says `on_failure: drop`: it goes on without, and says so everywhere.

A model that cannot be fitted, in the run or in a split, is lost to the run. One that fails in a fold out of fold says nothing of these
rows, so it can be in no ensemble that learns from them, and is judged alone. Either way what is published is what the splits judge. Nothing
of a failure is kept as a result: the same command tries it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from barmill.ensembles.contract import Member
from barmill.errors import TrainingError
from barmill.pipeline.ensemble_config import DroppedMember, EnsembleConfig
from barmill.pipeline.ensembles.dropping import dropping
from barmill.pipeline.ensembles.stages import cut_key
from barmill.pipeline.executor import Failure
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.workspace import Stage


@dataclass(frozen=True, slots=True)
class Spared:
    """What may fail without stopping a run.

    label : of the model
    cut : `cut_key` of the folds in which it is fitted; None for the model itself
    """

    label: str
    cut: str | None = None


SparedStages: TypeAlias = dict[str, Spared]  # by the name of the stage or the job that fails


def spared_models(recipe: Recipe, names: Mapping[str, Iterable[str]]) -> SparedStages:
    """Of models without which the run goes on: those that are in an ensemble, where each that they are in says so.

    names : by the model's label, what stages and jobs of it are called
    """
    return {name: Spared(label) for label, called in names.items() if _may_fail(recipe, label, None) for name in called}


def spared_folds(recipe: Recipe, cut: str, folds: Iterable[Mapping[str, Stage]]) -> SparedStages:
    """Of the members in the folds of one cut, stages by label. Where bands are made of these folds, the model itself is lost with one."""
    lost_in = None if recipe.band_folds is not None and cut_key(recipe.band_folds) == cut else cut
    each = [(label, stage) for fold in folds for label, stage in fold.items()]
    return {stage.name: Spared(label, lost_in) for label, stage in each if _may_fail(recipe, label, lost_in)}


def _may_fail(recipe: Recipe, label: str, cut: str | None) -> bool:
    inside = [one for one in recipe.combined if label in _labels(recipe, one) and cut in (None, cut_key(one.oof))]
    return bool(inside) and all(one.on_failure == "drop" for one in inside)


@dataclass(frozen=True, slots=True)
class Loss:
    """Something spared that failed."""

    lost: Spared
    failure: Failure


def losses(failures: Sequence[Failure], spared: SparedStages) -> list[Loss]:
    """Who failed."""
    return [Loss(spared[failure.at], failure) for failure in failures]


def without(inputs: RunInputs, lost: Sequence[Loss], root: Path) -> RunInputs:
    """The run that is left. Raises TrainingError where an ensemble has fewer than two members left, naming those that failed.

    root : the run folder, in which the logs lie
    """
    recipe = inputs.recipe
    gone = {one.lost.label for one in lost if one.lost.cut is None}
    asked = recipe.combined
    left = [_left(recipe, ensemble, lost, root) for ensemble in asked]
    first = left.pop(0) if recipe.ensemble.enabled else recipe.ensemble
    models = tuple(entry for entry in recipe.base_models if entry.label not in gone)
    changed = recipe.model_copy(update={"base_models": models, "ensemble": first, "ensembles": tuple(left)})
    return replace(inputs, recipe=changed, asked=inputs.asked or recipe)


def _left(recipe: Recipe, ensemble: EnsembleConfig, lost: Sequence[Loss], root: Path) -> EnsembleConfig:
    """The ensemble without the members that failed in it."""
    own = [one for one in lost if one.lost.label in _labels(recipe, ensemble) and one.lost.cut in (None, cut_key(ensemble.oof))]
    if not own:
        return ensemble
    dropped = {one.lost.label: _record(one, root) for one in own}
    members = [Member(entry.label, learned_outputs(entry)) for entry in recipe.members(ensemble) if entry.label not in dropped]
    done = dropping(ensemble, members, tuple(dropped.values()))
    if len(members) < 2:
        why = "; ".join(f"'{one.member}' failed at '{one.stage}' ({one.reason})" for one in done.dropped)
        logs = ", ".join(dict.fromkeys(one.log for one in done.dropped if one.log))
        named = ", ".join(member.label for member in members) or "none"
        mend = f"What they said is in {logs}, in the run folder. The same command tries them again."
        raise TrainingError(
            f"ensemble '{ensemble.label}'", f"its members are {named}: {why}", expected="at least 2 that are left", mend=mend
        )
    return done


def _record(one: Loss, root: Path) -> DroppedMember:
    log, error = one.failure.log, one.failure.error
    place = log.relative_to(root.absolute()) if log.is_absolute() else log.relative_to(root)
    return DroppedMember(member=one.lost.label, what="failed", stage=one.failure.at, reason=error.found, log=place.as_posix())


def _labels(recipe: Recipe, ensemble: EnsembleConfig) -> list[str]:
    return [entry.label for entry in recipe.members(ensemble)]


__all__ = ["Loss", "Spared", "SparedStages", "losses", "spared_folds", "spared_models", "without"]
