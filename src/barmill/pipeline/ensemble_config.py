"""Recipe keys of what is made of several models: ensembles, the folds behind them, and the regimes that weigh them."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from barmill.pipeline.recipe_part import Part

ALIAS = r"^[a-z][a-z0-9_-]{0,40}$"


class OofConfig(Part):
    """The purged folds of the training rows in which members forecast what they have not seen."""

    n_folds: int = Field(default=5, ge=2, le=100, description="contiguous folds, in time order")
    purge_bars: int = Field(default=60, ge=0, description="bars that a label is taken to span at least")
    embargo_bars: int = Field(default=1440, ge=0, description="bars after a fold whose labels teach nothing of it")


class GatingConfig(Part):
    """Weights of the members that depend on the regime."""

    enabled: bool = Field(default=False, description="beside a stacking: the gate's blend is one more input of the meta-learner")
    method: Literal["hmm_regime", "softmax", "markov_switching", "static"] = Field(
        default="hmm_regime",
        description="hidden Markov model of the regime features, softmax of them, Markov switching of returns, or one set of weights",
    )
    regime_features: tuple[str, ...] = Field(
        default=(), description="features that tell the regime; volatility_regime, trend_regime and structure_regime if left out"
    )
    config: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="parameters of the gate")


class DroppedMember(Part):
    """A member that an ensemble goes without."""

    member: str = Field(description="its name in the run")
    what: Literal["incompatible", "failed"] = Field(description="whether it cannot be combined with the others, or a fit of it went wrong")
    stage: str = Field(description="where that showed: `recipe`, or the stage of the run")
    reason: str = Field(description="why")
    log: str | None = Field(default=None, description="what its process said, in the run folder")


class EnsembleConfig(Part):
    """How models are combined, on what they forecast out of fold."""

    enabled: bool = Field(default=False, description="combine the models; without it they are trained and compared alone")
    name: str | None = Field(default=None, pattern=ALIAS, description="its name in this run; by its method if left out")
    method: Literal["stacking", "voting", "gating", "fusion"] = Field(
        default="stacking", description="a meta-learner, a vote, weights by regime, or a logistic head on calibrated probabilities"
    )
    members: tuple[str, ...] = Field(default=(), description="names of the models in this run; all base models if left out")
    meta_learner: Literal["ridge", "elastic_net", "logistic", "lightgbm_meta"] | None = Field(
        default=None, description="of a stacking; ridge if left out"
    )
    voting_type: Literal["soft", "hard"] | None = Field(default=None, description="of a vote; soft if left out")
    config: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="parameters of the meta-learner, the vote or the fusion")
    regime_features: tuple[str, ...] = Field(default=(), description="features that a stacking's meta-learner sees beside the forecasts")
    oof: OofConfig = Field(default_factory=OofConfig)
    gating: GatingConfig = Field(default_factory=GatingConfig)
    on_failure: Literal["error", "drop"] = Field(
        default="error",
        description="members that do not go together, or whose fit goes wrong: stop with an error, or go on without them and say so",
    )
    dropped: tuple[DroppedMember, ...] = Field(
        default=(), description="written by Barmill: members that it goes without, and why; not for you to give"
    )

    def combining(self) -> dict[str, Any]:
        """All that its fit depends on, plain JSON: what became of members that are not in it plays no part."""
        return self.model_dump(mode="json", exclude={"on_failure", "dropped"})

    @property
    def kind(self) -> str:
        """Its name among the ensembles of the catalogue."""
        if self.method == "stacking":
            return {"lightgbm_meta": "lightgbm"}.get(self.meta_learner or "", self.meta_learner or "ridge") + "_stacking"
        if self.method == "voting":
            return f"{self.voting_type or 'soft'}_voting"
        if self.method == "gating":
            return {"hmm_regime": "hmm"}.get(self.gating.method, self.gating.method) + "_gating"
        return self.method

    @property
    def label(self) -> str:
        """Its name in the run."""
        return self.name or self.kind


__all__ = ["ALIAS", "DroppedMember", "EnsembleConfig", "GatingConfig", "OofConfig"]
