"""A residual network of one-dimensional convolutions and its fit.

Axes: B batch, W window, F features, C channels.
Source: Wang, Yan and Oates (2017), Time series classification from scratch with deep neural networks: a strong baseline,
IJCNN, section II.C.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.convolution.channels_first import ChannelsFirst
from barmill.models.convolution.convolving import Convolution, same_convolution
from barmill.models.convolution.params import ResNet1DParams
from barmill.models.convolution.readout import Readout, activation_health
from barmill.models.network_fit import fit_network


class ResidualBlock(nn.Module):
    """Convolutions in a row, each normed, a ReLU between them; the block's input, normed as well, is added before the last ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel_sizes: Sequence[int]) -> None:
        super().__init__()
        sizes = [n_in, *[n_out] * (len(kernel_sizes) - 1)]
        layers: list[nn.Module] = []
        for size, kernel in zip(sizes, kernel_sizes, strict=True):
            layers += [same_convolution(size, n_out, kernel), nn.BatchNorm1d(n_out), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers[:-1])
        project: list[nn.Module] = [Convolution(n_in, n_out, 1)] if n_in != n_out else []
        self.shortcut = nn.Sequential(*project, nn.BatchNorm1d(n_out))  # normed also where nothing needs projecting
        self.relu = nn.ReLU()

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_out, W)."""
        return self.relu(self.convolutions(x_BCW) + self.shortcut(x_BCW))


class ResNet1DTrunk(nn.Module):
    """Residual blocks, read out over the window.

    The window is read as a whole: a position sees newer bars of it too, none of which is newer than the decision.
    """

    def __init__(
        self,
        n_features: int,
        channels: Sequence[int],
        kernel_sizes: Sequence[int],
        readout: str,
        dropout: float,
        lengths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.channels_first = ChannelsFirst(lengths)
        sizes = zip([n_features, *channels[:-1]], channels, strict=True)
        self.blocks = nn.Sequential(*(ResidualBlock(n_in, n_out, kernel_sizes) for n_in, n_out in sizes))
        self.readout = Readout(readout, dropout)
        self.width = self.readout.width(channels[-1])

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The vector, shape (B, width)."""
        return self.readout(self.blocks(self.channels_first(x_BWF)))

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """See `activation_health`."""
        return activation_health(self, x_BWF)


def build_trunk(params: ResNet1DParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = ResNet1DTrunk(n_features, params.channels, params.kernel_sizes, params.readout, params.dropout, params.lengths)
    return trunk, trunk.width


def fit_resnet_1d(params: ResNet1DParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("resnet_1d"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
