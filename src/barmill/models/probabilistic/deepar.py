"""DeepAR as a forecaster of one return, and its fit.

As in the paper: stacked LSTM layers that read the past, and a likelihood whose location and scale are linear in the last
hidden state. Otherwise than there, because the bars of a label are decided on at once:

- The distribution is of the label's whole return, in one step, and not of the next bar with its draw fed back; nothing is
  sampled, so a forecast is the same each time.
- The inputs are scaled features, past returns among them if the feature set has some, and z is measured in the volatility
  known at the decision: this is the scaling of the series, so there is no other.
- The degrees of freedom are given.

Axes: B batch, W window, F features, H hidden units.
Source: Salinas, Flunkert, Gasthaus and Januschowski (2020), DeepAR: probabilistic forecasting with autoregressive recurrent networks,
International Journal of Forecasting 36(3), 1181-1191; section 3.
"""

import math

import torch
from torch import nn

from barmill.models.catalogue import spec_of
from barmill.models.class_weights import class_weights
from barmill.models.contract import QUANTILES, FitContext, FittedModel, Samples
from barmill.models.network_fit import HeadDesign, fit_network
from barmill.models.network_params import NetworkParams
from barmill.models.probabilistic.distribution_head import DistributionLayout, LikelihoodLoss, turning_point
from barmill.models.probabilistic.distributions import Distribution, Gaussian, StudentT
from barmill.models.probabilistic.params import DeepARParams
from barmill.models.recurrent.trunk import RecurrentTrunk


def distribution_of(params: DeepARParams) -> Distribution:
    """The distribution that `params` names."""
    return Gaussian() if params.likelihood == "gaussian" else StudentT(params.nu)


def likelihood_head(params: NetworkParams, train: Samples, context: FitContext) -> HeadDesign:
    """The head of a distribution, and its likelihood; the threshold of p_up comes from the training rows."""
    assert isinstance(params, DeepARParams)
    weights = class_weights(train.y, context.n_classes, params.class_weight)
    is_binary = context.n_classes == 2
    layout = DistributionLayout(
        context.n_classes,
        returns="E_r" in context.outputs,
        quantiles=bool({*QUANTILES} & {*context.outputs}),
        distribution=distribution_of(params),
        threshold=turning_point(train.y, train.z) if is_binary else 0.0,
        shift=math.log(weights[1] / weights[0]) if is_binary else 0.0,
    )
    return HeadDesign(layout, LikelihoodLoss(layout, torch.tensor(weights, dtype=torch.float32), params))


def build_trunk(params: DeepARParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = RecurrentTrunk("lstm", n_features, params.hidden_size, params.num_layers, params.dropout, params.lengths)
    return trunk, params.hidden_size


def fit_deepar(params: DeepARParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""

    def trunk() -> tuple[nn.Module, int]:
        return build_trunk(params, len(context.feature_names))

    return fit_network(spec_of("deepar"), params, trunk, train, valid, context, make_head=likelihood_head)
