"""What a recipe says of its tuning."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from barmill.models.search import Search

Choice = bool | int | float | str | None


class SearchRange(BaseModel):
    """Where one parameter is looked for: `low` and `high`, or `choices`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float | None = Field(default=None, description="least value tried")
    high: float | None = Field(default=None, description="largest value tried")
    log: bool = Field(default=False, description="spread the logarithm evenly; low must be above 0")
    step: float | None = Field(default=None, gt=0, description="distance between the values tried; every value if left out")
    choices: tuple[Choice, ...] = Field(default=(), description="the values tried, instead of a range")

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> "SearchRange":
        ends = (self.low, self.high)
        if self.choices:
            if ends != (None, None) or self.log or self.step is not None:
                raise ValueError("choices stand beside low, high, log or step; give a range or choices, not both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("a range needs low and high; give both, or choices")
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a logarithm needs it above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; remove one of them")
        return self

    @property
    def search(self) -> Search:
        return Search(self.low, self.high, self.log, self.step, self.choices)


class TuneConfig(BaseModel):
    """Parameters of `tune_model`: how models are tuned, on the training block alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trials: int = Field(default=30, ge=1, le=100_000, description="settings tried for each model")
    trials_in_folds: int | None = Field(
        default=None, ge=1, le=100_000, description="settings tried in each split of a cross-validation; a third of `trials` if left out"
    )
    models: tuple[str, ...] | None = Field(default=None, min_length=1, description="which models, by name or alias; all if left out")
    folds: int = Field(default=3, ge=2, le=20, description="inner folds of the training block, each purged")
    method: Literal["purged_kfold", "walk_forward"] = Field(
        default="purged_kfold", description="inner folds: each part judged by all others, or each by those before it"
    )
    metric: Literal["log_loss", "auc", "sharpe"] = Field(
        default="log_loss", description="what is made best; sharpe is that of the trading rule, net of costs"
    )
    sampler: Literal["tpe", "random"] = Field(default="tpe", description="how the next setting is chosen")
    pruner: Literal["median", "none"] = Field(
        default="median", description="median: give a setting up that does worse than most did so far"
    )
    storage: str | None = Field(
        default=None, description="URL of a database that keeps the trials (SQLAlchemy); an SQLite file in the run folder if left out"
    )
    search: Mapping[str, Mapping[str, SearchRange | None]] = Field(
        default_factory=dict[str, Mapping[str, SearchRange | None]],
        description="for each model, other ranges than its own; null takes a parameter out of the search",
    )

    @property
    def fold_trials(self) -> int:
        """Settings tried in each split of a cross-validation."""
        return self.trials_in_folds or max(1, -(-self.trials // 3))

    def portable(self) -> dict[str, Any]:
        """All keys as plain values, without where the trials are kept: that says nothing of the result and may hold a password."""
        return {**self.model_dump(mode="json"), "storage": None}


__all__ = ["SearchRange", "TuneConfig"]
