"""What a worker of a proof is told: one JSON file, typed on both sides."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from barmill.market import Instrument
from barmill.pipeline.job import StageRef
from barmill.pipeline.proving.settings import ProofSettings
from barmill.pipeline.recipe import Recipe

CONTROL = "control"


class MarketTask(BaseModel):
    """One market.

    kind : in NULL_MARKETS, or "control" for a simulated market with an edge of `strength`
    seed : of the market alone; the recipe's own is that of the fits
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    number: int
    seed: int
    n_bars: int
    strength: float | None = None

    @property
    def name(self) -> str:
        """Such as garch-3, or control-2x-1."""
        strength = "" if self.strength is None else f"-{self.strength:g}x"
        return f"{self.kind}{strength}-{self.number}"


class PipelineUnderProof(BaseModel):
    """The pipeline that is proven: the same for every market.

    recipe : as `small_recipe` made it; instrument : with the costs of markets without an edge, and control_instrument of those with one
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    instrument: Instrument
    control_instrument: Instrument
    purge_bars: int
    embargo_bars: int
    settings: ProofSettings


class ProofJob(BaseModel):
    """Markets that one worker does, one after another.

    root : the proof's folder
    like : stage that holds the bars that markets are made like
    markets : tasks with the stages of their results
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    pipeline: PipelineUnderProof
    like: StageRef
    markets: tuple[tuple[MarketTask, StageRef], ...]
    label: str


__all__ = ["CONTROL", "MarketTask", "PipelineUnderProof", "ProofJob"]
