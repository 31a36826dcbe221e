"""iTransformer as a model of the decision bar: features as tokens, read out at the target's.

Axes: B batch, W window, F features, S timeframes, N = S F tokens, D width.
Source: Liu et al. (2024), iTransformer: inverted transformers are effective for time series forecasting, ICLR.
"""

import torch
from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.target_column import target_column
from barmill.models.transformer.attention import Encoded, entropy
from barmill.models.transformer.itransformer_backbone import published_encoder
from barmill.models.transformer.layer_norm import LayerNorm
from barmill.models.transformer.normalising import Normalised, normalised
from barmill.models.transformer.params import ITransformerParams


class ITransformerTrunk(nn.Module):
    """The whole window of a feature is one token; tokens attend to each other, and the target's is read out beside a mean of all.

    What differs from the published network, and why:

    - The vector is the target's token, the mean of all tokens, and each feature's level and log deviation, since windows are normalised
      and a probability cannot be given its level back.
    - The mean has a learned weight for each feature and column, all equal at first. Attention and a plain mean do not know which
      feature a token is; for series forecast each by itself that is right, for features of different meaning it is not.

    Of several timeframes, concatenated with the finest first, each feature of each is a token, embedded from its own number of
    bars; the target is that of the finest. A timeframe of a single bar is not normalised, which would leave nothing of it.

    Parameters
    ----------
    n_features : int, features F
    lengths : tuple of int, bars of each timeframe, finest first; one number for one timeframe
    target : int, column of the feature that is read out by itself
    d_model, n_heads, n_layers, d_ff, dropout : sizes of the encoder
    """

    def __init__(
        self,
        n_features: int,
        lengths: tuple[int, ...],
        *,
        target: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        d_ff: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.lengths, self.target = lengths, target
        n_tokens = n_features * len(lengths)
        self.embeddings = nn.ModuleList(nn.Linear(length, d_model) for length in lengths)
        self.dropout = nn.Dropout(dropout)
        self.encoder = published_encoder(d_model, n_heads, n_layers, d_ff, dropout)
        self.norm = LayerNorm(d_model)
        self.shares_ND = nn.Parameter(torch.full((n_tokens, d_model), 1 / n_tokens))
        self.width = 2 * d_model + 2 * n_tokens

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The target's token, the weighted mean of all, and each feature's level and scale, shape (B, width)."""
        windows = self._windows(x_BWF)
        states_BND = self.norm(self._encoded(windows).states_BND)
        mean_BD = (states_BND * self.shares_ND).sum(dim=1)
        return torch.cat([states_BND[:, self.target], mean_BD, *(window.level_and_scale for window in windows)], dim=1)

    def explained(self, x_BWF: Tensor) -> dict[str, Tensor]:
        """`variables` (B, F): how much the target's token looks at each feature, a mean over heads and layers, timeframes added up."""
        layers = self._encoded(self._windows(x_BWF)).weights
        weights_BN = torch.stack([layer[:, :, self.target].mean(dim=1) for layer in layers]).mean(dim=0)
        return {"variables": weights_BN.unflatten(1, (len(self.lengths), -1)).sum(dim=1)}

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """`attention_entropy`: of all tokens, in nats, a mean over layers and heads; log(N) where all N are looked at alike."""
        layers = self._encoded(self._windows(x_BWF)).weights
        return {"attention_entropy": float(torch.stack([entropy(layer).mean() for layer in layers]).mean())}

    def _windows(self, x_BWF: Tensor) -> list[Normalised]:
        return [normalised(part_BFW) for part_BFW in x_BWF.transpose(1, 2).split(self.lengths, dim=2)]

    def _encoded(self, windows: list[Normalised]) -> Encoded:
        """The tokens, encoded: each feature of the finest timeframe, then of the next."""
        inputs = [window.mean_BF1 if window.x_BFW.shape[2] == 1 else window.x_BFW for window in windows]
        tokens_BND = torch.cat([embed(input_BFW) for embed, input_BFW in zip(self.embeddings, inputs, strict=True)], dim=1)
        return self.encoder(self.dropout(tokens_BND))


def build_trunk(params: ITransformerParams, n_features: int, target: int = 0) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = ITransformerTrunk(
        n_features,
        params.lengths or (params.seq_len,),
        target=target,
        d_model=params.d_model,
        n_heads=params.n_heads,
        n_layers=params.n_layers,
        d_ff=params.d_ff,
        dropout=params.dropout,
    )
    return trunk, trunk.width


def fit_itransformer(params: ITransformerParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    target = target_column("itransformer", params.target, context.feature_names)
    return fit_network(
        spec_of("itransformer"), params, lambda: build_trunk(params, len(context.feature_names), target), train, valid, context
    )
