"""Parameters of the probabilistic networks."""

from typing import Annotated, Literal

from pydantic import Field

from barmill.models.network_params import NetworkParams
from barmill.models.search import Search


class DeepARParams(NetworkParams):
    """A stack of forward LSTM layers, whose last hidden state gives the location and the scale of one distribution of the return.

    For two classes all outputs are read off that distribution, and its likelihood is the only loss: focal_gamma, huber_delta,
    return_loss_weight and quantile_loss_weight play no part. For three, the classes are learned beside it by cross-entropy, and
    quantile_loss_weight is the factor of the likelihood.
    """

    hidden_size: Annotated[int, Search(choices=(32, 64, 128, 256))] = Field(128, ge=1, le=4096, description="units of a layer")
    num_layers: Annotated[int, Search(1, 3)] = Field(2, ge=1, le=16, description="layers")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(
        0.1, ge=0, lt=1, description="share of units dropped between layers; one layer has no between"
    )
    likelihood: Literal["student_t", "gaussian"] = Field("student_t", description="the distribution of the return")
    nu: int = Field(5, ge=3, le=5, description="degrees of freedom of Student's t: fewer have fatter tails; a Gaussian has none")


class QuantileRNNParams(NetworkParams):
    """Forward recurrent layers, whose last hidden state gives three quantiles by the pinball loss, and p_up beside them."""

    cell: Annotated[Literal["gru", "lstm"], Search(choices=("gru", "lstm"))] = Field("gru", description="kind of recurrent layer")
    hidden_size: Annotated[int, Search(choices=(16, 32, 64, 128))] = Field(64, ge=1, le=4096, description="units of a layer")
    num_layers: Annotated[int, Search(1, 3)] = Field(1, ge=1, le=16, description="layers")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(
        0.0, ge=0, lt=1, description="share of units dropped between layers; one layer has no between"
    )
