"""Parameters of the recurrent networks."""

from pydantic import Field

from barmill.models.network_params import NetworkParams


class LSTMParams(NetworkParams):
    """A stack of forward LSTM layers; the last hidden state goes to the head."""

    hidden_size: int = Field(128, ge=1, le=4096, description="units of a layer")
    num_layers: int = Field(2, ge=1, le=16, description="layers")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of units dropped between layers; one layer has no between")
