"""The stages of models in the folds of a cross-validation, and the content address of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barmill.models.catalogue import spec_of
from barmill.pipeline.ensembles.stages import OofStages, cut_key, oof_stages, stages_of_band
from barmill.pipeline.fingerprints import code_fingerprint, core_versions, family_versions, key_of
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.tuning.spaces import tuned_entries
from barmill.pipeline.workspace import Stage

OF_A_FOLD = ("features", "labels", "splits", "views", "models", "training", "uncertainty", "evaluation", "pipeline")  # code that it runs


@dataclass(frozen=True, slots=True)
class SplitStages:
    """The stages of one split.

    models : of each model by its name in the run, then of each ensemble
    out_of_fold : its members in the folds of what they learn from, by `cut_key`
    """

    models: Mapping[str, Stage]
    ensembles: Mapping[str, Stage]
    out_of_fold: Mapping[str, OofStages]

    @property
    def judged(self) -> dict[str, Stage]:
        """What the split judges."""
        return {**self.models, **self.ensembles}

    @property
    def all(self) -> tuple[Stage, ...]:
        folds = [stage for cut in self.out_of_fold.values() for stage in cut.all]
        return (*self.models.values(), *folds, *self.ensembles.values())


def split_stages(recipe: Recipe, table: str, splits: str, number: int) -> SplitStages:
    """The stages of split `number`; a model more or less, or other settings of one, leaves those of the others alone.

    table, splits : keys of the run's stages
    """
    shared = {**fold_parts(recipe, table, splits), "split": number}
    own = {entry.label: fold_model(recipe, entry.label) for entry in recipe.base_models}
    folds = oof_stages(
        recipe, lambda label, fold: key_of(**shared, **own[label], **fold), f"folds/oof-{number:03d}", f"split {number} out of fold"
    )
    models: dict[str, Stage] = {}
    for label in own:
        key = key_of(**shared, **own[label], band=[stage.key for stage in stages_of_band(recipe, label, folds)])
        models[label] = Stage(f"split {number} {label}", f"folds/{label}-{number:03d}", key)
    ensembles: dict[str, Stage] = {}
    for ensemble in recipe.combined:
        members = [entry.label for entry in recipe.members(ensemble)]
        key = key_of(
            members=[models[member].key for member in members],
            folds=[stage.key for member in members for stage in folds[cut_key(ensemble.oof)].of(member)],
            ensemble=ensemble.combining(),
            code=code_fingerprint("ensembles", "uncertainty", "evaluation", "pipeline"),
            libraries=core_versions(),
        )
        ensembles[ensemble.label] = Stage(f"split {number} {ensemble.label}", f"folds/{ensemble.label}-{number:03d}", key)
    return SplitStages(models, ensembles, folds)


def fold_parts(recipe: Recipe, table: str, splits: str) -> dict[str, Any]:
    """What the result of a split depends on, whatever the model."""
    assert recipe.cross_validation is not None
    return {
        "table": table,
        "splits": splits,
        "cross_validation": recipe.cross_validation.model_dump(mode="json"),
        "inference": recipe.inference.model_dump(mode="json"),
        "rule": recipe.rule.model_dump(mode="json"),
        "seed": recipe.seed,
        "code": code_fingerprint(*OF_A_FOLD),
    }


def fold_model(recipe: Recipe, label: str) -> dict[str, Any]:
    """What it depends on of one model."""
    entry = next(entry for entry in recipe.base_models if entry.label == label)
    tune = recipe.tune.portable() if recipe.tune is not None and entry in tuned_entries(recipe) else None
    return {"entry": entry.model_dump(mode="json"), "tune": tune, "libraries": family_versions(spec_of(entry.name).family)}


__all__ = ["OF_A_FOLD", "SplitStages", "fold_model", "fold_parts", "split_stages"]
