"""What a worker is told: one JSON file, typed on both sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from barmill.market import Bars
from barmill.models.contract import Window
from barmill.pipeline.dataset import load_bars
from barmill.pipeline.ensemble_config import EnsembleConfig, OofConfig
from barmill.pipeline.fold_stages import SplitStages
from barmill.pipeline.recipe import ExpertEntry, ModelEntry, Recipe
from barmill.pipeline.workspace import Stage, Workspace

UNCALIBRATED = "_uncalibrated"  # ends the name of a probability as the model said it, beside the forecasts of a ForecastJob


class StageRef(BaseModel):
    """A `Stage` as JSON."""

    name: str
    place: str
    key: str

    @classmethod
    def of(cls, stage: Stage) -> "StageRef":
        return cls(name=stage.name, place=stage.place, key=stage.key)

    @property
    def stage(self) -> Stage:
        return Stage(self.name, self.place, self.key)


class ForecastJob(BaseModel):
    """What is judged, and where: the published bundles, and the stages that their forecasts make.

    root : the run folder
    bars, labels, splits : stages of the run
    bundles, forecasts : stages by the model's name in the run
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    bars: StageRef
    labels: StageRef
    splits: StageRef
    bundles: dict[str, StageRef]
    forecasts: dict[str, StageRef]


class SplitRefs(BaseModel):
    """The stages of one split: of each model and each ensemble by its name in the run, and of members in inner folds, by `cut_key`."""

    models: dict[str, StageRef]
    ensembles: dict[str, StageRef]
    out_of_fold: dict[str, list[dict[str, StageRef]]]

    @classmethod
    def of(cls, split: SplitStages) -> "SplitRefs":
        folds = {name: [_refs(stages) for stages in cut.folds] for name, cut in split.out_of_fold.items()}
        return cls(models=_refs(split.models), ensembles=_refs(split.ensembles), out_of_fold=folds)


def _refs(stages: Mapping[str, Stage]) -> dict[str, StageRef]:
    return {label: StageRef.of(stage) for label, stage in stages.items()}


class CrossValidationJob(BaseModel):
    """Splits of the cross-validation that one worker does, one after another.

    root : the run folder
    stages : those that it reads, by role
    splits : by their numbers
    windows : bars that each model sees
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    recipe: Recipe
    stages: dict[str, StageRef]
    splits: dict[int, SplitRefs]
    windows: dict[str, Window]
    volatility: str


class OutOfFoldJob(BaseModel):
    """Folds of the training block that one worker does, one after another.

    root : the run folder
    stages : those that it reads, by role
    oof : how the training block is cut
    folds : number of the fold to the stage of each member in it, by the member's name in the run
    windows : bars that each model sees
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    recipe: Recipe
    stages: dict[str, StageRef]
    oof: OofConfig
    folds: dict[int, dict[str, StageRef]]
    windows: dict[str, Window]
    volatility: str


class EnsembleJob(BaseModel):
    """Everything that a worker needs to fit and calibrate one ensemble.

    root : the run folder
    ensemble : as the recipe has it
    stages : every stage that it reads or writes, by role
    folds : of each member, its stage in each fold of the training block
    members : of each member, the stages in which it was fitted on all of train, and calibrated
    windows : bars that each model sees
    portable_recipe : the completed recipe without paths, for the bundle
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    recipe: Recipe
    ensemble: EnsembleConfig
    portable_recipe: dict[str, Any]
    fingerprints: dict[str, Any]
    stages: dict[str, StageRef]
    folds: dict[str, list[StageRef]]
    members: dict[str, tuple[StageRef, StageRef]]
    windows: dict[str, Window]
    volatility: str


class ModelJob(BaseModel):
    """Everything that a worker needs to fit, calibrate and bundle one model.

    root : the run folder
    label : the model's name in the run
    stages : every stage that it reads or writes, by role
    portable_recipe : the completed recipe without paths, for the bundle
    folds : its stages in the folds of the training block, where its band is made of them
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    label: str
    recipe: Recipe
    portable_recipe: dict[str, Any]
    fingerprints: dict[str, Any]
    stages: dict[str, StageRef]
    window: Window
    volatility: str
    folds: tuple[StageRef, ...] = ()

    @property
    def entry(self) -> ModelEntry:
        return next(entry for entry in self.recipe.base_models if entry.label == self.label)

    @property
    def expert(self) -> ExpertEntry:
        """The same of a job that is an expert's."""
        return next(entry for entry in self.recipe.experts if entry.label == self.label)

    def read_bars(self) -> Bars:
        """The bars of the run, as its first stage kept them."""
        return load_bars(Workspace(self.root).path(self.stages["bars"].stage))
