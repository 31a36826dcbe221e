"""Parameters of the networks that continue a series."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from barmill.models.network_params import NetworkParams
from barmill.models.search import Search

Count = Annotated[int, Field(ge=1, le=4096)]


class PathParams(NetworkParams):
    """What all of them share: the series, and the path that continues it."""

    horizon: Annotated[int, Search(choices=(1, 6, 12, 24))] = Field(12, ge=1, le=1024, description="points of the forecast path, in bars")
    target: str | None = Field(
        None, description="feature that is the series, a return of one bar; none: log_return_1 or return_1, else the first feature"
    )


class ResidualParams(PathParams):
    """What N-BEATS and N-HiTS share: blocks of dense layers, each of which explains what the blocks before it left."""

    level: Literal["zero", "last"] = Field(
        "zero", description="what the path starts from: 'last' is the newest value, as published for levels; returns start from 'zero'"
    )
    layers: int = Field(4, ge=1, le=16, description="dense layers of a block")
    linear_start: bool = Field(
        False, description="a linear layer before the first, with nothing between, as neuralforecast has it and the papers do not"
    )
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.0, ge=0, lt=1, description="share of a layer's units dropped in training")


class NBeatsParams(ResidualParams):
    """N-BEATS: trend and seasonality, or a generic basis that it learns."""

    stacks: Literal["interpretable", "generic"] = Field(
        "interpretable",
        description="interpretable: polynomials, then waves, each a readable part of the forecast; generic: a learned basis",
    )
    blocks: int = Field(3, ge=1, le=128, description="blocks of each stack; the authors' generic network has 30 in one")
    weights: Literal["shared", "own"] = Field(
        "shared", description="whether the blocks of a stack share weights, as the authors' readable ones do"
    )
    width: Annotated[int, Search(choices=(64, 128, 256, 512))] = Field(
        256, ge=1, le=4096, description="units of a layer in trend and generic blocks (the authors' generic ones have 512)"
    )
    seasonal_width: int = Field(256, ge=1, le=8192, description="units of a layer in seasonal blocks; the authors' 2048 is for a GPU")
    polynomial_degree: int = Field(2, ge=0, le=8, description="highest power of time in the trend")
    harmonics: int = Field(1, ge=1, le=16, description="steps between a turn and the next in the waves; 1 has whole turns alone")


class NHitsParams(ResidualParams):
    """N-HiTS: each stack sees the window at another resolution, and speaks in steps of another length."""

    pooling: tuple[Count, ...] = Field(
        (2, 2, 1), min_length=1, max_length=16, description="bars of which a stack sees the largest, coarsest first"
    )
    downsampling: tuple[Count, ...] = Field(
        (4, 2, 1), min_length=1, max_length=16, description="points of the path for one knot of a stack"
    )
    blocks: int = Field(1, ge=1, le=64, description="blocks of each stack")
    width: Annotated[int, Search(choices=(64, 128, 256, 512))] = Field(
        256, ge=1, le=4096, description="units of a layer; the authors have 512"
    )
    layers: int = Field(2, ge=1, le=16, description="dense layers of a block")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(
        0.5, ge=0, lt=1, description="share of a layer's units dropped in training; without any it learns noise within an epoch"
    )

    @model_validator(mode="after")
    def _stacks_agree(self) -> Self:
        if len(self.pooling) != len(self.downsampling):
            told = f"pooling names {len(self.pooling)} stacks and downsampling {len(self.downsampling)}"
            raise ValueError(f"{told}; expected one of each for every stack. Give both lists the same length.")
        if max(self.pooling) > self.seq_len:
            raise ValueError(
                f"pooling over {max(self.pooling)} of {self.seq_len} bars; expected at most the window. Lower pooling or raise seq_len."
            )
        return self


class NLinearParams(PathParams):
    """NLinear: one linear layer on the distance to the newest value."""


class DLinearParams(PathParams):
    """DLinear: a linear layer for the moving average, and one for what is left of it."""

    moving_average: Annotated[int, Search(choices=(5, 13, 25))] = Field(
        25, ge=1, le=1025, description="bars of the moving average, an odd number"
    )

    @model_validator(mode="after")
    def _average_has_a_middle(self) -> Self:
        if self.moving_average % 2 == 0:
            raise ValueError(f"moving_average of {self.moving_average} bars; expected an odd number. Take {self.moving_average + 1}.")
        return self
