"""PatchTST as published: a forecaster of the next values of each series from its own window.

Axes: B batch, L bars of the window, F series, H steps of the forecast, P patches, D width.
Source: Nie, Nguyen, Sinthong and Kalagnanam (2023), A time series is worth 64 words, ICLR, sections 3.1 and 4; the sizes of its
supervised runs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from barmill.models.transformer.attention import Encoder, EncoderLayer
from barmill.models.transformer.normalising import normalised
from barmill.models.transformer.patches import Patching


class PatchTSTBackbone(nn.Module):
    """Windows of series to their next values, each series by itself with the same weights.

    RevIN without learned factors, the end repeated for one more stride, patches, learned positions, encoder layers with batch
    normalisation and residual attention scores, and one linear layer from all tokens to all steps. Attention goes both ways.

    Parameters
    ----------
    lookback, horizon : int, bars of the window L and steps of the forecast H
    patch_length, stride : int, bars of a patch and from one patch to the next
    d_model, n_heads, n_layers, d_ff, dropout : sizes of the encoder; the defaults are the authors', for ETTh1 they take 16, 4, 3, 128, 0.3
    residual_scores : bool, each layer adds the attention scores of the one before
    pad_end : bool, repeat the last value for one stride; without it the patches are aligned to the window's end
    """

    def __init__(
        self,
        lookback: int,
        horizon: int,
        *,
        patch_length: int = 16,
        stride: int = 8,
        d_model: int = 128,
        n_heads: int = 16,
        n_layers: int = 3,
        d_ff: int = 256,
        dropout: float = 0.2,
        residual_scores: bool = True,
        pad_end: bool = True,
    ) -> None:
        super().__init__()
        self.padding = stride if pad_end else 0
        covered = (lookback + self.padding - patch_length) // stride * stride + patch_length
        self.kept = covered if pad_end else lookback  # with a padded end the authors cut from the oldest bar on
        self.patching = Patching(self.kept, patch_length, stride)
        self.embedding = nn.Linear(patch_length, d_model)
        self.positions_PD = nn.Parameter(torch.empty(self.patching.n_patches, d_model).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(dropout)
        self.encoder = published_encoder(d_model, n_heads, n_layers, d_ff, dropout, residual_scores=residual_scores)
        self.head = nn.Linear(self.patching.n_patches * d_model, horizon)

    def forward(self, x_BLF: Tensor) -> Tensor:
        """The next values of each series, shape (B, H, F), in its own units."""
        windows = normalised(x_BLF.transpose(1, 2))
        padded_BFL = functional.pad(windows.x_BFW, (0, self.padding), mode="replicate")[:, :, : self.kept]
        tokens_BFPD = self.dropout(self.embedding(self.patching.cut(padded_BFL)) + self.positions_PD)
        states_BFPD = self.encoder(tokens_BFPD.flatten(0, 1)).states_BND.unflatten(0, (-1, x_BLF.shape[2]))
        return windows.restored(self.head(states_BFPD.flatten(2))).transpose(1, 2)


def published_encoder(
    d_model: int, n_heads: int, n_layers: int, d_ff: int, dropout: float, *, residual_scores: bool = True, causal: bool = False
) -> Encoder:
    """The encoder's layers; a causal one takes layer normalisation, since statistics over a batch let a token see later ones."""
    layers = [
        EncoderLayer(d_model, n_heads, d_ff, dropout, norm="layer" if causal else "batch", out_dropout=dropout) for _ in range(n_layers)
    ]
    return Encoder(layers, residual_scores=residual_scores)
