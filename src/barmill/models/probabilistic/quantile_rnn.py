"""A quantile RNN and its fit: recurrent layers, and the shared head with three quantiles that cannot cross.

The quantiles are learned by the pinball loss, without an idea of the distribution; p_up is learned beside them, by cross-entropy
on the same hidden state. The paper's decoder for many horizons has no place here: there is one horizon, the label's.

Source: Wen, Torkkola, Narayanaswamy and Madeka (2017), A multi-horizon quantile recurrent forecaster, arXiv:1711.11053, section 3.
"""

from torch import nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.probabilistic.params import QuantileRNNParams
from barmill.models.recurrent.trunk import RecurrentTrunk


def build_trunk(params: QuantileRNNParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = RecurrentTrunk(params.cell, n_features, params.hidden_size, params.num_layers, params.dropout, params.lengths)
    return trunk, params.hidden_size


def fit_quantile_rnn(params: QuantileRNNParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""

    def trunk() -> tuple[nn.Module, int]:
        return build_trunk(params, len(context.feature_names))

    return fit_network(spec_of("quantile_rnn"), params, trunk, train, valid, context)
