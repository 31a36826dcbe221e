"""A forward LSTM and its fit.

Axes: B batch, W window, F features, H hidden units.
Source: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8), 1735-1780.
"""

from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.recurrent.gates import open_forget_gates, recurrent_health
from barmill.models.recurrent.params import LSTMParams


class LSTMTrunk(nn.Module):
    """Layers of LSTM cells that read the window from its oldest bar to its newest; never backwards.

    The layers are stacked here and not by torch: on a GPU torch leaves the dropout between stacked layers to cuDNN, which
    keeps a random state of its own that no seed resets, so that a resumed training would end in other weights.
    """

    def __init__(self, n_features: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [n_features, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        open_forget_gates(self, hidden_size)

    def states(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at every bar, shape (B, W, H)."""
        return self._last_layer(x_BWF)[1]

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at the window's last bar, shape (B, H)."""
        return self.states(x_BWF)[:, -1]

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """Whether the last layer still learns, see `recurrent_health`."""
        layer = self.layers[-1]
        assert isinstance(layer, nn.LSTM)
        return recurrent_health(layer, *self._last_layer(x_BWF))

    def _last_layer(self, x_BWF: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer reads at every bar, and its hidden states."""
        inputs_BWF, states_BWH = x_BWF, x_BWF
        for depth, layer in enumerate(self.layers):
            inputs_BWF = self.dropout(states_BWH) if depth else states_BWH
            states_BWH, _ = layer(inputs_BWF)
        return inputs_BWF, states_BWH


def build_trunk(params: LSTMParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes.

    Bars of several timeframes are read one after another, the base bars first, so that the newest and shortest of them are
    furthest back; `params.lengths` would tell them apart.
    """
    return LSTMTrunk(n_features, params.hidden_size, params.num_layers, params.dropout), params.hidden_size


def fit_lstm(params: LSTMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("lstm"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)
