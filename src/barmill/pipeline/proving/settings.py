"""How much a proof does, and what it demands. The one place for these numbers."""

from pydantic import BaseModel, ConfigDict, Field

from barmill.market import NULL_MARKETS


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Demands(_Values):
    """What a pipeline must show to be certified."""

    level: float = Field(default=0.99, gt=0, lt=1, description="of the intervals of the AUC on markets without an edge")
    width: float = Field(default=0.01, gt=0, description="of the interval over all markets and models, from end to end, at most")
    family_level: float = Field(default=0.999, gt=0, lt=1, description="of the intervals of each model and each kind, together")
    promotion_bar: float = Field(default=0.95, gt=0, lt=1, description="a model is promoted if its deflated Sharpe ratio is above it")
    promoted: float = Field(default=0.05, gt=0, lt=1, description="share of the models on markets without an edge that may be promoted")


class Caps(_Values):
    """The largest models that a proof fits: what it looks for are leaks, which a small model finds too."""

    n_estimators: int = 40
    num_leaves: int = 15
    max_depth: int = 4
    max_iter: int = 100
    hidden_size: int = 8
    num_layers: int = 1
    seq_len: int = 16
    epochs: int = 2
    trials: int = 3


class ProofSettings(_Values):
    """How much is done.

    markets : markets without an edge at first, spread evenly over the kinds; most_markets : as many at most, if the interval is too wide
    useful_bars : bars of each after the features' warm-up, at least; bars_per_horizon : and for each bar of the horizon
    horizon : the label's horizon at most, bars; None takes the recipe's
    folds : contiguous test blocks that together are all of a market
    short_folds : further folds, whose test blocks are a horizon long and lie in between training rows; nothing is fitted on them
    strengths, control_markets : of the markets with an edge, and how many of each strength
    """

    name: str
    markets: int = Field(ge=1)
    most_markets: int = Field(ge=1)
    useful_bars: int = Field(ge=1_000)
    bars_per_horizon: int = Field(ge=1)
    horizon: int | None = Field(default=None, ge=2)
    kinds: tuple[str, ...] = tuple(NULL_MARKETS)
    folds: int = Field(default=3, ge=2)
    short_folds: int = Field(default=16, ge=0)
    strengths: tuple[float, ...] = (1.0, 2.0, 3.0)
    control_markets: int = Field(ge=0)
    caps: Caps = Caps()
    demands: Demands = Demands()


QUICK = ProofSettings(name="quick", markets=70, most_markets=120, useful_bars=14_000, bars_per_horizon=500, horizon=12, control_markets=4)
FULL = ProofSettings(
    name="full",
    markets=100,
    most_markets=400,
    useful_bars=30_000,
    bars_per_horizon=1_000,
    folds=4,
    control_markets=10,
    caps=Caps(n_estimators=100, num_leaves=31, max_depth=5, max_iter=500, hidden_size=32, num_layers=2, seq_len=60, epochs=4, trials=10),
)

__all__ = ["FULL", "QUICK", "Caps", "Demands", "ProofSettings"]
