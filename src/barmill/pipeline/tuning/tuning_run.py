"""`barmill tune`: prepare the data of a recipe, tune its models on the training block, and write the tuned recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from barmill.artefacts import read_json, write_bytes
from barmill.errors import RecipeError
from barmill.evaluation import Ledger
from barmill.market import Bars
from barmill.pipeline.events import Listener, Silence
from barmill.pipeline.executor import run_jobs
from barmill.pipeline.inputs import RunInputs, find_file, gather_inputs
from barmill.pipeline.leakage import check_leakage
from barmill.pipeline.plan import plan_run, stages_of
from barmill.pipeline.prepare import prepare
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.recipe_reading import recipe_of
from barmill.pipeline.requirements import require_libraries
from barmill.pipeline.tuning.config import TuneConfig
from barmill.pipeline.tuning.spaces import tuning_problems
from barmill.pipeline.tuning.stage import tuned_recipe, tuning_jobs
from barmill.pipeline.tuning.worker import FOLDER
from barmill.pipeline.workspace import Stage, Workspace

TUNED_RECIPE = "recipe-tuned.yaml"


@dataclass(frozen=True, slots=True)
class TuningRun:
    """A finished tuning.

    folder : Path, the run folder
    recipe_file : Path, the recipe with the best parameters, which `barmill train` takes
    stages : for each tuned model, the stage that keeps what was found
    ledger : what the trial ledger of these bars holds now, see `Ledger.summary`
    """

    folder: Path
    recipe_file: Path
    stages: dict[str, Stage]
    ledger: dict[str, int]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What was found for each model, as in the judgement of a run."""
        return [read_json(self.folder / stage.folder / "tuning.json") for stage in self.stages.values()]

    def trials(self, label: str) -> pl.DataFrame:
        """A row for each trial of a model."""
        return pl.read_parquet(self.folder / self.stages[label].folder / "trials.parquet")

    def returns(self, label: str) -> pl.DataFrame:
        """Net return per bar of the inner folds, a column for each trial; NaN where a trial did not come to a fold."""
        return pl.read_parquet(self.folder / self.stages[label].folder / "returns.parquet")

    def summary(self) -> dict[str, Any]:
        """What `barmill tune --json` prints."""
        return {"run": str(self.folder), "recipe": str(self.recipe_file), "tuning": self.results, "ledger": self.ledger}


def tune_recipe(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None = None,
    *,
    symbol: str | None = None,
    overrides: Sequence[str] = (),
    profiles: Sequence[str] = (),
    out: Path | str | None = None,
    resume: bool = False,
    listener: Listener | None = None,
) -> TuningRun:
    """Tune the models of a recipe on its training block; neither validation nor test block is looked at.

    What it prepares are the stages of a run: `run_recipe` in the same folder goes on from there. The same call goes on where a killed
    one stopped, to the same trials and the same best parameters; with more `tune.trials` it adds to those that are there.

    Parameters
    ----------
    recipe, bars, symbol, overrides, profiles, out : as for `run_recipe`; a recipe without `tune` is tuned with its defaults
    resume : refuse to begin a new tuning

    Raises: InputError or SetupError of some kind before any work; LeakageError before any trial; TrainingError, StorageError later.
    """
    telling = listener or Silence()
    inputs, root, beside = _begin(recipe, bars, symbol, overrides, profiles, out)
    if resume and not (root / FOLDER).is_dir():
        raise RecipeError(str(root), "there is no tuning to resume", mend="Leave --resume out to begin one.")
    workspace, stages = Workspace(root), stages_of(inputs)
    with workspace.locked():
        prepare(inputs, stages, workspace, telling)
        check_leakage(inputs, stages, workspace, telling)
        ledger = _described(inputs)
        run_jobs(tuning_jobs(inputs, stages.prepared, stages.tuned, workspace), plan_run(inputs, stages, workspace).workers, telling)
        best = tuned_recipe(inputs.recipe, workspace, stages.tuned)
        write_bytes(root / TUNED_RECIPE, _as_yaml(_portable(inputs, best, bars, beside), stages.tuned))
    return TuningRun(root, root / TUNED_RECIPE, stages.tuned, ledger.summary())


def _begin(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None,
    symbol: str | None,
    overrides: Sequence[str],
    profiles: Sequence[str],
    out: Path | str | None,
) -> tuple[RunInputs, Path, Path | None]:
    """The inputs, the run folder, and the folder of the recipe file, after every check that needs no work."""
    completed, beside = recipe_of(recipe, overrides, profiles)
    if completed.tune is None:
        completed = completed.model_copy(update={"tune": TuneConfig()})
        if problems := tuning_problems(completed, lambda _: "recipe"):
            raise RecipeError.gathered(problems)
    require_libraries(completed)
    root = Path(out) if out is not None else Path("runs") / completed.name
    return gather_inputs(completed, bars, symbol, beside), root, beside


def _described(inputs: RunInputs) -> Ledger:
    """The ledger of these bars, which knows which bars they are."""
    bars, ledger = inputs.bars, Ledger.of(inputs.bars.fingerprint)
    ledger.describe(bars.instrument.symbol, str(bars.timeframe), int(bars.open_time[0]), int(bars.open_time[-1]), len(bars))
    return ledger


def _portable(inputs: RunInputs, recipe: Recipe, bars: Bars | Path | str | None, beside: Path | None) -> dict[str, Any]:
    """The tuned recipe for another folder: no `tune`, files by their whole paths, and of bars that were given instead, what they are."""
    plain = recipe.model_copy(update={"tune": None}).model_dump(mode="json")
    if bars is not None:
        instrument = inputs.bars.instrument
        plain |= {"symbol": instrument.symbol, "instrument": instrument.model_dump(mode="json")}
        plain["bars"] = None if isinstance(bars, Bars) else str(bars)
    if isinstance(plain["bars"], str):
        plain["bars"] = _whole_path(plain["bars"], beside)
    elif isinstance(plain["bars"], list):
        plain["bars"] = [_whole_path(file, beside) for file in plain["bars"]]
    for series in plain["series"]:
        series["file"] = _whole_path(series["file"], beside)
    return plain


def _whole_path(file: str, beside: Path | None) -> str:
    return str(find_file(Path(file), beside).absolute())


def _as_yaml(recipe: dict[str, Any], tuned: dict[str, Stage]) -> bytes:
    head = f"# Tuned on the training block: {', '.join(tuned)}. How it went is beside this file; every trial is in the ledger.\n"
    return (head + yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)).encode()


__all__ = ["TuningRun", "tune_recipe"]
