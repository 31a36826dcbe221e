"""Parameters of the boosters, under one set of names; ranges are checked when the recipe is read."""

from typing import Annotated, Literal

from pydantic import Field

from barmill.models.class_weights import ClassWeighting
from barmill.models.contract import ModelParams
from barmill.models.search import Search


class TreeParams(ModelParams):
    """What every booster understands."""

    n_estimators: int = Field(500, ge=1, le=20_000, description="trees at most; early stopping usually takes fewer")
    learning_rate: Annotated[float, Search(0.01, 0.3, log=True)] = Field(
        0.05, gt=0, le=1, description="share of each tree's step that is taken"
    )
    subsample: Annotated[float, Search(0.5, 1.0)] = Field(1.0, gt=0, le=1, description="share of the rows that each tree sees")
    colsample_bytree: Annotated[float, Search(0.3, 1.0)] = Field(1.0, gt=0, le=1, description="share of the features that each tree sees")
    early_stopping_rounds: int = Field(50, ge=1, le=20_000, description="trees without a lower validation loss before it stops")
    class_weight: ClassWeighting = Field(None, description="'balanced' gives each class the same total weight")
    return_loss: Literal["huber", "l2"] = Field("huber", description="loss of the E_r booster; huber is deaf to the tails")
    huber_delta: float = Field(1.0, gt=0, le=100, description="error, in units of volatility, beyond which huber is linear")


class BoosterParams(TreeParams):
    """What LightGBM and XGBoost understand."""

    reg_alpha: Annotated[float, Search(1e-3, 10.0, log=True)] = Field(0.0, ge=0, le=1e6, description="L1 penalty on leaf values")


class LightGBMParams(BoosterParams):
    """LightGBM: grows the leaf that gains most."""

    num_leaves: Annotated[int, Search(8, 256, log=True)] = Field(63, ge=2, le=4096, description="leaves of a tree at most")
    max_depth: int = Field(-1, ge=-1, le=64, description="levels of a tree at most; -1 and 0 set no limit")
    min_child_samples: Annotated[int, Search(10, 500, log=True)] = Field(20, ge=1, le=1_000_000, description="rows in a leaf at least")
    reg_lambda: Annotated[float, Search(1e-3, 10.0, log=True)] = Field(0.0, ge=0, le=1e6, description="L2 penalty on leaf values")


class XGBoostParams(BoosterParams):
    """XGBoost with histograms: grows level by level."""

    max_depth: Annotated[int, Search(3, 10)] = Field(6, ge=1, le=32, description="levels of a tree at most")
    min_child_weight: Annotated[float, Search(0.1, 100.0, log=True)] = Field(
        1.0, ge=0, le=1e6, description="sum of second derivatives in a leaf at least"
    )
    gamma: Annotated[float, Search(1e-3, 5.0, log=True)] = Field(0.0, ge=0, le=1e6, description="gain that a split must bring at least")
    reg_lambda: Annotated[float, Search(1e-3, 10.0, log=True)] = Field(1.0, ge=0, le=1e6, description="L2 penalty on leaf values")
    max_bin: int = Field(256, ge=2, le=4096, description="bins of a feature")


class CatBoostParams(TreeParams):
    """CatBoost: every level of a tree has one question, so that a tree is a table."""

    max_depth: Annotated[int, Search(3, 10)] = Field(6, ge=1, le=12, description="levels of a tree, each with one split")
    reg_lambda: Annotated[float, Search(0.1, 30.0, log=True)] = Field(3.0, ge=0, le=1e6, description="L2 penalty on leaf values")
    random_strength: Annotated[float, Search(0.01, 10.0, log=True)] = Field(
        1.0, ge=0, le=1e3, description="noise on the score of a split, in deviations of its gradient; falls as trees are added"
    )
    max_bin: int = Field(254, ge=1, le=1024, description="borders of a feature")
