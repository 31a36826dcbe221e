"""Tune one model: propose a setting, count it, judge it on inner folds, remember it; so many times."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from barmill.artefacts import canonical_json, new_file, sha256
from barmill.errors import ForecastError, TrainingError
from barmill.evaluation import Ledger
from barmill.market import Bars
from barmill.models.contract import Window
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.tuning.config import TuneConfig
from barmill.pipeline.tuning.entering import TrialBook
from barmill.pipeline.tuning.inner_folds import FoldOutcome, InnerFolds, inner_folds
from barmill.pipeline.tuning.scoring import pooled, score, sharpe_per_bar
from barmill.pipeline.tuning.spaces import space_of
from barmill.pipeline.tuning.study import Study, open_study
from barmill.pipeline.tuning.trials import State, Trial, Tuned
from barmill.progress import Progress, SilentProgress

Float32Array = npt.NDArray[np.float32]

# What a setting can do to a fit. Anything else is a fault of ours or of the machine, and ends the tuning.
FAILURES = (TrainingError, ForecastError, MemoryError, RuntimeError, ArithmeticError)


class Judge(Protocol):
    """Who says what a setting is worth, fold by fold; `InnerFolds` in a run."""

    @property
    def n_returns(self) -> Sequence[int]: ...
    def judge(self, params: Mapping[str, Any], number: int) -> FoldOutcome: ...


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a tuning of one model is of.

    keys : plain JSON that names the prepared data (its content addresses): part of what a trial is
    window : bars that the model sees, by timeframe where there are several, None for one row
    purge_bars, embargo_bars : of the run, in base bars
    """

    entry: ModelEntry
    config: TuneConfig
    recipe: Recipe
    keys: Mapping[str, Any]
    window: Window
    purge_bars: int
    embargo_bars: int

    @property
    def identity(self) -> dict[str, Any]:
        """What its trials are of, beside their parameters: a model on this data, whatever rows and folds it is judged on."""
        return {
            "model": self.entry.name,
            "entry": self.entry.model_dump(mode="json", include={"view", "outputs", "inputs"}),
            "keys": dict(self.keys),
            "calibrate": self.recipe.inference.calibrating,
            "rule": self.recipe.rule.model_dump(mode="json"),
            "seed": self.recipe.seed,
        }

    @property
    def how(self) -> dict[str, Any]:
        """How it is looked for: with `identity` and the rows, all that a study depends on but the number of its trials."""
        config, recipe = self.config, self.recipe
        return {
            "config": dict(self.entry.config),
            "space": {name: asdict(search) for name, search in space_of(self.entry, config).items()},
            "metric": config.metric,
            "sampler": config.sampler,
            "pruner": config.pruner,
            "folds": [config.method, config.folds, self.purge_bars, self.embargo_bars],
            "shares": {"train": recipe.splits.train, **recipe.validation_shares},
        }

    def study(self, train: Positions) -> str:
        """The name under which the trials are kept."""
        rows = sha256(np.ascontiguousarray(train, dtype="<i8").tobytes())
        return f"{self.entry.label}-{sha256(canonical_json({'trials': self.identity, 'how': self.how, 'rows': rows}))[:16]}"


def tune_model(
    tuning: Tuning,
    data: Dataset,
    bars: Bars,
    train: Positions,
    *,
    trials: int | None = None,
    storage: str | None = None,
    keep: Path | None = None,
    scratch: Path | None = None,
    ledger: Ledger | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Look for the best parameters of one model on inner folds of its training rows.

    Parameters
    ----------
    data, bars : of the run; nothing outside `train`, and the bars that its labels span, has a say
    train : int64 positions of labels, ascending: the training block, or the training rows of one split
    trials : how many; those of the config if None
    storage : URL of the database that keeps the trials, for a tuning that may be killed; in memory if None
    keep : folder for the returns of each trial, beside such a database; in memory if None
    scratch : folder for tables that a trial needs and nobody later; in memory if None
    ledger : counts the trials; None only where nothing else is judged on this data

    Returns
    -------
    Tuned, the same whether it was killed and resumed or not, and whatever else the storage holds.

    Raises: SplitError or LabelError for too few rows, TrainingError if no trial was completed, StorageError, MissingDependency.
    """
    config, recipe, label = tuning.config, tuning.recipe, tuning.entry.label
    folds = inner_folds(data.labels, train, config, recipe, tuning.purge_bars, tuning.embargo_bars)
    judge = InnerFolds(tuning.entry, data, bars, recipe, folds, tuning.window, scratch)
    book = TrialBook(ledger, tuning.identity, tuning.entry.config, {"model": label, "run": recipe.name})
    name = tuning.study(train)
    own = keep / name if keep is not None else None
    with open_study(name, storage, space_of(tuning.entry, config), config, [recipe.seed, int(sha256(label.encode())[:8], 16)]) as study:
        return run_trials(label, config, trials or config.trials, study, judge, book, own, progress)


def run_trials(
    label: str,
    config: TuneConfig,
    wanted: int,
    study: Study,
    judge: Judge,
    book: TrialBook,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """The trials that `study` lacks, up to `wanted`, and what came of all of them together.

    The order of the steps is what makes a kill harmless: counted before it is judged, and put into the study last. A trial that was
    cut short anywhere in between is proposed, counted and judged again, and is the same one.
    """
    trials = list(study.trials[:wanted])
    returns = [_kept(keep, trial.number) if _is_kept(keep, trial.number) else _returns_again(judge, trial) for trial in trials]
    for number in range(len(trials), wanted):
        params = study.propose(number)
        book.enter(params)
        trial, earned = _tried(number, params, config, study, judge)
        _keep(keep, number, earned)
        book.tell(trial)
        study.add(trial)
        trials.append(trial)
        returns.append(earned)
        value = "no value" if trial.value is None else f"{config.metric} {trial.value:.5g}"
        (progress or SilentProgress()).update(number + 1, wanted, f"trial {number} {trial.state}, {value}")
    return Tuned(label, config.metric, tuple(trials), np.column_stack(returns))


def _tried(number: int, params: Mapping[str, Any], config: TuneConfig, study: Study, judge: Judge) -> tuple[Trial, Float32Array]:
    """One setting on the inner folds, as far as it is worth it."""
    outcomes: list[FoldOutcome] = []
    steps: list[float] = []
    state: State = "completed"
    reason = ""
    try:
        for fold in range(len(judge.n_returns)):
            if steps and study.gives_up(number, steps):
                state = "pruned"
                break
            outcomes.append(judge.judge(params, fold))
            steps.append(_defined(score(config.metric, outcomes), config.metric, fold))
    except FAILURES as error:
        state, reason = "failed", f"{type(error).__name__}: {error}"
    value = None if state == "failed" else steps[-1]
    judged = outcomes[: len(steps)]
    n_obs = sum(len(outcome.returns) for outcome in judged)
    return Trial(number, params, state, value, tuple(steps), sharpe_per_bar(judged), n_obs, reason), _padded(judged, judge)


def _defined(value: float, metric: str, fold: int) -> float:
    if np.isnan(value):
        raise TrainingError(f"inner fold {fold}", f"{metric} is undefined: its rows are all of one class", mend="Take fewer folds.")
    return value


def _returns_again(judge: Judge, trial: Trial) -> Float32Array:
    """Returns of a trial that the study remembers and this folder does not: a fit with the same parameters earns the same."""
    return _padded([judge.judge(trial.params, fold) for fold in range(len(trial.steps))], judge)


def _padded(outcomes: Sequence[FoldOutcome], judge: Judge) -> Float32Array:
    """Returns of all inner folds, NaN in those that were not done."""
    returns = np.full(sum(judge.n_returns), np.nan, dtype=np.float32)
    done = pooled(outcomes)
    returns[: len(done)] = done
    return returns


def _file(keep: Path, number: int) -> Path:
    return keep / f"returns-{number}.npy"


def _is_kept(keep: Path | None, number: int) -> bool:
    return keep is not None and _file(keep, number).exists()


def _kept(keep: Path | None, number: int) -> Float32Array:
    assert keep is not None
    return np.load(_file(keep, number), allow_pickle=False)


def _keep(keep: Path | None, number: int, returns: Float32Array) -> None:
    if keep is not None:
        with new_file(_file(keep, number)) as beside, beside.open("wb") as file:
            np.save(file, returns, allow_pickle=False)


__all__ = ["Judge", "Tuning", "run_trials", "tune_model"]
