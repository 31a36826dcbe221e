"""A forward LSTM and its fit.

Source: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8), 1735-1780.
"""

from torch import nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.recurrent.params import LSTMParams
from barmill.models.recurrent.trunk import RecurrentTrunk


class LSTMTrunk(RecurrentTrunk):
    """Layers of LSTM cells; the last hidden state goes to the head."""

    def __init__(self, n_features: int, hidden_size: int, num_layers: int, dropout: float, lengths: tuple[int, ...] = ()) -> None:
        super().__init__("lstm", n_features, hidden_size, num_layers, dropout, lengths)


def build_trunk(params: LSTMParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes.

    Bars of several timeframes are read one timeframe after another, the longest bars first: the decision bar is read last.
    """
    return LSTMTrunk(n_features, params.hidden_size, params.num_layers, params.dropout, params.lengths), params.hidden_size


def fit_lstm(params: LSTMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("lstm"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
