"""The stages of a run's ensembles, and the content address of each; a run without ensembles has none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from barmill.artefacts import canonical_json, sha256
from barmill.pipeline.ensemble_config import OofConfig
from barmill.pipeline.fingerprints import code_fingerprint
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.workspace import Stage


@dataclass(frozen=True, slots=True)
class OofStages:
    """One way to cut the rows that teach, and the stage of each member in each of its folds.

    folds : for each fold, by the member's name in the run
    """

    oof: OofConfig
    folds: tuple[Mapping[str, Stage], ...]

    def of(self, label: str) -> tuple[Stage, ...]:
        """The stages of one member, in the order of the folds."""
        return tuple(stages[label] for stages in self.folds)

    @property
    def all(self) -> tuple[Stage, ...]:
        return tuple(stage for stages in self.folds for stage in stages.values())


def cut_key(oof: OofConfig) -> str:
    """Names a way to cut: ensembles that cut alike share their folds."""
    return sha256(canonical_json(oof.model_dump(mode="json")))[:8]


def stages_of_band(recipe: Recipe, label: str, out_of_fold: Mapping[str, OofStages]) -> tuple[Stage, ...]:
    """The stages of the folds behind a model's band, in order; none where bands have rows of their own, or there are no bands."""
    return () if recipe.band_folds is None else out_of_fold[cut_key(recipe.band_folds)].of(label)


def oof_stages(recipe: Recipe, key: Callable[[str, Mapping[str, Any]], str], place: str, said_of: str) -> dict[str, OofStages]:
    """The folds that the ensembles and the bands of a recipe ask for, by `cut_key`: each once, however many use it.

    key : the content address of a member's fold, of the member's name and of what else there is to it
    place : folder for them below the run's
    said_of : what their names begin with, such as "out of fold"
    """
    asked: dict[str, tuple[OofConfig, dict[str, None]]] = {}
    for ensemble in recipe.combined:
        _, members = asked.setdefault(cut_key(ensemble.oof), (ensemble.oof, {}))
        members |= {entry.label: None for entry in recipe.members(ensemble)}
    if recipe.band_folds is not None:
        _, banded = asked.setdefault(cut_key(recipe.band_folds), (recipe.band_folds, {}))
        banded |= {entry.label: None for entry in recipe.base_models}
    code = code_fingerprint("splits", "ensembles", "pipeline")
    return {
        name: OofStages(
            oof,
            tuple(
                {
                    label: Stage(
                        f"{said_of} {label} {number}",
                        f"{place}/{name}/{label}-{number:02d}",
                        key(label, {"oof": oof.model_dump(mode="json"), "fold": number, "cut_by": code}),
                    )
                    for label in members
                }
                for number in range(oof.n_folds)
            ),
        )
        for name, (oof, members) in asked.items()
    }


__all__ = ["OofStages", "cut_key", "oof_stages", "stages_of_band"]
