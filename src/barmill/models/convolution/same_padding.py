"""Convolutions that keep the window's length."""

from torch import Tensor, nn
from torch.nn import functional


class SameConv1d(nn.Module):
    """A convolution padded with zeros to the length of its input, for even kernels too: one bar more on the right.

    torch's own padding="same" does likewise, and warns of every even kernel.
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int, *, dilation: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, kernel_size, dilation=dilation, bias=bias)
        spread = dilation * (kernel_size - 1)
        self.padding = (spread // 2, spread - spread // 2)

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_out, W)."""
        return self.conv(functional.pad(x_BCW, self.padding))
