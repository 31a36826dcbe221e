"""Attention whose heads share their values, so that their mean weights say what was looked at.

Axes: B batch, N positions that look, M positions looked at, D width, H heads, K width of a head.
Source: Lim, Arik, Loeff and Pfister (2021), Temporal fusion transformers, section 4.4, equations 13 to 16.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Looked(NamedTuple):
    """The mixed values, and how much each head of each position looked at each position."""

    values_BND: Tensor
    weights_BHNM: Tensor


class InterpretableAttention(nn.Module):
    """softmax(Q K' / sqrt(K)) of each head, times one V for all heads; the heads' results are averaged, then projected.

    With values of its own a head can look at a bar and ignore it. Here the mean of the heads' weights is exactly what mixes V.

    Parameters
    ----------
    width : int, a multiple of `n_heads`
    n_heads : int
    dropout : float, share of attention weights dropped in training
    """

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.split = (n_heads, width // n_heads)
        self.scale = (width // n_heads) ** -0.5
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width // n_heads, bias=False)
        self.out = nn.Linear(width // n_heads, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, looking_BND: Tensor, seen_BMD: Tensor, allowed_NM: Tensor | None = None) -> Looked:
        """Look at `seen_BMD`; `allowed_NM` (bool) says who may look at what, None allows all.

        What is not allowed gets the weight 0 exactly, so a position does not change by a bit with what it may not see.
        """
        query_BHNK = self.query(looking_BND).unflatten(2, self.split).transpose(1, 2)
        key_BHMK = self.key(seen_BMD).unflatten(2, self.split).transpose(1, 2)
        scores_BHNM = query_BHNK @ key_BHMK.transpose(2, 3) * self.scale
        if allowed_NM is not None:
            scores_BHNM = scores_BHNM.masked_fill(~allowed_NM, float("-inf"))
        weights_BHNM = functional.softmax(scores_BHNM, dim=-1)
        mixed_BNK = torch.matmul(self.dropout(weights_BHNM).mean(dim=1), self.value(seen_BMD))
        return Looked(self.out(mixed_BNK), weights_BHNM)
