"""What the worker that tunes one model is told."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from barmill.models.contract import Window
from barmill.pipeline.job import StageRef
from barmill.pipeline.recipe import ModelEntry, Recipe


class TuneJob(BaseModel):
    """One model to tune on the training block of a run.

    root : the run folder
    label : the model's name in the run
    stages : the prepared data and the bars, by role, and `tuned`, the stage that this job makes
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    label: str
    recipe: Recipe
    stages: dict[str, StageRef]
    window: Window
    volatility: str

    @property
    def entry(self) -> ModelEntry:
        return next(entry for entry in self.recipe.base_models if entry.label == self.label)
