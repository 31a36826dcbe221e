"""What came of a tuning: its trials, the best of them, and the returns that each would have earned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.errors import TrainingError

State = Literal["completed", "pruned", "failed"]
Float32Array = npt.NDArray[np.float32]

MAXIMISED = {"log_loss": False, "auc": True, "sharpe": True}


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting and what came of it.

    number : int, from 0
    params : the parameters that were tried
    state : completed; pruned, given up before the last inner fold; or failed
    value : the metric over all inner folds of a completed trial, over those that were done of a pruned one, None of a failed one
    steps : the metric after each inner fold that was done, over all folds until then
    sharpe : net Sharpe ratio per bar of the trading rule over the folds that were done, None where it is undefined
    n_obs : bars that it is of
    reason : why it failed
    """

    number: int
    params: Mapping[str, Any]
    state: State
    value: float | None
    steps: tuple[float, ...] = ()
    sharpe: float | None = None
    n_obs: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """A finished tuning of one model.

    label : str, the model's name in the run
    metric : "log_loss", "auc" or "sharpe"
    trials : in the order of their numbers
    returns : float32 of shape (n_bars, n_trials), net return of each bar of the inner folds, one fold after another; NaN from the
        fold on that a trial did not come to

    Raises: TrainingError if no trial was completed.
    """

    label: str
    metric: str
    trials: tuple[Trial, ...]
    returns: Float32Array

    def __post_init__(self) -> None:
        if not self.count("completed"):
            reasons = [trial.reason for trial in self.trials if trial.reason]
            found = f"none of {len(self.trials)} trials was completed" + (f"; the first said: {reasons[0]}" if reasons else "")
            raise TrainingError(f"tuning of {self.label}", found, mend="Give more bars or fewer folds, or search other ranges.")

    @property
    def best(self) -> Trial:
        """The completed trial with the best value; of equal ones the first."""
        sign = -1 if MAXIMISED[self.metric] else 1
        completed = [trial for trial in self.trials if trial.state == "completed"]
        return min(completed, key=lambda trial: (sign * _value(trial), trial.number))

    def count(self, state: State) -> int:
        """Trials that ended so."""
        return sum(trial.state == state for trial in self.trials)

    @property
    def completed_returns(self) -> Float32Array:
        """The columns of `returns` without a gap, those of completed trials: what PBO by CSCV takes."""
        return self.returns[:, [trial.state == "completed" for trial in self.trials]]

    @property
    def history(self) -> list[list[float | int]]:
        """Number, value and best value so far of each completed trial; a pruned one has no value over all inner folds."""
        completed = [trial for trial in self.trials if trial.state == "completed"]
        better = np.maximum if MAXIMISED[self.metric] else np.minimum
        best = better.accumulate([_value(trial) for trial in completed])
        return [[trial.number, _value(trial), float(so_far)] for trial, so_far in zip(completed, best, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """As the judgement tells it."""
        best = self.best
        return {
            "model": self.label,
            "n_trials": len(self.trials),
            "n_pruned": self.count("pruned"),
            "n_failed": self.count("failed"),
            "best": dict(best.params),
            "best_trial": best.number,
            "best_value": best.value,
            "metric": self.metric,
            "history": self.history,
        }

    def table(self) -> pl.DataFrame:
        """A row for each trial: number, state, value, sharpe, n_obs, reason, and a column for each parameter."""
        columns = {
            name: [getattr(trial, name) for trial in self.trials] for name in ("number", "state", "value", "sharpe", "n_obs", "reason")
        }
        names = list(self.trials[0].params) if self.trials else []
        types = {"number": pl.Int64, "n_obs": pl.Int64, "value": pl.Float64, "sharpe": pl.Float64}
        told = pl.DataFrame(columns, schema_overrides=types)
        return told.with_columns(pl.Series(f"params_{name}", [trial.params[name] for trial in self.trials], strict=False) for name in names)

    def returns_table(self) -> pl.DataFrame:
        """`returns` with a column for each trial, by its number."""
        return pl.DataFrame({str(trial.number): self.returns[:, column] for column, trial in enumerate(self.trials)})


def _value(trial: Trial) -> float:
    assert trial.value is not None
    return trial.value


__all__ = ["MAXIMISED", "State", "Trial", "Tuned"]
