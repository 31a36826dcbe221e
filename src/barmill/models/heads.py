"""The one head that every network shares: a linear layer from the trunk's vector to all outputs at once.

Axes: B batch, W window, F features, D the trunk's width, K columns of the head.
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class HeadLayout:
    """Which column of the head says what: the logits first, then the expected z where E_r is learned."""

    n_classes: int
    returns: bool

    @property
    def n_logits(self) -> int:
        """One column of log-odds for two classes, a score per class for three."""
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def n_columns(self) -> int:
        return self.n_logits + int(self.returns)

    def logits(self, head_BK: Tensor) -> Tensor:
        """The class scores, shape (B, n_logits)."""
        return head_BK[:, : self.n_logits]

    def expected(self, head_BK: Tensor) -> Tensor:
        """The expected z, shape (B,)."""
        return head_BK[:, self.n_logits]


class ForecastNetwork(nn.Module):
    """A trunk that turns a window into a vector of length `width`, and the head on it."""

    def __init__(self, trunk: nn.Module, width: int, layout: HeadLayout) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(width, layout.n_columns)

    def forward(self, x_BWF: Tensor) -> Tensor:
        """All columns of the head, shape (B, K)."""
        return self.head(self.trunk(x_BWF))


class NamedOutputs(nn.Module):
    """A network as it is exported: the columns of its head apart, under their names."""

    def __init__(self, network: nn.Module, layout: HeadLayout) -> None:
        super().__init__()
        self.network = network
        self.layout = layout

    @property
    def names(self) -> list[str]:
        return ["logits", "expected"] if self.layout.returns else ["logits"]

    def forward(self, window: Tensor) -> tuple[Tensor, ...]:
        """`logits` of shape (B, n_logits) and, where E_r is learned, `expected` of shape (B,)."""
        head_BK: Tensor = self.network(window)
        logits = self.layout.logits(head_BK)
        return (logits, self.layout.expected(head_BK)) if self.layout.returns else (logits,)


def count_parameters(network: nn.Module) -> int:
    """Numbers that the network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
