"""A temporal convolutional network and its fit: causal convolutions whose dilation doubles from level to level.

Axes: B batch, W window, F features, C channels.
Source: Bai, Kolter and Koltun (2018), An empirical evaluation of generic convolutional and recurrent networks for
sequence modeling, arXiv 1803.01271, section 3.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.convolution.channels_first import ChannelsFirst
from barmill.models.convolution.convolving import Convolution
from barmill.models.convolution.params import TCNParams
from barmill.models.convolution.readout import activation_health
from barmill.models.network_fit import fit_network

SHORTCUT_STD = 0.01  # of the authors


def causal_convolution(n_in: int, n_out: int, kernel_size: int, dilation: int) -> Convolution:
    """A weight-normed convolution that reads `dilation` bars apart, and nothing newer than its own bar.

    Padded on the left alone. The authors pad on both sides and chop the right one off, which is the same.
    Its first weights are torch's. The authors' code draws them from N(0, 0.01), but after the norm was taken, where it changes
    nothing; drawn so in earnest, the network does not learn the adding problem (`benchmarks.adding_problem`).
    """
    convolution = Convolution(n_in, n_out, kernel_size, dilation=dilation, left=(kernel_size - 1) * dilation)
    weight_norm(convolution.conv)
    return convolution


class TemporalBlock(nn.Module):
    """Two causal convolutions of one dilation, and the block's input added to what they say."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            causal_convolution(n_in, n_out, kernel_size, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
            causal_convolution(n_out, n_out, kernel_size, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.shortcut = Convolution(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        if isinstance(self.shortcut, Convolution):
            nn.init.normal_(self.shortcut.conv.weight, 0.0, SHORTCUT_STD)
        self.relu = nn.ReLU()

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_out, W)."""
        return self.relu(self.convolutions(x_BCW) + self.shortcut(x_BCW))


class TCNTrunk(nn.Module):
    """A temporal block a level, the dilation of level i being 2^i; the last position is the vector.

    It sees 1 + 2 (kernel_size - 1) (2^levels - 1) bars: two convolutions a level, not one.
    """

    def __init__(self, n_features: int, channels: Sequence[int], kernel_size: int, dropout: float, lengths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.channels_first = ChannelsFirst(lengths)
        sizes = zip([n_features, *channels[:-1]], channels, strict=True)
        self.blocks = nn.Sequential(*(TemporalBlock(n_in, n_out, kernel_size, 2**i, dropout) for i, (n_in, n_out) in enumerate(sizes)))

    def states(self, x_BWF: Tensor) -> Tensor:
        """The last level's channels at every bar in the order read, shape (B, W, C)."""
        return self.blocks(self.channels_first(x_BWF)).transpose(1, 2)

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The last level's channels at the decision bar, shape (B, C)."""
        return self.states(x_BWF)[:, -1]

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """See `activation_health`."""
        return activation_health(self, x_BWF)


def build_trunk(params: TCNParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    return TCNTrunk(n_features, params.channels, params.kernel_size, params.dropout, params.lengths), params.channels[-1]


def fit_tcn(params: TCNParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("tcn"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
