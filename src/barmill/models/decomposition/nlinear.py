"""NLinear: one linear layer on the distance to the newest value, which is added back.

Source: Zeng, Chen, Zhang and Xu (2023), Are transformers effective for time series forecasting?, AAAI, section 4.
"""

from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.decomposition.params import NLinearParams
from barmill.models.decomposition.path_trunk import ChannelPathsTrunk, Core, Decomposition
from barmill.models.network_fit import fit_network
from barmill.models.target_column import target_column


class NLinearCore(Core):
    """The published network, (..., W) to (..., H), with the same weights for every series.

    window, horizon : int, bars
    """

    def __init__(self, window: int, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.linear = nn.Linear(window, horizon)

    def decompose(self, x: Tensor) -> Decomposition:
        """Windows (..., W), oldest bar first."""
        last = x[..., -1:]
        return Decomposition(self.linear(x - last) + last, {})


def build_trunk(params: NLinearParams, n_features: int, target: int = 0) -> tuple[nn.Module, int]:
    """The network below the head, and the width of its vector; `target` is the column of the series."""
    trunk = ChannelPathsTrunk(NLinearCore(params.seq_len, params.horizon), n_features, target)
    return trunk, trunk.width


def fit_nlinear(params: NLinearParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    target = target_column("nlinear", params.target, context.feature_names)
    return fit_network(spec_of("nlinear"), params, lambda: build_trunk(params, len(context.feature_names), target), train, valid, context)
