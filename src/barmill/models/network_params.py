"""Parameters that every network shares: how the one training loop treats it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from barmill.models.class_weights import ClassWeighting
from barmill.models.contract import ModelParams
from barmill.models.resolutions import MOST_BARS, finest_first
from barmill.models.search import Search


class NetworkParams(ModelParams):
    """What a network sees, and its training: AdamW, a schedule, early stopping."""

    seq_len: int = Field(60, ge=2, le=MOST_BARS, description="bars of a window of one timeframe")
    resolutions: Mapping[str, Annotated[int, Field(ge=1, le=MOST_BARS)]] | None = Field(
        None, description="bars of each timeframe, on the view multi_resolution, in place of seq_len: {1m: 60, 5m: 12, 15m: 4, 1h: 1}"
    )
    epochs: int = Field(50, ge=1, le=10_000, description="passes over the training windows at most")
    batch_size: int = Field(256, ge=1, le=65_536, description="windows of a batch")
    accumulation: int = Field(1, ge=1, le=1024, description="batches added up for one step of the optimizer")
    learning_rate: Annotated[float, Search(1e-4, 1e-2, log=True)] = Field(1e-3, gt=0, le=1, description="the schedule's peak")
    weight_decay: Annotated[float, Search(1e-6, 1e-2, log=True)] = Field(
        1e-4, ge=0, le=1, description="decoupled decay of weight matrices; biases are left alone"
    )
    schedule: Literal["cosine", "constant", "halving"] = Field(
        "cosine", description="learning rate after the warm-up; halving: half of it after every epoch"
    )
    warmup_share: float = Field(0.05, ge=0, lt=1, description="share of all steps over which the rate rises linearly")
    grad_clip: float = Field(1.0, gt=0, le=1e6, description="norm to which larger gradients are scaled down")
    patience: int = Field(10, ge=1, le=10_000, description="epochs without progress on the validation loss before it stops")
    min_delta: float = Field(0.001, ge=0, le=1, description="fall of the validation loss that counts as progress")
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field("auto", description="mixed precision on a GPU; a CPU uses float32")
    class_weight: ClassWeighting = Field(None, description="'balanced' gives each class the same total weight")
    focal_gamma: float = Field(
        0.0, ge=0, le=10, description="how much less a row counts that is already right (focal loss); 0 is plain cross-entropy"
    )
    return_loss_weight: float = Field(1.0, ge=0, le=1000, description="weight of the E_r loss beside that of p_up")
    quantile_loss_weight: float = Field(1.0, ge=0, le=1000, description="weight of the quantiles' loss beside that of p_up")
    huber_delta: float = Field(1.0, gt=0, le=100, description="error, in units of volatility, beyond which the E_r loss is linear")

    @field_validator("resolutions")
    @classmethod
    def _in_order(cls, resolutions: Mapping[str, int] | None) -> dict[str, int] | None:
        return None if resolutions is None else finest_first(resolutions)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Bars of each timeframe in a window of several, finest first; () for a window of one."""
        return () if self.resolutions is None else tuple(self.resolutions.values())

    @property
    def window(self) -> int:
        """Bars of a window in all: `seq_len`, or those of every timeframe."""
        return sum(self.lengths) or self.seq_len
