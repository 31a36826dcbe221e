"""A forward LSTM and its fit.

Axes: B batch, W window, F features, H hidden units.
Source: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8), 1735-1780.
"""

import torch
from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.recurrent.params import LSTMParams


class LSTMTrunk(nn.Module):
    """Layers of LSTM cells that read the window from its oldest bar to its newest; never backwards.

    The forget gates start half open towards remembering (bias 1): with torch's bias near 0 a signal from the window's
    far end has decayed before the network can learn to keep it (Jozefowicz, Zaremba and Sutskever 2015).

    The layers are stacked here and not by torch: on a GPU torch leaves the dropout between stacked layers to cuDNN, which
    keeps a random state of its own that no seed resets, so that a resumed training would end in other weights.
    """

    def __init__(self, n_features: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [n_features, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for name, bias in self.named_parameters():
                if "bias" in name:  # gates in the order input, forget, cell, output; torch adds two biases
                    bias[hidden_size : 2 * hidden_size] = 1.0 if "bias_ih" in name else 0.0

    def states(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at every bar, shape (B, W, H)."""
        states_BWH = x_BWF
        for depth, layer in enumerate(self.layers):
            states_BWH, _ = layer(self.dropout(states_BWH) if depth else states_BWH)
        return states_BWH

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at the window's last bar, shape (B, H)."""
        return self.states(x_BWF)[:, -1]


def build_trunk(params: LSTMParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes.

    Bars of several timeframes are read one after another, the base bars first, so that the newest and shortest of them are
    furthest back; `params.lengths` would tell them apart.
    """
    return LSTMTrunk(n_features, params.hidden_size, params.num_layers, params.dropout), params.hidden_size


def fit_lstm(params: LSTMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("lstm"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
