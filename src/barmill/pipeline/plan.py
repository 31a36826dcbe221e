"""Which stages a run has, and the content address of each: known before anything is computed."""

import os
from dataclasses import dataclass

from barmill.pipeline.ensembles.dropping import degradation_lines
from barmill.pipeline.ensembles.run_stages import ensemble_stages, evidence_stage, training_folds
from barmill.pipeline.ensembles.stages import OofStages, stages_of_band
from barmill.pipeline.events import Plan, PlannedStage
from barmill.pipeline.experts.stages import ExpertStages, expert_stages, question_stages
from barmill.pipeline.fingerprints import code_fingerprint, core_versions, key_of
from barmill.pipeline.fold_stages import fold_model, fold_parts
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.memory import available_mb, estimate_mb
from barmill.pipeline.model_stages import ModelStages, model_stages, recipe_fingerprint
from barmill.pipeline.notes import notes_on
from barmill.pipeline.tuning.stage import tuned_stages
from barmill.pipeline.workspace import Stage, Workspace


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
    evidence: dict[str, Stage]
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
        combined = [
            stage
            for label, one in self.ensembles.items()
            for stage in (one.fit, one.calibrate, self.evidence[label], one.bundle, one.forecast)
        ]
        each = [*self.tuned.values(), *each, *folds, *combined]
        validated = (self.cross_validation,) if self.cross_validation else ()
        experts = [stage for expert in self.experts.values() for stage in expert.all]
        return *self.shared, self.leakage, *self.questions.values(), *each, *validated, self.judgement, *experts


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
    out_of_fold = training_folds(inputs, table.key, splits.key)
    models: dict[str, ModelStages] = {}
    for entry in recipe.base_models:
        folds = stages_of_band(recipe, entry.label, out_of_fold)
        models[entry.label] = model_stages(inputs, entry, scaled.key, labels.key, tuned.get(entry.label), folds)
    ensembles = {one.label: ensemble_stages(inputs, one, models, out_of_fold) for one in recipe.combined}
    evidence = {one.label: evidence_stage(inputs, one, ensembles[one.label]) for one in recipe.combined}
    cross_validation = None
    if recipe.cross_validation is not None:
        cross_validation = Stage(
            "cross-validation",
            "metrics/cross-validated",
            key_of(
                **fold_parts(recipe, table.key, splits.key),
                models={label: fold_model(recipe, label) for label in models},
                ensembles={one.label: one.combining() for one in recipe.combined},
                combined_by=code_fingerprint("ensembles") if recipe.combined else None,
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
    return Stages(*shared, models, out_of_fold, ensembles, evidence, cross_validation, judgement, questions, experts)


def plan_run(inputs: RunInputs, stages: Stages, workspace: Workspace) -> Plan:
    """What is there, what is to be done, and how much memory it takes."""
    cores = os.cpu_count() or 1
    workers = max(1, min(cores, len(stages.models) + len(stages.experts)))
    available = available_mb()
    while workers > 1 and estimate_mb(inputs, workers) > available:
        workers -= 1
    planned = tuple(PlannedStage(stage, workspace.record(stage) is not None) for stage in stages.all)
    notes = (*degradation_lines(inputs.recipe), *(f"note: {note}" for note in notes_on(inputs.recipe)))
    return Plan(planned, estimate_mb(inputs, workers), available, workers, notes)
