"""The stages of a run's experts, and the content address of each; a run without experts has none."""

from dataclasses import dataclass

from barmill.models.catalogue import spec_of
from barmill.models.contract import QUESTIONS
from barmill.pipeline.fingerprints import code_fingerprint, family_versions, key_of
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.recipe import ExpertEntry
from barmill.pipeline.workspace import Stage


@dataclass(frozen=True, slots=True)
class ExpertStages:
    """From the answers of its question to the judgement on the test block, for one expert."""

    answers: Stage
    fit: Stage
    calibrate: Stage
    bundle: Stage
    forecast: Stage
    judge: Stage

    @property
    def all(self) -> tuple[Stage, ...]:
        """Its own, without the answers that experts of one question share."""
        return self.fit, self.calibrate, self.bundle, self.forecast, self.judge


def question_stages(inputs: RunInputs, features: str, splits: str) -> dict[str, Stage]:
    """The labels of each question that some expert of the run answers.

    features, splits : keys of the run's stages: where the features are ready, and at which times the blocks begin
    """
    recipe = inputs.recipe
    rules = {"outcomes": recipe.outcomes, "patterns": recipe.patterns}
    asked = {spec_of(entry.name).question for entry in recipe.experts}
    return {
        question: Stage(
            question,
            f"data/{question}",
            key_of(
                features=features,
                splits=splits,
                rules=rules[question].model_dump(mode="json"),
                every=recipe.labels.every if question == "patterns" else None,
                instrument=inputs.bars.instrument.model_dump(mode="json"),
                window=inputs.longest_window,
                resolutions=inputs.resolutions,
                anchor=inputs.plan.anchor,
                embargo=[recipe.splits.purge, recipe.splits.embargo],
                code=code_fingerprint("market", "features", "labels", "models", "splits", "pipeline"),
            ),
        )
        for question in QUESTIONS
        if question in asked
    }


def expert_stages(inputs: RunInputs, questions: dict[str, Stage], scaled: str, recipe_key: str) -> dict[str, ExpertStages]:
    """The stages of each expert, by its name in the run.

    scaled : key of the run's scaled features
    recipe_key : digest of the completed recipe, which goes into bundles
    """
    return {
        entry.label: _stages(inputs, entry, questions[spec_of(entry.name).question], scaled, recipe_key) for entry in inputs.recipe.experts
    }


def _stages(inputs: RunInputs, entry: ExpertEntry, answers: Stage, scaled: str, recipe_key: str) -> ExpertStages:
    recipe, label = inputs.recipe, entry.label
    fit = Stage(
        f"fit {label}",
        f"models/{label}",
        key_of(
            answers=answers.key,
            scaled=scaled,
            entry=entry.model_dump(mode="json"),
            seed=recipe.seed,
            code=code_fingerprint("models", "training", "views", "pipeline"),
            libraries=family_versions(spec_of(entry.name).family),
        ),
    )
    calibrate = Stage(
        f"calibrate {label}",
        f"models/{label}-calibrated",
        key_of(fit=fit.key, calibrate=recipe.inference.calibrate, code=code_fingerprint("uncertainty", "evaluation", "pipeline")),
    )
    bundle = Stage(
        f"bundle {label}", f"models/{label}-bundled", key_of(calibrate=calibrate.key, recipe=recipe_key, code=code_fingerprint())
    )
    forecast = Stage(f"forecast {label}", f"metrics/forecasts-{label}", key_of(bundle=bundle.key, data=inputs.bars.fingerprint))
    judge = Stage(
        f"judge {label}",
        f"metrics/judged-{label}",
        key_of(forecast=forecast.key, seed=recipe.seed, code=code_fingerprint("evaluation", "models", "pipeline")),
    )
    return ExpertStages(answers, fit, calibrate, bundle, forecast, judge)


__all__ = ["ExpertStages", "expert_stages", "question_stages"]
