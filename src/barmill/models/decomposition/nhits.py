"""N-HiTS: stacks that see the window at falling coarseness, and say paths of as few points as they need.

Source: Challu, Olivares, Oreshkin, Garza, Mergenthaler-Canseco and Dubrawski (2023), N-HiTS: neural hierarchical interpolation
for time series forecasting, AAAI, section 3.
"""

from collections.abc import Sequence

from torch import nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.decomposition.constants import linear_interpolation
from barmill.models.decomposition.params import NHitsParams
from barmill.models.decomposition.path_trunk import PathTrunk
from barmill.models.decomposition.residual_blocks import Block, ResidualCore
from barmill.models.network_fit import fit_network
from barmill.models.target_column import target_column


class NHitsCore(ResidualCore):
    """The published network on windows of one series, (B, W) to (B, H).

    Parameters
    ----------
    window, horizon : int, bars
    pooling : for each stack the bars of which it sees the largest
    downsampling : for each stack the points of the path that one knot stands for; a stack has at least one knot
    blocks, layers, width, dropout : sizes of a stack
    level : see `ResidualCore`; linear_start : see `Block`
    """

    def __init__(
        self,
        window: int,
        horizon: int,
        pooling: Sequence[int] = (2, 2, 1),
        downsampling: Sequence[int] = (4, 2, 1),
        blocks: int = 1,
        layers: int = 2,
        width: int = 512,
        dropout: float = 0.0,
        level: str = "last",
        linear_start: bool = False,
    ) -> None:
        def block(pooled: int, down: int) -> Block:
            path = linear_interpolation(max(horizon // down, 1), horizon)
            return Block(window, horizon, width, layers, dropout, forecast=path, pooling=pooled, linear_start=linear_start)

        stacks = [("", [block(pooled, down) for _ in range(blocks)]) for pooled, down in zip(pooling, downsampling, strict=True)]
        super().__init__(horizon, stacks, level)


def build_trunk(params: NHitsParams, n_features: int, target: int = 0) -> tuple[nn.Module, int]:
    """The network below the head, and the width of its vector; `target` is the column of the series."""
    core = NHitsCore(
        window=params.seq_len,
        horizon=params.horizon,
        pooling=params.pooling,
        downsampling=params.downsampling,
        blocks=params.blocks,
        layers=params.layers,
        width=params.width,
        dropout=params.dropout,
        level=params.level,
        linear_start=params.linear_start,
    )
    trunk = PathTrunk(core, n_features, target)
    return trunk, trunk.width


def fit_nhits(params: NHitsParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    target = target_column("nhits", params.target, context.feature_names)
    return fit_network(spec_of("nhits"), params, lambda: build_trunk(params, len(context.feature_names), target), train, valid, context)
