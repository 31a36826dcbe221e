"""The one head that every network shares: a linear layer from the trunk's vector to all outputs at once.

Axes: B batch, W window, F features, D the trunk's width, K columns of the head, Q quantiles.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

N_QUANTILES = 3  # 5, 50 and 95 %


class Layout(Hashable, Protocol):
    """How the columns of the head are read; a family with another idea of them brings its own, and its own loss.

    Equal ones read alike: it is a part of what an exported network is made of.
    """

    @property
    def returns(self) -> bool: ...

    @property
    def quantiles(self) -> bool: ...

    @property
    def n_columns(self) -> int: ...

    def logits(self, head_BK: Tensor) -> Tensor:
        """Shape (B, 1) of log-odds for two classes, (B, 3) of scores for three."""
        ...

    def expected(self, head_BK: Tensor) -> Tensor:
        """The expected z, shape (B,); asked for only where `returns`."""
        ...

    def quantiles_of(self, head_BK: Tensor) -> Tensor:
        """Quantiles of z, shape (B, Q), which cannot cross; asked for only where `quantiles`."""
        ...


@dataclass(frozen=True, slots=True)
class HeadLayout:
    """Which column of the head says what: the logits, the expected z where E_r is learned, the median with its two distances.

    q05 = q50 - softplus(a) and q95 = q50 + softplus(b), so that no training can make them cross.
    """

    n_classes: int
    returns: bool
    quantiles: bool = False

    @property
    def n_logits(self) -> int:
        """One column of log-odds for two classes, a score per class for three."""
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def n_columns(self) -> int:
        return self.n_logits + int(self.returns) + N_QUANTILES * int(self.quantiles)

    def logits(self, head_BK: Tensor) -> Tensor:
        """The class scores, shape (B, n_logits)."""
        return head_BK[:, : self.n_logits]

    def expected(self, head_BK: Tensor) -> Tensor:
        """The expected z, shape (B,)."""
        return head_BK[:, self.n_logits]

    def quantiles_of(self, head_BK: Tensor) -> Tensor:
        """The 5, 50 and 95 % quantiles of z, shape (B, Q), never falling in a row."""
        first = self.n_logits + int(self.returns)
        median_B = head_BK[:, first]
        distances_B2 = functional.softplus(head_BK[:, first + 1 : first + N_QUANTILES])
        return torch.stack([median_B - distances_B2[:, 0], median_B, median_B + distances_B2[:, 1]], dim=1)


class ForecastNetwork(nn.Module):
    """A trunk that turns a window into a vector of length `width`, and the head on it."""

    def __init__(self, trunk: nn.Module, width: int, layout: Layout) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(width, layout.n_columns)

    def forward(self, x_BWF: Tensor) -> Tensor:
        """All columns of the head, shape (B, K)."""
        return self.head(self.trunk(x_BWF))


class NamedModule(nn.Module):
    """A network whose outputs, a tuple of tensors or one, have names."""

    names: Sequence[str] = ()


class NamedOutputs(NamedModule):
    """A network as it is exported: the columns of its head apart, under their names."""

    def __init__(self, network: nn.Module, layout: Layout) -> None:
        super().__init__()
        self.network = network
        self.layout = layout
        self.names = ["logits", *(["expected"] if layout.returns else []), *(["quantiles"] if layout.quantiles else [])]

    def forward(self, window: Tensor) -> tuple[Tensor, ...]:
        """`logits` (B, n_logits) and, where they are learned, `expected` (B,) and `quantiles` (B, Q)."""
        return tuple(told(self.layout, self.network(window)).values())


def told(layout: Layout, head_BK: Tensor) -> dict[str, Tensor]:
    """What the columns of the head say, by the names of the exported outputs."""
    found = {"logits": layout.logits(head_BK)}
    if layout.returns:
        found["expected"] = layout.expected(head_BK)
    if layout.quantiles:
        found["quantiles"] = layout.quantiles_of(head_BK)
    return found


def count_parameters(network: nn.Module) -> int:
    """Numbers that the network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
