"""Gates, gated residual networks and variable selection: the parts of the Temporal Fusion Transformer that weigh its inputs.

Axes: B batch, P positions, F variables, D width, N rows (B times P).
Source: Lim, Arik, Loeff and Pfister (2021), Temporal fusion transformers for interpretable multi-horizon time series forecasting,
International Journal of Forecasting 37(4), 1748-1764; sections 4.1 and 4.2, equations 2 to 8.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from barmill.models.transformer.layer_norm import LayerNorm


class GatedSkip(nn.Module):
    """LayerNorm(skip + GLU(dropout(x))): a gate that can close the layer before it, around which the skip goes (equations 4 and 5)."""

    def __init__(self, n_inputs: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gate = nn.Linear(n_inputs, 2 * width)
        self.norm = LayerNorm(width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Shape (..., width), from x (..., n_inputs) and skip (..., width)."""
        return self.norm(skip + functional.glu(self.gate(self.dropout(x)), dim=-1))


class GatedResidualNetwork(nn.Module):
    """Two linear layers with an ELU between, behind a gate; a context shifts the first (equations 2 to 4).

    Parameters
    ----------
    n_inputs, hidden, width : int, sizes of input, hidden layers and output; where input and output differ, the skip is projected
    dropout : float, share dropped before the gate
    has_context : bool, whether `forward` gets a context of size `hidden`
    """

    def __init__(self, n_inputs: int, hidden: int, width: int, dropout: float, *, has_context: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, hidden)
        self.context = nn.Linear(hidden, hidden, bias=False) if has_context else None
        self.second = nn.Linear(hidden, hidden)
        self.skip = nn.Linear(n_inputs, width) if n_inputs != width else nn.Identity()
        self.out = GatedSkip(hidden, width, dropout)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Shape (..., width), from x (..., n_inputs) and a context that broadcasts to (..., hidden)."""
        hidden = self.first(x)
        if self.context is not None and context is not None:
            hidden = hidden + self.context(context)
        return self.out(self.second(functional.elu(hidden)), self.skip(x))


class PerVariable(nn.Module):
    """A linear layer of its own for each of F variables, as one batched product instead of F small ones.

    Biases are one long vector: what has one axis is not decayed in training.
    """

    def __init__(self, n_variables: int, n_inputs: int, width: int) -> None:
        super().__init__()
        bound = n_inputs**-0.5  # as nn.Linear draws its first weights
        self.weight = nn.Parameter(torch.empty(n_variables, n_inputs, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_variables * width).uniform_(-bound, bound))

    def forward(self, x_FND: Tensor) -> Tensor:
        """Shape (F, N, width)."""
        return torch.baddbmm(self.bias.view(self.weight.shape[0], 1, self.weight.shape[2]), x_FND, self.weight)


class PerVariableGRN(nn.Module):
    """A gated residual network of its own for each variable, without context (equation 7)."""

    def __init__(self, n_variables: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first = PerVariable(n_variables, width, width)
        self.second = PerVariable(n_variables, width, width)
        self.gate = PerVariable(n_variables, width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.norm_weight = nn.Parameter(torch.ones(n_variables * width))
        self.norm_bias = nn.Parameter(torch.zeros(n_variables * width))
        self.shape = (n_variables, 1, width)

    def forward(self, x_FND: Tensor) -> Tensor:
        """Shape (F, N, D), as it came."""
        hidden_FND = self.second(functional.elu(self.first(x_FND)))
        summed_FND = x_FND + functional.glu(self.gate(self.dropout(hidden_FND)), dim=-1)
        return functional.layer_norm(summed_FND, self.shape[2:]) * self.norm_weight.view(self.shape) + self.norm_bias.view(self.shape)


class Embedding(nn.Module):
    """A linear layer of its own from each scalar variable to a vector (section 4.2)."""

    def __init__(self, n_variables: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_variables, width).uniform_(-1.0, 1.0))
        self.bias = nn.Parameter(torch.empty(n_variables * width).uniform_(-1.0, 1.0))

    def forward(self, x_BPF: Tensor) -> Tensor:
        """Shape (B, P, F, D)."""
        return x_BPF.unsqueeze(-1) * self.weight + self.bias.view_as(self.weight)


class Selected(NamedTuple):
    """The variables mixed into one vector a position, and what each weighed in it."""

    mixed_BPD: Tensor
    weights_BPF: Tensor


class VariableSelection(nn.Module):
    """Weights over the variables from all of them together, a softmax, times each variable's own network (equations 6 to 8)."""

    def __init__(self, n_variables: int, width: int, dropout: float, *, has_context: bool = False) -> None:
        super().__init__()
        self.weigh = GatedResidualNetwork(n_variables * width, width, n_variables, dropout, has_context=has_context)
        self.transform = PerVariableGRN(n_variables, width, dropout)

    def forward(self, embedded_BPFD: Tensor, context_B1D: Tensor | None = None) -> Selected:
        """Select at every position."""
        n_positions, n_variables, width = embedded_BPFD.shape[1:]
        weights_BPF = functional.softmax(self.weigh(embedded_BPFD.flatten(2), context_B1D), dim=-1)
        transformed_FND = self.transform(embedded_BPFD.permute(2, 0, 1, 3).reshape(n_variables, -1, width))
        weighted_FND = transformed_FND * weights_BPF.permute(2, 0, 1).reshape(n_variables, -1, 1)
        return Selected(weighted_FND.sum(dim=0).view(-1, n_positions, width), weights_BPF)
