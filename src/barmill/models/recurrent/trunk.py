"""Stacked recurrent layers that read a window forwards.

Axes: B batch, W window, F features, H hidden units.
"""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from barmill.models.recurrent.gates import open_forget_gates, recurrent_health
from barmill.models.recurrent.reading_order import coarse_to_fine

Cell: TypeAlias = Literal["lstm", "gru"]


class RecurrentTrunk(nn.Module):
    """Layers of one kind that read the window from its oldest bar to its newest; never backwards.

    The layers are stacked here and not by torch: on a GPU torch leaves the dropout between stacked layers to cuDNN, which
    keeps a random state of its own that no seed resets, so that a resumed training would end in other weights.

    Parameters
    ----------
    cell : "lstm" (with forget gates that start half open, see `open_forget_gates`) or "gru"
    n_features, hidden_size, num_layers : int
    dropout : float, share dropped between layers
    lengths : bars of each timeframe, finest first; () for one. Several are read from the longest bars to the shortest, so that the
        decision bar comes last
    """

    order: Tensor

    def __init__(
        self, cell: Cell, n_features: int, hidden_size: int, num_layers: int, dropout: float, lengths: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        sizes = [n_features, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(kind(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.has_timeframes = len(lengths) > 1
        self.register_buffer("order", torch.from_numpy(coarse_to_fine(lengths, sum(lengths))), persistent=False)
        if cell == "lstm":
            open_forget_gates(self, hidden_size)

    def states(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at every bar in the order read, shape (B, W, H)."""
        return self._last_layer(x_BWF)[1]

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The last layer's hidden state at the decision bar, shape (B, H)."""
        return self.states(x_BWF)[:, -1]

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """Whether the last layer still learns, see `recurrent_health`."""
        layer = self.layers[-1]
        assert isinstance(layer, nn.LSTM | nn.GRU)
        return recurrent_health(layer, *self._last_layer(x_BWF))

    def _last_layer(self, x_BWF: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer reads at every bar, and its hidden states."""
        inputs_BWF = states_BWH = x_BWF.index_select(1, self.order) if self.has_timeframes else x_BWF
        for depth, layer in enumerate(self.layers):
            inputs_BWF = self.dropout(states_BWH) if depth else states_BWH
            states_BWH, _ = layer(inputs_BWF)
        return inputs_BWF, states_BWH
