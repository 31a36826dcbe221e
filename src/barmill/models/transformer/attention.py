"""Multi-head attention and the encoder made of it, written out in matrix products.

torch's own `nn.TransformerEncoder` cannot be exported, and its fused attention draws its dropout from a state that no seed resets.

Axes: B batch, N tokens, M tokens looked at, D width, H heads, K width of a head.
Source: Vaswani et al. (2017), Attention is all you need, NeurIPS, sections 3.1 to 3.3.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from barmill.models.transformer.layer_norm import LayerNorm

Norm = Literal["layer", "batch"]


class Attended(NamedTuple):
    """What attention gives: the mixed values, how much each token looked at each, and the scores before mask and softmax."""

    values_BND: Tensor
    weights_BHNM: Tensor
    scores_BHNM: Tensor


class Attention(nn.Module):
    """Tokens look at tokens: softmax(Q K' / sqrt(K)) V, in `n_heads` parts of the width, and a linear layer on the result.

    Parameters
    ----------
    d_model : int, width D, a multiple of `n_heads`
    n_heads : int, heads H
    dropout : float, share of attention weights dropped in training
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.split = (n_heads, d_model // n_heads)
        self.scale = (d_model // n_heads) ** -0.5
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BND: Tensor, allowed_NM: Tensor | None = None, earlier_BHNM: Tensor | None = None) -> Attended:
        """Attend.

        Parameters
        ----------
        x_BND : tokens
        allowed_NM : bool, whether token N may look at token M; each must be allowed one at least; None allows all
        earlier_BHNM : scores of the layer before, added to this layer's (He et al. 2021, RealFormer); None adds nothing

        What is not allowed gets the weight 0 exactly, so a token does not change by a bit with what it may not see.
        """
        query_BHNK, key_BHMK, value_BHMK = (self._heads(layer(x_BND)) for layer in (self.query, self.key, self.value))
        scores_BHNM = query_BHNK @ key_BHMK.transpose(2, 3) * self.scale
        if earlier_BHNM is not None:
            scores_BHNM = scores_BHNM + earlier_BHNM
        visible_BHNM = scores_BHNM if allowed_NM is None else scores_BHNM.masked_fill(~allowed_NM, float("-inf"))
        weights_BHNM = functional.softmax(visible_BHNM, dim=-1)
        mixed_BND = (self.dropout(weights_BHNM) @ value_BHMK).transpose(1, 2).flatten(2)
        return Attended(self.out(mixed_BND), weights_BHNM, scores_BHNM)

    def _heads(self, x_BND: Tensor) -> Tensor:
        return x_BND.unflatten(2, self.split).transpose(1, 2)


class TokenBatchNorm(nn.Module):
    """Batch normalisation of each of the D columns over all tokens of the batch.

    In training every token so depends on every other, those that come later among them: not for a network that must be causal.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(d_model)

    def forward(self, x_BND: Tensor) -> Tensor:
        return self.norm(x_BND.transpose(1, 2)).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Attention and a two-layer perceptron with GELU, each added to its input and normalised after ("post-norm").

    Parameters
    ----------
    d_model, n_heads, d_ff : int, the width, the heads, the perceptron's hidden width
    dropout : float, share dropped after attention, inside the perceptron and after it
    norm : "layer" for each token by itself, "batch" for each column over all tokens
    weight_dropout : float, share of attention weights dropped
    out_dropout : float, share dropped right after attention's last linear layer, before `dropout` falls
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        dropout: float,
        *,
        norm: Norm = "layer",
        weight_dropout: float = 0.0,
        out_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = Attention(d_model, n_heads, weight_dropout)
        self.out_dropout = nn.Dropout(out_dropout)
        self.dropout = nn.Dropout(dropout)
        self.norm_attention, self.norm_perceptron = (LayerNorm(d_model) if norm == "layer" else TokenBatchNorm(d_model) for _ in range(2))
        self.perceptron = nn.Sequential(nn.Linear(d_model, d_ff), nn.GELU(), nn.Dropout(dropout), nn.Linear(d_ff, d_model))

    def forward(self, x_BND: Tensor, allowed_NM: Tensor | None = None, earlier_BHNM: Tensor | None = None) -> Attended:
        """The layer's tokens, with the weights and scores of its attention."""
        attended = self.attention(x_BND, allowed_NM, earlier_BHNM)
        x_BND = self.norm_attention(x_BND + self.dropout(self.out_dropout(attended.values_BND)))
        x_BND = self.norm_perceptron(x_BND + self.dropout(self.perceptron(x_BND)))
        return Attended(x_BND, attended.weights_BHNM, attended.scores_BHNM)


class Encoded(NamedTuple):
    """Tokens after the last layer, and each layer's attention weights (B, H, N, N), first layer first."""

    states_BND: Tensor
    weights: list[Tensor]


class Encoder(nn.Module):
    """Layers one after another.

    Parameters
    ----------
    layers : the layers
    residual_scores : bool, each layer adds the scores of the one before to its own (RealFormer)
    """

    def __init__(self, layers: list[EncoderLayer], *, residual_scores: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.residual_scores = residual_scores

    def forward(self, x_BND: Tensor, allowed_NM: Tensor | None = None) -> Encoded:
        """Encode the tokens; `allowed_NM` as in `Attention`."""
        weights: list[Tensor] = []
        scores_BHNM: Tensor | None = None
        for layer in self.layers:
            x_BND, weights_BHNM, scores_BHNM = layer(x_BND, allowed_NM, scores_BHNM if self.residual_scores else None)
            weights.append(weights_BHNM)
        return Encoded(x_BND, weights)


def triangle(n_tokens: int) -> Tensor:
    """The mask of a causal network, bool of shape (n_tokens, n_tokens): a token may look at itself and at those before it."""
    return torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()


def entropy(weights: Tensor) -> Tensor:
    """Shannon entropy of each distribution along the last axis, in nats: 0 for one token looked at, log(n) for n alike."""
    return -torch.special.xlogy(weights, weights).sum(dim=-1)
