"""Parameters of the transformers over patches and over features."""

from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator

from barmill.models.network_params import NetworkParams
from barmill.models.resolutions import MOST_BARS
from barmill.models.search import Search


class EncoderParams(NetworkParams):
    """An encoder of attention layers. The defaults train on two cores; the authors' sizes are for a GPU."""

    d_model: Annotated[int, Search(choices=(16, 32, 64))] = Field(32, ge=1, le=4096, description="width of a token, a multiple of n_heads")
    n_heads: Annotated[int, Search(choices=(2, 4, 8))] = Field(
        4, ge=1, le=64, description="parts that attention works in, each d_model / n_heads wide"
    )
    n_layers: Annotated[int, Search(1, 3)] = Field(2, ge=1, le=24, description="encoder layers")
    d_ff: int = Field(64, ge=1, le=16_384, description="hidden width of each layer's perceptron")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.1, ge=0, lt=1, description="share of units dropped in training")

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.d_model % self.n_heads:
            found = f"d_model {self.d_model} does not divide into n_heads {self.n_heads}"
            raise ValueError(f"{found}; expected a multiple. Set d_model: {_multiple(self.d_model, self.n_heads)}.")
        return self


class PatchTSTParams(EncoderParams):
    """Patches of bars as tokens. The charter's size (d_model 256, n_heads 8, context_length 512) is for a GPU."""

    seq_len: int = Field(
        64,
        ge=2,
        le=MOST_BARS,
        validation_alias=AliasChoices("seq_len", "context_length"),
        description="bars of a window, also as context_length",
    )
    patch_length: int = Field(16, ge=1, le=512, description="bars of a patch")
    stride: int = Field(8, ge=1, le=512, description="bars from one patch to the next")
    causal: bool = Field(
        True,
        description="a patch sees only itself and older ones; false is the published encoder, both ways and with the window normalised",
    )

    @model_validator(mode="after")
    def _patches_fit_the_window(self) -> Self:
        if self.resolutions is None and self.patch_length > self.seq_len:  # of several timeframes, a short one is a single patch
            found = f"patch_length {self.patch_length} is longer than the window of {self.seq_len} bars (seq_len)"
            raise ValueError(f"{found}; expected at most {self.seq_len}. Shorten the patch, or lengthen the window.")
        if self.stride > self.patch_length:
            found = f"stride {self.stride} is longer than patch_length {self.patch_length}, so that bars between patches are not read"
            raise ValueError(f"{found}; expected at most {self.patch_length}. Shorten the stride.")
        return self


class ITransformerParams(EncoderParams):
    """Features as tokens. The authors' size for ETTh1 is d_model 256, d_ff 256, n_heads 8."""

    target: str | None = Field(
        None, description="feature whose token is read out by itself; none: the one-bar return, else the close, else the first feature"
    )


def _multiple(width: int, heads: int) -> int:
    """The multiple of `heads` nearest to `width`."""
    return max(round(width / heads), 1) * heads
