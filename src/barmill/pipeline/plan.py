"""Which stages a run has, and the content address of each: known before anything is computed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barmill.artefacts import canonical_json, sha256
from barmill.models.catalogue import spec_of
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.stages import OofStages, cut_key, oof_stages
from barmill.pipeline.events import Plan, PlannedStage
from barmill.pipeline.experts.stages import ExpertStages, expert_stages, question_stages
from barmill.pipeline.fingerprints import code_fingerprint, core_versions, family_versions, key_of
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.memory import available_mb, estimate_mb
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.tuning.spaces import tuned_entries
from barmill.pipeline.tuning.stage import tuned_stages
from barmill.pipeline.workspace import Stage, Workspace


@dataclass(frozen=True, slots=True)
class ModelStages:
    """From samples to forecasts of the test block, for one model; `tuned` where the recipe tunes it."""

    tuned: Stage | None
    fit: Stage
    calibrate: Stage
    bundle: Stage
    forecast: Stage


@dataclass(frozen=True, slots=True)
class Stages:
    """All stages of a run, in the order in which they depend on each other."""

    bars: Stage
    features: Stage
    labels: Stage
    splits: Stage
    fitted: Stage | None
    scaled: Stage
    leakage: Stage
    models: dict[str, ModelStages]
    out_of_fold: dict[str, OofStages]
    ensembles: dict[str, ModelStages]
    cross_validation: Stage | None
    judgement: Stage
    questions: dict[str, Stage]
    experts: dict[str, ExpertStages]

    @property
    def shared(self) -> tuple[Stage, ...]:
        fitted = (self.fitted,) if self.fitted else ()
        return self.bars, self.features, self.labels, self.splits, *fitted, self.scaled

    @property
    def table(self) -> Stage:
        """The stage that holds every feature of the run: its own where some are fitted on the training rows."""
        return self.fitted or self.features

    @property
    def tuned(self) -> dict[str, Stage]:
        """The tuning of each model that the recipe tunes."""
        return {label: model.tuned for label, model in self.models.items() if model.tuned is not None}

    @property
    def prepared(self) -> dict[str, Stage]:
        """What a worker needs of the stages that models share, by role."""
        return {"bars": self.bars, "features": self.table, "labels": self.labels, "splits": self.splits, "scaled": self.scaled}

    @property
    def judged(self) -> dict[str, ModelStages]:
        """All that says where a label goes and is judged by it: the models, then the ensembles of them."""
        return {**self.models, **self.ensembles}

    @property
    def bundled(self) -> dict[str, ModelStages | ExpertStages]:
        """Everything that makes a bundle: the models, then the ensembles, then the experts."""
        return {**self.judged, **self.experts}

    @property
    def all(self) -> tuple[Stage, ...]:
        each = [stage for model in self.models.values() for stage in (model.fit, model.calibrate, model.bundle, model.forecast)]
        folds = [stage for cut in self.out_of_fold.values() for stage in cut.all]
        combined = [stage for one in self.ensembles.values() for stage in (one.fit, one.calibrate, one.bundle, one.forecast)]
        each = [*self.tuned.values(), *each, *folds, *combined]
        validated = (self.cross_validation,) if self.cross_validation else ()
        experts = [stage for expert in self.experts.values() for stage in expert.all]
        return *self.shared, self.leakage, *self.questions.values(), *each, *validated, self.judgement, *experts


_OF_A_FOLD = ("features", "labels", "splits", "views", "models", "training", "uncertainty", "evaluation", "pipeline")  # code that it runs


def recipe_fingerprint(inputs: RunInputs) -> str:
    """Digest of the completed recipe; where the bars lie is left out, what they are has a fingerprint of its own."""
    return sha256(canonical_json(portable_recipe(inputs)))


def portable_recipe(inputs: RunInputs) -> dict[str, Any]:
    """The completed recipe without paths, as it goes into bundles."""
    recipe = inputs.recipe.model_dump(mode="json")
    if isinstance(recipe["bars"], str):
        recipe["bars"] = None
    for series in recipe["series"]:
        series["file"] = Path(series["file"]).name
    if inputs.recipe.tune is not None:
        recipe["tune"] = inputs.recipe.tune.portable()
    recipe["symbol"] = inputs.bars.instrument.symbol
    recipe["timeframe"] = str(inputs.bars.timeframe)
    return recipe


def stages_of(inputs: RunInputs) -> Stages:
    """Address every stage. Nothing is read or computed but fingerprints."""
    recipe = inputs.recipe
    data = inputs.bars.fingerprint
    libraries = core_versions()
    instrument = inputs.bars.instrument.model_dump(mode="json")
    bars = Stage("bars", "data/bars", key_of(data=data, instrument=instrument))
    features = Stage(
        "features",
        "data/features",
        key_of(data=data, plan=inputs.plan.to_json(), code=code_fingerprint("market", "features"), libraries=libraries),
    )
    labels = Stage(
        "labels",
        "data/labels",
        key_of(
            features=features.key,
            instrument=instrument,
            labels=recipe.labels.model_dump(mode="json"),
            window=inputs.longest_window,
            resolutions=inputs.resolutions,
            anchor=inputs.plan.anchor,
            code=code_fingerprint("market", "features", "labels", "pipeline"),
        ),
    )
    splits = Stage(
        "splits",
        "data/splits",
        key_of(
            labels=labels.key,
            splits=recipe.splits.model_dump(mode="json"),
            validation=recipe.validation_shares,
            cross_validated=recipe.cross_validation is not None,
            code=code_fingerprint("splits", "pipeline"),
        ),
    )
    fitted = None
    if inputs.plan.unfitted:
        code = code_fingerprint("market", "features", "pipeline")
        fitted = Stage("fitted features", "data/fitted-features", key_of(features=features.key, splits=splits.key, code=code))
    table = fitted or features
    scaled = Stage("scaling", "data/scaled", key_of(features=table.key, splits=splits.key, code=code_fingerprint("views", "pipeline")))
    leakage = Stage(
        "leakage checks",
        "data/leakage",
        key_of(scaled=scaled.key, bars=bars.key, seed=recipe.seed, code=code_fingerprint("evaluation", "pipeline"), libraries=libraries),
    )
    tuned = tuned_stages(inputs, {"features": table, "labels": labels, "splits": splits})
    models = {entry.label: _model_stages(inputs, entry, scaled.key, labels.key, tuned.get(entry.label)) for entry in recipe.base_models}
    out_of_fold = _oof_stages(inputs, table.key, splits.key)
    ensembles = {one.label: _ensemble_stages(inputs, one, models, out_of_fold) for one in recipe.combined}
    cross_validation = None
    if recipe.cross_validation is not None:
        cross_validation = Stage(
            "cross-validation",
            "metrics/cross-validated",
            key_of(
                **_fold_parts(recipe, table.key, splits.key),
                models={label: _fold_model(recipe, label) for label in models},
                instrument=instrument,
            ),
        )
    judgement = Stage(
        "judgement",
        "metrics/judged",
        key_of(
            forecasts={label: model.forecast.key for label, model in {**models, **ensembles}.items()},
            cross_validation=cross_validation.key if cross_validation else None,
            rule=recipe.rule.model_dump(mode="json"),
            random_signals=recipe.random_signals,
            seed=recipe.seed,
            findings=[finding.code for finding in inputs.bars.findings],
            code=code_fingerprint("evaluation", "uncertainty", "pipeline"),
        ),
    )
    questions = question_stages(inputs, features.key, splits.key)
    experts = expert_stages(inputs, questions, scaled.key, recipe_fingerprint(inputs))
    shared = (bars, features, labels, splits, fitted, scaled, leakage)
    return Stages(*shared, models, out_of_fold, ensembles, cross_validation, judgement, questions, experts)


def _model_stages(inputs: RunInputs, entry: ModelEntry, scaled: str, labels: str, tuned: Stage | None) -> ModelStages:
    recipe, label = inputs.recipe, entry.label
    family = spec_of(entry.name).family
    fit = Stage(
        f"fit {label}",
        f"models/{label}",
        key_of(
            scaled=scaled,
            labels=labels,
            entry=entry.model_dump(mode="json"),
            tuned=tuned.key if tuned else None,
            seed=recipe.seed,
            code=code_fingerprint("models", "training", "views", "pipeline"),
            libraries=family_versions(family),
        ),
    )
    calibrate = Stage(
        f"calibrate {label}",
        f"models/{label}-calibrated",
        key_of(
            fit=fit.key,
            inference=recipe.inference.model_dump(mode="json"),
            rule=recipe.rule.model_dump(mode="json"),
            seed=recipe.seed,
            code=code_fingerprint("uncertainty", "evaluation", "pipeline"),
        ),
    )
    return _published(inputs, label, fit, calibrate, tuned)


def _published(inputs: RunInputs, label: str, fit: Stage, calibrate: Stage, tuned: Stage | None) -> ModelStages:
    """With the stages that follow when a model is fitted and calibrated."""
    bundle = Stage(
        f"bundle {label}",
        f"models/{label}-bundled",
        key_of(calibrate=calibrate.key, recipe=recipe_fingerprint(inputs), code=code_fingerprint()),
    )
    forecast = Stage(f"forecast {label}", f"metrics/forecasts-{label}", key_of(bundle=bundle.key, data=inputs.bars.fingerprint))
    return ModelStages(tuned, fit, calibrate, bundle, forecast)


def _oof_stages(inputs: RunInputs, table: str, splits: str) -> dict[str, OofStages]:
    """The members in each fold of the training block."""
    recipe = inputs.recipe

    def key(label: str, fold: Mapping[str, Any]) -> str:
        return key_of(
            table=table,
            splits=splits,
            shares=[recipe.splits.model_dump(mode="json"), recipe.validation.model_dump(mode="json")],
            calibrate=recipe.inference.calibrate,
            seed=recipe.seed,
            models=code_fingerprint(*_OF_A_FOLD),
            **_fold_model(recipe, label),
            **fold,
        )

    return oof_stages(recipe, key, "oof", "out of fold")


def _ensemble_stages(
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
            outputs={entry.label: entry.outputs for entry in recipe.members(ensemble)},
            ensemble=ensemble.model_dump(mode="json"),
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
            code=code_fingerprint("uncertainty", "evaluation", "ensembles", "pipeline"),
        ),
    )
    return _published(inputs, label, fit, calibrate, None)


def split_stages(recipe: Recipe, stages: Stages, n_splits: int) -> dict[int, dict[str, Stage]]:
    """The stage of each model in each split; a model more or less, or other settings of one, leaves those of the others alone."""
    shared = _fold_parts(recipe, stages.table.key, stages.splits.key)
    own = {label: _fold_model(recipe, label) for label in stages.models}

    def stage(label: str, number: int) -> Stage:
        return Stage(f"split {number} {label}", f"folds/{label}-{number:03d}", key_of(**shared, **own[label], split=number))

    return {number: {label: stage(label, number) for label in stages.models} for number in range(n_splits)}


def _fold_parts(recipe: Recipe, table: str, splits: str) -> dict[str, Any]:
    """What the result of a split depends on, whatever the model."""
    assert recipe.cross_validation is not None
    return {
        "table": table,
        "splits": splits,
        "cross_validation": recipe.cross_validation.model_dump(mode="json"),
        "inference": recipe.inference.model_dump(mode="json"),
        "rule": recipe.rule.model_dump(mode="json"),
        "seed": recipe.seed,
        "code": code_fingerprint(*_OF_A_FOLD),
    }


def _fold_model(recipe: Recipe, label: str) -> dict[str, Any]:
    entry = next(entry for entry in recipe.base_models if entry.label == label)
    tune = recipe.tune.portable() if recipe.tune is not None and entry in tuned_entries(recipe) else None
    return {"entry": entry.model_dump(mode="json"), "tune": tune, "libraries": family_versions(spec_of(entry.name).family)}


def plan_run(inputs: RunInputs, stages: Stages, workspace: Workspace) -> Plan:
    """What is there, what is to be done, and how much memory it takes."""
    cores = os.cpu_count() or 1
    workers = max(1, min(cores, len(stages.models) + len(stages.experts)))
    available = available_mb()
    while workers > 1 and estimate_mb(inputs, workers) > available:
        workers -= 1
    planned = tuple(PlannedStage(stage, workspace.record(stage) is not None) for stage in stages.all)
    return Plan(planned, estimate_mb(inputs, workers), available, workers)
