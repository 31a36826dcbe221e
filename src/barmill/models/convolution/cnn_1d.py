"""A plain one-dimensional CNN, standard or dilated, and its fit.

Axes: B batch, W window, F features, C channels.
Source: the standard network follows LeCun et al. (1998), Gradient-based learning applied to document recognition, section
II, with batch normalisation (Ioffe and Szegedy 2015); the dilated one Yu and Koltun (2016), Multi-scale context
aggregation by dilated convolutions, ICLR.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.convolution.channels_first import ChannelsFirst
from barmill.models.convolution.convolving import same_convolution
from barmill.models.convolution.params import CNN1DParams
from barmill.models.convolution.readout import Readout, activation_health
from barmill.models.network_fit import fit_network


class CNN1DTrunk(nn.Module):
    """Convolution, batch normalisation, ReLU for each of `channels`; read out over what is left of the window.

    The standard variant halves the window after each, as long as two positions are left: batch normalisation of one
    position of one window would have nothing to norm by. The dilated one sets its taps 1, 2, 4 ... bars apart.
    The window is read as a whole: a position sees newer bars of it too, none of which is newer than the decision.
    """

    def __init__(
        self,
        n_features: int,
        window: int,
        channels: Sequence[int],
        kernel_size: int,
        *,
        dilated: bool,
        readout: str,
        dropout: float,
        lengths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.channels_first = ChannelsFirst(lengths)
        layers: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(zip([n_features, *channels[:-1]], channels, strict=True)):
            conv = same_convolution(n_in, n_out, kernel_size, dilation=2**i if dilated else 1)
            layers += [conv, nn.BatchNorm1d(n_out), nn.ReLU()]
            if not dilated and window > 2:
                layers.append(nn.MaxPool1d(2, ceil_mode=True))  # rounding down would drop the newest bar of an odd window
                window = -(-window // 2)
        self.layers = nn.Sequential(*layers)
        self.readout = Readout(readout, dropout)
        self.width = self.readout.width(channels[-1])

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The vector, shape (B, width)."""
        return self.readout(self.layers(self.channels_first(x_BWF)))

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """See `activation_health`."""
        return activation_health(self, x_BWF)


def build_trunk(params: CNN1DParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = CNN1DTrunk(
        n_features,
        params.window,
        params.channels,
        params.kernel_size,
        dilated=params.variant == "dilated",
        readout=params.readout,
        dropout=params.dropout,
        lengths=params.lengths,
    )
    return trunk, trunk.width


def fit_cnn_1d(params: CNN1DParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("cnn_1d"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
