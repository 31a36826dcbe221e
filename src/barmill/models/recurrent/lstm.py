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
    """

    def __init__(self, n_features: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0  # torch warns where there is no between
        self.lstm = nn.LSTM(n_features, hidden_size, num_layers, batch_first=True, dropout=between)
        with torch.no_grad():
            for name, bias in self.lstm.named_parameters():
                if name.startswith("bias"):  # gates in the order input, forget, cell, output; torch adds two biases
                    bias[hidden_size : 2 * hidden_size] = 1.0 if name.startswith("bias_ih") else 0.0

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at the window's last bar, shape (B, H)."""
        states_BWH, _ = self.lstm(x_BWF)
        return states_BWH[:, -1]


def fit_lstm(params: LSTMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""

    def trunk() -> tuple[nn.Module, int]:
        return LSTMTrunk(len(context.feature_names), params.hidden_size, params.num_layers, params.dropout), params.hidden_size

    return fit_network(spec_of("lstm"), params, trunk, train, valid, context)
