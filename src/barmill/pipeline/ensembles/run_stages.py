"""The stages of a run's ensembles: members in the folds of the training block, and what combines them."""

from collections.abc import Mapping
from typing import Any

from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.stages import OofStages, cut_key, oof_stages
from barmill.pipeline.fingerprints import code_fingerprint, core_versions, key_of
from barmill.pipeline.fold_stages import OF_A_FOLD, fold_model
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.model_stages import ModelStages, published_stages
from barmill.pipeline.workspace import Stage


def training_folds(inputs: RunInputs, table: str, splits: str) -> dict[str, OofStages]:
    """The members in each fold of the training block.

    table, splits : keys of the run's stages
    """
    recipe = inputs.recipe

    def key(label: str, fold: Mapping[str, Any]) -> str:
        return key_of(
            table=table,
            splits=splits,
            shares=[recipe.splits.model_dump(mode="json"), recipe.validation.model_dump(mode="json")],
            calibrate=recipe.inference.calibrate,
            seed=recipe.seed,
            models=code_fingerprint(*OF_A_FOLD),
            **fold_model(recipe, label),
            **fold,
        )

    return oof_stages(recipe, key, "oof", "out of fold")


def ensemble_stages(
    inputs: RunInputs, ensemble: EnsembleConfig, models: Mapping[str, ModelStages], out_of_fold: Mapping[str, OofStages]
) -> ModelStages:
    """From the members' forecasts to the ensemble's own."""
    recipe, label = inputs.recipe, ensemble.label
    members = [entry.label for entry in recipe.members(ensemble)]
    folds = out_of_fold[cut_key(ensemble.oof)]
    fit = Stage(
        f"fit {label}",
        f"models/{label}",
        key_of(
            folds={member: [stage.key for stage in folds.of(member)] for member in members},
            outputs={entry.label: learned_outputs(entry) for entry in recipe.members(ensemble)},
            ensemble=ensemble.combining(),
            seed=recipe.seed,
            code=code_fingerprint("ensembles", "pipeline"),
            libraries=core_versions(),
        ),
    )
    calibrate = Stage(
        f"calibrate {label}",
        f"models/{label}-calibrated",
        key_of(
            fit=fit.key,
            members=[models[member].calibrate.key for member in members],
            inference=recipe.inference.model_dump(mode="json"),
            rule=recipe.rule.model_dump(mode="json"),
            dropped=[one.model_dump(mode="json") for one in ensemble.dropped],
            code=code_fingerprint("uncertainty", "evaluation", "ensembles", "pipeline"),
        ),
    )
    return published_stages(inputs, label, fit, calibrate, None)


def evidence_stage(inputs: RunInputs, ensemble: EnsembleConfig, stages: ModelStages) -> Stage:
    """What is found out about the ensemble before anything judges it: a stage of its own, so that its fit costs what a fit costs."""
    labels = inputs.recipe.labels
    key = key_of(
        fit=stages.fit.key,
        calibrate=stages.calibrate.key,
        overlap=[labels.horizon, labels.every],
        code=code_fingerprint("splits", "ensembles", "evaluation", "pipeline"),
    )
    return Stage(f"evidence {ensemble.label}", f"models/{ensemble.label}-evidence", key)


__all__ = ["ensemble_stages", "evidence_stage", "training_folds"]
