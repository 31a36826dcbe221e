"""Parameters of the Temporal Fusion Transformer."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from barmill.models.network_params import NetworkParams
from barmill.models.search import Search


class TFTParams(NetworkParams):
    """The network of Lim et al. (2021) without a decoder: variable selection, a forward LSTM, attention from the decision bar.

    The authors' size for volatility is a hidden size of 160 with dropout 0.3, one head, learning rate 0.01 and clipping at 0.01,
    which is work for a GPU. The defaults train on two cores.
    """

    hidden_size: Annotated[int, Search(choices=(16, 32, 64, 160))] = Field(
        32, ge=4, le=4096, description="width of every layer, a multiple of n_heads (the authors' for volatility: 160)"
    )
    n_heads: int = Field(4, ge=1, le=32, description="heads of the attention, which share their values")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.1, ge=0, lt=1, description="share dropped before gates and in the attention")
    static_inputs: tuple[str, ...] = Field(
        (), description="features that say what market or regime it is; read at the decision bar, they set the context of all bars"
    )
    known_inputs: tuple[str, ...] = Field(
        (),
        description="features known ahead (hour, session, holidays); selected once more, by a network of their own, for the decision step",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.hidden_size % self.n_heads:
            found = f"hidden_size {self.hidden_size} does not divide into n_heads {self.n_heads}; expected a multiple"
            raise ValueError(f"{found}. Set hidden_size to {self.n_heads * -(-self.hidden_size // self.n_heads)}.")
        named = (*self.static_inputs, *self.known_inputs)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"'{twice[0]}' is named twice in static_inputs and known_inputs; expected once. Remove it from one of them.")
        return self
