"""The Pattern CNN: a picture of the last 64 bars to a class, a quality, a pole and an embedding.

With its heads for class and pole it has 312,614 parameters; the head for quality adds 65.
Axes: B batch, C channels, H rows, W bars, D numbers of the embedding, K columns of the head.
Source: the alert charter, section 2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from barmill.models.heads import NamedModule
from barmill.models.pattern.augmenting import Augmentation
from barmill.models.pattern.convolving import SameConvolution
from barmill.models.pattern.detectors import PATTERNS
from barmill.models.pattern.params import PatternCNNParams

N_IMAGE_CHANNELS = 3
QUALITY, POLE = len(PATTERNS), len(PATTERNS) + 1  # columns of the head after the classes
N_COLUMNS = len(PATTERNS) + 2
PARTNER, SHARE = N_COLUMNS, N_COLUMNS + 1  # columns that only a training batch has: what each image was mixed with


class PatternTrunk(nn.Module):
    """Three pairs of convolutions, the last pair dilated, averaged over the picture, then two layers to the embedding."""

    def __init__(self, channels: tuple[int, int, int], hidden_size: int, embedding_size: int, dropout: float) -> None:
        super().__init__()
        first, second, third = channels
        self.features = nn.Sequential(
            *_pair(N_IMAGE_CHANNELS, first),
            nn.MaxPool2d(2),
            *_pair(first, second),
            nn.MaxPool2d(2),
            *_pair(second, third, dilation=2),
        )
        self.hidden = nn.Linear(third, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Linear(hidden_size, embedding_size)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The embedding as the heads see it, of any length, shape (B, D)."""
        mean_BC = self.features(x_BCHW).mean(dim=(2, 3))
        return self.embedding(self.dropout(functional.relu(self.hidden(mean_BC))))


class PatternNetwork(nn.Module):
    """The trunk and its heads in one linear layer: class scores, the quality's log-odds, the pole in ATRs.

    In training mode the images are augmented first, and two more columns say of each with what it was mixed, and how much it is itself:
    whoever mixes knows, and the loss must.
    """

    def __init__(self, params: PatternCNNParams, pole_kATR: float = 0.0) -> None:
        super().__init__()
        self.augmentation = Augmentation(params)
        self.trunk = PatternTrunk(params.channels, params.hidden_size, params.embedding_size, params.dropout)
        self.head = nn.Linear(params.embedding_size, N_COLUMNS)
        with torch.no_grad():
            self.head.bias[POLE] = pole_kATR  # the mean of the flags: the pole's loss begins with what is left to learn

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Columns of the head (B, K); two more in training mode."""
        if not self.training:
            return self.head(self.trunk(x_BCHW))
        batch = self.augmentation(x_BCHW)
        head_BK = self.head(self.trunk(batch.images)).float()
        return torch.cat([head_BK, batch.partner[:, None].float(), batch.share[:, None].float()], dim=1)


class NamedPatternOutputs(NamedModule):
    """The network as it is exported."""

    names = ("logits", "quality", "pole_kATR", "embedding")

    def __init__(self, network: PatternNetwork) -> None:
        super().__init__()
        self.trunk, self.head = network.trunk, network.head

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """`logits` (B, 5), `quality` (B,) in 0 .. 1, `pole_kATR` (B,), `embedding` (B, D) of length 1."""
        embedding_BD = self.trunk(image)
        head_BK = self.head(embedding_BD)
        return head_BK[:, :QUALITY], torch.sigmoid(head_BK[:, QUALITY]), head_BK[:, POLE], functional.normalize(embedding_BD, dim=1)


def built(params: PatternCNNParams, seed: int, pole_kATR: float = 0.0) -> PatternNetwork:
    """The network with its first weights drawn from `seed`; torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return PatternNetwork(params, pole_kATR)


def _pair(n_in: int, n_out: int, dilation: int = 1) -> list[nn.Module]:
    """Convolution, batch norm and ReLU, twice."""
    return [layer for size in (n_in, n_out) for layer in (SameConvolution(size, n_out, dilation), nn.BatchNorm2d(n_out), nn.ReLU())]
