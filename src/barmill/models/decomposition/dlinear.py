"""DLinear: a moving average and what is left of it, each continued by one linear layer.

It says nothing that a linear regression on the window could not, and so judges the deep networks: one that does not beat
it has learned nothing that lines could not say.
Source: Zeng, Chen, Zhang and Xu (2023), Are transformers effective for time series forecasting?, AAAI, section 4.
"""

from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.decomposition.constants import moving_average
from barmill.models.decomposition.params import DLinearParams
from barmill.models.decomposition.path_trunk import ChannelPathsTrunk, Core, Decomposition
from barmill.models.network_fit import fit_network
from barmill.models.target_column import target_column


class DLinearCore(Core):
    """The published network, (..., W) to (..., H), with the same weights for every series; it scales nothing.

    window, horizon : int, bars
    kernel : int, bars of the moving average, odd
    """

    part_names = ("trend", "seasonal")

    def __init__(self, window: int, horizon: int, kernel: int = 25) -> None:
        super().__init__()
        self.horizon = horizon
        self.trend = nn.Linear(window, horizon)
        self.seasonal = nn.Linear(window, horizon)
        self.average_WW: Tensor
        self.register_buffer("average_WW", moving_average(window, kernel), persistent=False)

    def decompose(self, x: Tensor) -> Decomposition:
        """Windows (..., W), oldest bar first."""
        smooth = x @ self.average_WW
        trend, seasonal = self.trend(smooth), self.seasonal(x - smooth)
        return Decomposition(trend + seasonal, {"trend": trend, "seasonal": seasonal})


def build_trunk(params: DLinearParams, n_features: int, target: int = 0) -> tuple[nn.Module, int]:
    """The network below the head, and the width of its vector; `target` is the column of the series."""
    trunk = ChannelPathsTrunk(DLinearCore(params.seq_len, params.horizon, params.moving_average), n_features, target)
    return trunk, trunk.width


def fit_dlinear(params: DLinearParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    target = target_column("dlinear", params.target, context.feature_names)
    return fit_network(spec_of("dlinear"), params, lambda: build_trunk(params, len(context.feature_names), target), train, valid, context)
