"""Parameters of the experts; the defaults of the trees are those of the alert charter, section 4."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from barmill.models.class_weights import ClassWeighting
from barmill.models.contract import ModelParams
from barmill.models.search import Search

Level = Annotated[float, Field(gt=0, lt=1)]


class ExpertParams(ModelParams):
    """Trees of every expert."""

    n_estimators: int = Field(500, ge=1, le=20_000, description="trees at most; early stopping usually takes fewer")
    learning_rate: Annotated[float, Search(0.01, 0.3, log=True)] = Field(
        0.05, gt=0, le=1, description="share of each tree's step that is taken"
    )
    num_leaves: Annotated[int, Search(8, 256, log=True)] = Field(64, ge=2, le=4096, description="leaves of a tree at most")
    feature_fraction: Annotated[float, Search(0.3, 1.0)] = Field(0.9, gt=0, le=1, description="share of the features that each tree sees")
    bagging_fraction: Annotated[float, Search(0.5, 1.0)] = Field(0.8, gt=0, le=1, description="share of the rows that each tree sees")
    min_data_in_leaf: Annotated[int, Search(10, 500, log=True)] = Field(50, ge=1, le=1_000_000, description="rows in a leaf at least")
    lambda_l2: Annotated[float, Search(1e-3, 10.0, log=True)] = Field(1.0, ge=0, le=1e6, description="L2 penalty on leaf values")
    early_stopping_rounds: int = Field(50, ge=1, le=20_000, description="trees without a lower validation loss before it stops")


class EntryParams(ExpertParams):
    """The entry expert: a booster for each liquidity cluster."""

    liquidity: str | None = Field(
        None, description="feature that says how liquid a bar is, such as traded_value_60; none makes one booster for all"
    )
    min_cluster_rows: int = Field(1000, ge=1, le=1_000_000_000, description="training rows below which a cluster uses the pooled booster")
    class_weight: ClassWeighting = Field("balanced", description="'balanced' gives each class the same total weight")


class QuantileParams(ExpertParams):
    """An expert that learns quantiles: a booster for each level, one of which is used online."""

    levels: tuple[Level, ...] = Field((0.6, 0.7, 0.8), min_length=1, max_length=32, description="levels of the quantiles, rising")
    alpha: float = Field(0.7, gt=0, lt=1, description="the level used online; one of the levels")

    @model_validator(mode="after")
    def _alpha_is_a_level(self) -> Self:
        if list(self.levels) != sorted({*self.levels}):
            raise ValueError(f"levels {self.levels} do not rise; expected each above the one before it")
        if self.alpha not in self.levels:
            raise ValueError(f"alpha {self.alpha:g} is none of the levels {self.levels}; expected one that is learned. Add it to levels.")
        return self


class RiskParams(QuantileParams):
    """Stop distance in ATRs: quantiles of the largest draw-down within the horizon."""


class RewardParams(QuantileParams):
    """Target in R: quantiles of the realised R."""

    levels: tuple[Level, ...] = Field(
        (0.5, 0.6, 0.7), min_length=1, max_length=32, description="levels of the quantiles, rising; 0.5 is the median"
    )
    alpha: float = Field(0.6, gt=0, lt=1, description="the level used online, mildly optimistic; one of the levels")


class EntryOffsetParams(QuantileParams):
    """Entry offset in ATRs: a quantile of the offset that brought most."""

    levels: tuple[Level, ...] = Field((0.4, 0.5, 0.6), min_length=1, max_length=32, description="levels of the quantiles, rising")
    alpha: float = Field(0.5, gt=0, lt=1, description="the level used online; one of the levels")
    dead_band_atr: float = Field(0.05, ge=0, le=10, description="offsets nearer to 0 than this are 0: an entry at the open")
