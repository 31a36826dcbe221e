"""N-BEATS: a deep row of dense blocks that peel a series apart, into trend and seasonality or into bases that they learn.

Source: Oreshkin, Carpov, Chapados and Bengio (2020), N-BEATS: neural basis expansion analysis for interpretable time series
forecasting, ICLR, sections 3.1 to 3.3.
"""

from collections.abc import Sequence

from torch import nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.decomposition.constants import harmonic_basis, polynomial_basis
from barmill.models.decomposition.params import NBeatsParams
from barmill.models.decomposition.path_trunk import PathTrunk
from barmill.models.decomposition.residual_blocks import Block, ResidualCore
from barmill.models.network_fit import fit_network
from barmill.models.target_column import target_column

INTERPRETABLE = ("trend", "seasonal")


class NBeatsCore(ResidualCore):
    """The published network on windows of one series, (B, W) to (B, H).

    Parameters
    ----------
    window, horizon : int, bars
    stacks : tuple of "trend", "seasonal" and "generic", in order; the first two are parts of the forecast that can be read
    blocks, layers, width, seasonal_width, dropout : sizes of a stack
    degree, harmonics : int, of the two fixed bases
    shared : bool, the blocks of a stack share their weights
    level : see `ResidualCore`; linear_start : see `Block`
    """

    def __init__(
        self,
        window: int,
        horizon: int,
        stacks: Sequence[str] = INTERPRETABLE,
        blocks: int = 3,
        layers: int = 4,
        width: int = 256,
        seasonal_width: int = 2048,
        degree: int = 2,
        harmonics: int = 1,
        dropout: float = 0.0,
        shared: bool = True,
        level: str = "last",
        linear_start: bool = False,
    ) -> None:
        def block(kind: str) -> Block:
            if kind == "trend":
                bases = polynomial_basis(window, degree), polynomial_basis(horizon, degree)
            elif kind == "seasonal":
                bases = harmonic_basis(window, horizon, harmonics, backwards=True), harmonic_basis(horizon, horizon, harmonics)
            else:
                bases = None, None
            units = seasonal_width if kind == "seasonal" else width
            return Block(window, horizon, units, layers, dropout, *bases, linear_start=linear_start)

        def stack(kind: str) -> list[Block]:
            return [block(kind)] * blocks if shared else [block(kind) for _ in range(blocks)]

        super().__init__(horizon, [(kind if kind in INTERPRETABLE else "", stack(kind)) for kind in stacks], level)


def build_trunk(params: NBeatsParams, n_features: int, target: int = 0) -> tuple[nn.Module, int]:
    """The network below the head, and the width of its vector; `target` is the column of the series."""
    core = NBeatsCore(
        window=params.seq_len,
        horizon=params.horizon,
        stacks=INTERPRETABLE if params.stacks == "interpretable" else ("generic",),
        blocks=params.blocks,
        layers=params.layers,
        width=params.width,
        seasonal_width=params.seasonal_width,
        degree=params.polynomial_degree,
        harmonics=params.harmonics,
        dropout=params.dropout,
        shared=params.weights == "shared",
        level=params.level,
        linear_start=params.linear_start,
    )
    trunk = PathTrunk(core, n_features, target)
    return trunk, trunk.width


def fit_nbeats(params: NBeatsParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    target = target_column("nbeats", params.target, context.feature_names)
    return fit_network(spec_of("nbeats"), params, lambda: build_trunk(params, len(context.feature_names), target), train, valid, context)
