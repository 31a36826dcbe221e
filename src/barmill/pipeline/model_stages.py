"""The stages of one model in a run, and the content address of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from barmill.artefacts import canonical_json, sha256
from barmill.models.catalogue import spec_of
from barmill.pipeline.fingerprints import code_fingerprint, core_versions, family_versions, key_of
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.recipe import ModelEntry
from barmill.pipeline.workspace import Stage


@dataclass(frozen=True, slots=True)
class ModelStages:
    """From samples to forecasts of the test block, for one model; `tuned` where the recipe tunes it."""

    tuned: Stage | None
    fit: Stage
    calibrate: Stage
    bundle: Stage
    forecast: Stage


def recipe_fingerprint(inputs: RunInputs) -> str:
    """Digest of the completed recipe as it was given; where the bars lie and what they were resampled from is left out: what they are
    has a fingerprint of its own."""
    return sha256(canonical_json(portable_recipe(replace(inputs, recipe=inputs.asked or inputs.recipe))))


def portable_recipe(inputs: RunInputs) -> dict[str, Any]:
    """The completed recipe without paths, as it goes into bundles."""
    recipe = inputs.recipe.model_dump(mode="json")
    if isinstance(recipe["bars"], str | list):
        recipe["bars"] = None
    recipe["resample"] = None  # a bundle is given bars of its own timeframe
    for series in recipe["series"]:
        series["file"] = Path(series["file"]).name
    if inputs.recipe.tune is not None:
        recipe["tune"] = inputs.recipe.tune.portable()
    recipe["symbol"] = inputs.bars.instrument.symbol
    recipe["timeframe"] = str(inputs.bars.timeframe)
    return recipe


def model_stages(
    inputs: RunInputs, entry: ModelEntry, scaled: str, labels: str, tuned: Stage | None, folds: Sequence[Stage] = ()
) -> ModelStages:
    """Of a model that the recipe names.

    scaled, labels : keys of the run's stages; tuned : where its parameters were looked for; folds : behind its band
    """
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
            folds=[stage.key for stage in folds],
            inference=recipe.inference.model_dump(mode="json"),
            rule=recipe.rule.model_dump(mode="json"),
            seed=recipe.seed,
            code=code_fingerprint("uncertainty", "evaluation", "pipeline"),
        ),
    )
    return published_stages(inputs, label, fit, calibrate, tuned)


def published_stages(inputs: RunInputs, label: str, fit: Stage, calibrate: Stage, tuned: Stage | None) -> ModelStages:
    """With the stages that follow when a model is fitted and calibrated."""
    bundle = Stage(
        f"bundle {label}",
        f"models/{label}-bundled",
        key_of(calibrate=calibrate.key, recipe=recipe_fingerprint(inputs), code=code_fingerprint()),
    )
    forecast = Stage(f"forecast {label}", f"metrics/forecasts-{label}", key_of(bundle=bundle.key, data=inputs.bars.fingerprint))
    return ModelStages(tuned, fit, calibrate, bundle, forecast)


def origins(inputs: RunInputs, families: Iterable[str]) -> dict[str, Any]:
    """Fingerprints that a bundle carries: equal ones mean equal bytes.

    families : of the models in it
    """
    versions = [family_versions(family) for family in sorted(set(families))]
    return {
        "data": inputs.bars.fingerprint,
        "recipe": recipe_fingerprint(inputs),
        "code": code_fingerprint(),
        "seed": inputs.recipe.seed,
        "libraries": {**core_versions(), **{name: version for each in versions for name, version in each.items()}},
    }


__all__ = ["ModelStages", "model_stages", "origins", "portable_recipe", "published_stages", "recipe_fingerprint"]
