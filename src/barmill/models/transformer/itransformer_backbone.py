"""iTransformer as published: a forecaster of the next values of several series, each series a token.

Axes: B batch, L bars of the window, F series, M further series that are known but not forecast, H steps, D width.
Source: Liu et al. (2024), iTransformer: inverted transformers are effective for time series forecasting, ICLR, section 3.
"""

import torch
from torch import Tensor, nn

from barmill.models.transformer.attention import Encoder, EncoderLayer
from barmill.models.transformer.layer_norm import LayerNorm
from barmill.models.transformer.normalising import normalised


class ITransformerBackbone(nn.Module):
    """Windows of series to their next values: the whole window of a series is one token, and tokens attend to each other.

    No positions are told, since series have no order, and time has none left to tell. Each window is normalised, and the forecast
    put back into its units.

    Parameters
    ----------
    lookback, horizon : int, bars of the window L and steps of the forecast H
    d_model, n_heads, n_layers, d_ff, dropout : sizes of the encoder; the defaults are the authors' for ETTh1
    """

    def __init__(
        self,
        lookback: int,
        horizon: int,
        *,
        d_model: int = 256,
        n_heads: int = 8,
        n_layers: int = 2,
        d_ff: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(lookback, d_model)
        self.dropout = nn.Dropout(dropout)
        self.encoder = published_encoder(d_model, n_heads, n_layers, d_ff, dropout)
        self.norm = LayerNorm(d_model)
        self.head = nn.Linear(d_model, horizon)

    def forward(self, x_BLF: Tensor, marks_BLM: Tensor | None = None) -> Tensor:
        """The next values of each series, shape (B, H, F), in its own units.

        marks_BLM : series that only inform, such as hour and weekday (the authors' runs have four), scaled already; None is none
        """
        windows = normalised(x_BLF.transpose(1, 2))
        series = windows.x_BFW if marks_BLM is None else torch.cat([windows.x_BFW, marks_BLM.transpose(1, 2)], dim=1)
        states_BND = self.norm(self.encoder(self.dropout(self.embedding(series))).states_BND)
        return windows.restored(self.head(states_BND[:, : x_BLF.shape[2]])).transpose(1, 2)


def published_encoder(d_model: int, n_heads: int, n_layers: int, d_ff: int, dropout: float) -> Encoder:
    """The encoder's layers: layer normalisation after each sum, dropout on the attention weights too."""
    return Encoder([EncoderLayer(d_model, n_heads, d_ff, dropout, weight_dropout=dropout) for _ in range(n_layers)])
