"""InceptionTime and its fit: kernels of several lengths side by side, module upon module.

Axes: B batch, W window, F features, C channels.
Source: Ismail Fawaz et al. (2020), InceptionTime: finding AlexNet for time series classification, Data Mining and
Knowledge Discovery 34, 1936-1962, section 3. Written from the paper.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.convolution.channels_first import ChannelsFirst
from barmill.models.convolution.convolving import Convolution, same_convolution
from barmill.models.convolution.params import InceptionTimeParams
from barmill.models.convolution.readout import Readout, activation_health
from barmill.models.network_fit import fit_network

RESIDUAL_EVERY = 3


class InceptionModule(nn.Module):
    """A bottleneck, a convolution of each length upon it, a max-pooled branch beside them; all are joined and normed."""

    def __init__(self, n_in: int, n_filters: int, kernel_sizes: Sequence[int], bottleneck: int) -> None:
        super().__init__()
        # A single channel has nothing to bring down.
        self.bottleneck = Convolution(n_in, bottleneck, 1, bias=False) if n_in > 1 else nn.Identity()
        narrow = bottleneck if n_in > 1 else n_in
        self.branches = nn.ModuleList(same_convolution(narrow, n_filters, kernel, bias=False) for kernel in kernel_sizes)
        self.pooled = nn.Sequential(nn.MaxPool1d(3, stride=1, padding=1), Convolution(n_in, n_filters, 1, bias=False))
        self.norm = nn.BatchNorm1d(n_filters * (len(kernel_sizes) + 1))
        self.relu = nn.ReLU()

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_filters * (kernels + 1), W)."""
        narrow_BCW = self.bottleneck(x_BCW)
        joined_BCW = torch.cat([*(branch(narrow_BCW) for branch in self.branches), self.pooled(x_BCW)], dim=1)
        return self.relu(self.norm(joined_BCW))


class ResidualGroup(nn.Module):
    """Modules in a row, and the input of the first added to what the last one says."""

    def __init__(self, modules: Sequence[InceptionModule], n_in: int, n_out: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(*modules)
        self.shortcut = nn.Sequential(Convolution(n_in, n_out, 1, bias=False), nn.BatchNorm1d(n_out))
        self.relu = nn.ReLU()

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_out, W)."""
        return self.relu(self.inner(x_BCW) + self.shortcut(x_BCW))


class InceptionNetwork(nn.Module):
    """`depth` modules, a residual around every three of them; modules beyond the last full three have none."""

    def __init__(self, n_features: int, n_filters: int, kernel_sizes: Sequence[int], depth: int, bottleneck: int) -> None:
        super().__init__()
        n_out = n_filters * (len(kernel_sizes) + 1)
        sizes = [n_features, *[n_out] * (depth - 1)]
        modules = [InceptionModule(n_in, n_filters, kernel_sizes, bottleneck) for n_in in sizes]
        grouped = depth - depth % RESIDUAL_EVERY
        groups = [
            ResidualGroup(modules[first : first + RESIDUAL_EVERY], sizes[first], n_out) for first in range(0, grouped, RESIDUAL_EVERY)
        ]
        self.layers = nn.Sequential(*groups, *modules[grouped:])

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_filters * (kernels + 1), W)."""
        return self.layers(x_BCW)


class InceptionTimeTrunk(nn.Module):
    """Inception networks side by side, each read out over the window; their vectors are joined.

    The authors train five networks apart and average what they say. Here networks differ by their first weights alone and
    learn together, the head adding up what each says: one fit, one file, and less variety than five fits would give.
    The window is read as a whole: a position sees newer bars of it too, none of which is newer than the decision.
    """

    def __init__(
        self,
        n_features: int,
        n_filters: int,
        kernel_sizes: Sequence[int],
        depth: int,
        bottleneck: int,
        n_networks: int,
        readout: str,
        dropout: float,
        lengths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.channels_first = ChannelsFirst(lengths)
        self.networks = nn.ModuleList(InceptionNetwork(n_features, n_filters, kernel_sizes, depth, bottleneck) for _ in range(n_networks))
        self.readout = Readout(readout, dropout)
        self.width = n_networks * self.readout.width(n_filters * (len(kernel_sizes) + 1))

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The networks' vectors, shape (B, width)."""
        x_BFW = self.channels_first(x_BWF)
        return torch.cat([self.readout(network(x_BFW)) for network in self.networks], dim=1)

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """See `activation_health`."""
        return activation_health(self, x_BWF)


def build_trunk(params: InceptionTimeParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = InceptionTimeTrunk(
        n_features,
        params.n_filters,
        params.kernels,
        params.depth,
        params.bottleneck,
        params.n_networks,
        params.readout,
        params.dropout,
        params.lengths,
    )
    return trunk, trunk.width


def fit_inceptiontime(params: InceptionTimeParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("inceptiontime"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
