"""Parameters of the Pattern CNN; sizes, training and augmentation are those of the alert charter, section 2."""

from typing import Annotated

from pydantic import Field

from barmill.models.network_params import NetworkParams
from barmill.models.search import Search

Channels = Annotated[int, Field(ge=1, le=4096)]


class PatternCNNParams(NetworkParams):
    """Three pairs of convolutions over the image of the last 64 bars, an embedding, and heads for class, quality and pole.

    `huber_delta` is where the pole's loss turns linear; the weights of returns and their quantiles have nothing to weigh here.
    """

    seq_len: int = Field(64, ge=64, le=64, description="bars of an image, which is always of 64")
    epochs: int = Field(40, ge=1, le=10_000, description="passes over the training images at most")
    patience: int = Field(8, ge=1, le=10_000, description="epochs without progress on the validation loss before it stops")
    focal_gamma: float = Field(
        2.0, ge=0, le=10, description="how much less an image counts that is already right; 0 is plain cross-entropy"
    )
    channels: tuple[Channels, Channels, Channels] = Field((32, 64, 128), description="channels of the three pairs of convolutions")
    hidden_size: int = Field(128, ge=1, le=4096, description="units of the layer before the embedding")
    embedding_size: int = Field(64, ge=2, le=4096, description="numbers of the embedding")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.2, ge=0, lt=1, description="share of units dropped before the embedding")
    quality_loss_weight: float = Field(1.0, ge=0, le=1000, description="weight of the quality's loss beside that of the class")
    pole_loss_weight: float = Field(
        0.1, ge=0, le=1000, description="weight of the pole's loss, a mean over flags, beside that of the class"
    )
    mixup_alpha: float = Field(0.2, ge=0, le=10, description="how evenly two images are mixed, alpha of the Beta law; 0 mixes none")
    time_warp: float = Field(0.1, ge=0, le=0.3, description="share of the width by which the middle of an image is moved in time at most")
    scale_jitter: float = Field(0.1, ge=0, le=0.5, description="share by which heights are stretched or pressed at most")
    noise: float = Field(0.01, ge=0, le=0.5, description="standard deviation of the noise on every value; the charter's are 0.01 to 0.02")
