"""Parameters of the ensembles; ranges are checked when the recipe is read, and the message names the limit.

The limits of the meta-learners are those of the charter: what learns from a handful of forecasts that say nearly the same must be stiff.
"""

import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

WEIGHTS_TOLERANCE = 1e-6  # how far given weights may sum from 1: what a person rounds away in writing thirds


class EnsembleParams(BaseModel):
    """Base of every ensemble's parameters: frozen, unknown keys refused, ranges on the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _shares(weights: dict[str, float]) -> dict[str, float]:
    negative = [label for label, weight in weights.items() if weight < 0]
    if negative:
        raise ValueError(f"the weight of '{negative[0]}' is {weights[negative[0]]:g}; weights are 0 or more")
    if not abs(math.fsum(weights.values()) - 1) <= WEIGHTS_TOLERANCE:
        raise ValueError(f"the weights sum to {math.fsum(weights.values()):g}; weights sum to 1")
    return weights


def _given_or_named(value: Any) -> str:
    return "Given" if isinstance(value, dict) else "Named"


Given: TypeAlias = Annotated[dict[str, float], AfterValidator(_shares), Tag("Given")]
Named: TypeAlias = Annotated[Literal["equal", "inverse_loss", "fitted"], Tag("Named")]
Weighting: TypeAlias = Annotated[Given | Named, Discriminator(_given_or_named)]  # so that what is wrong with one is told once


class VotingParams(EnsembleParams):
    """Voting: a weighted mean of what the members say, or of what they vote for."""

    voting_type: Literal["soft", "hard"] = Field("soft", description="soft averages probabilities, hard counts votes")
    weights: Weighting = Field(
        "equal",
        description="of the members, by label, 0 or more and summing to 1; or equal, inverse_loss or fitted on out-of-fold forecasts",
    )
    quantiles: Literal["level", "mixture"] = Field(
        "level", description="level averages the quantiles; mixture takes those of the members' mixed distributions, which are wider"
    )


class RidgeParams(EnsembleParams):
    """A ridge regression as meta-learner."""

    alpha: float = Field(1.0, ge=0.1, le=1e6, description="penalty on squared coefficients; at least 0.1")


class ElasticNetParams(EnsembleParams):
    """An elastic net as meta-learner."""

    alpha: float = Field(1.0, ge=0.1, le=1e6, description="penalty on coefficients; at least 0.1")
    l1_ratio: float = Field(0.5, ge=0, le=1, description="share of the penalty on absolute values, which sets coefficients to zero")


class LogisticParams(EnsembleParams):
    """A logistic regression as meta-learner."""

    C: float = Field(1.0, gt=0, le=10, description="inverse of the penalty on squared coefficients; at most 10")


class LightGbmMetaParams(EnsembleParams):
    """A few shallow trees of LightGBM as meta-learner."""

    max_depth: int = Field(3, ge=1, le=3, description="levels of a tree; at most 3")
    n_estimators: int = Field(50, ge=1, le=100, description="trees; at most 100")
    learning_rate: float = Field(0.05, gt=0, le=1, description="share of each tree's step that is taken")
    min_child_samples: int = Field(20, ge=1, le=1_000_000, description="rows in a leaf at least")


class FusionParams(EnsembleParams):
    """A logistic head on calibrated probabilities, its penalty chosen by cross-validation."""

    candidates: tuple[Annotated[float, Field(gt=0, le=10)], ...] = Field(
        (0.01, 0.1, 1.0, 10.0), min_length=1, description="inverse penalties that are tried; each at most 10"
    )
    n_folds: int = Field(5, ge=2, le=20, description="folds, contiguous and purged, on which they are compared")


class RegimeGatingParams(EnsembleParams):
    """Weights of the members by the regime that a filter believes in."""

    n_regimes: int = Field(3, ge=2, le=8, description="regimes; 2 to 8")
    shrinkage: float = Field(
        10.0,
        ge=0,
        le=1e6,
        description="how far regimes keep to the pooled weights, in rows that leave no doubt of who was right; 0 leaves each to itself",
    )


class SoftmaxGatingParams(EnsembleParams):
    """Weights of the members as a softmax of the regime columns."""

    l2: float = Field(1.0, gt=0, le=1e6, description="penalty on squared coefficients")


class StaticGatingParams(EnsembleParams):
    """One set of weights, from out-of-sample windows that walk forward."""

    n_windows: int = Field(5, ge=2, le=100, description="windows, in time order")
    shrinkage: float = Field(
        10.0, ge=0, le=1e6, description="how far they keep to equal weights, in rows that leave no doubt of who was right"
    )


GatingParams: TypeAlias = RegimeGatingParams | SoftmaxGatingParams | StaticGatingParams


__all__ = [
    "WEIGHTS_TOLERANCE",
    "ElasticNetParams",
    "EnsembleParams",
    "FusionParams",
    "GatingParams",
    "LightGbmMetaParams",
    "LogisticParams",
    "RegimeGatingParams",
    "RidgeParams",
    "SoftmaxGatingParams",
    "StaticGatingParams",
    "VotingParams",
    "Weighting",
]
