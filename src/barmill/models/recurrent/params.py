"""Parameters of the recurrent networks."""

from typing import Annotated

from pydantic import Field

from barmill.models.network_params import NetworkParams
from barmill.models.search import Search


class LSTMParams(NetworkParams):
    """A stack of forward LSTM layers; the last hidden state goes to the head."""

    hidden_size: Annotated[int, Search(choices=(32, 64, 128, 256))] = Field(128, ge=1, le=4096, description="units of a layer")
    num_layers: Annotated[int, Search(1, 3)] = Field(2, ge=1, le=16, description="layers")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(
        0.2, ge=0, lt=1, description="share of units dropped between layers; one layer has no between"
    )
