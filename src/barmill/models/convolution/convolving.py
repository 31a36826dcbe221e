"""One-dimensional convolutions whose numbers do not depend on the number of threads.

torch adds up the gradient of a convolution's weights in one part per thread, and chooses the algorithm of a kernel of one
bar by the number of threads, so that two fits on another number of threads end in other weights. Here each window has its
product, the products are added in the order of the batch, and a kernel of one bar is a matrix product.

Axes: B batch, W window, C channels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv1d_input


class Convolution(nn.Module):
    """A convolution over the window, padded with zeros by `left` bars before it and `right` bars after it.

    `conv` holds the weights, so that they can be normed or drawn anew.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel_size: int, *, dilation: int = 1, left: int = 0, right: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, kernel_size, dilation=dilation, bias=bias)
        self.dilation = dilation
        self.padding = (left, right)

    def forward(self, x_BCW: Tensor) -> Tensor:
        """Shape (B, n_out, W + left + right - dilation * (kernel_size - 1))."""
        padded_BCW = functional.pad(x_BCW, self.padding) if any(self.padding) else x_BCW
        if self.training and x_BCW.device.type == "cpu":
            return _InOrder.apply(padded_BCW, self.conv.weight, self.conv.bias, self.dilation)
        return _convolved(padded_BCW, self.conv.weight, self.conv.bias, self.dilation)


def same_convolution(n_in: int, n_out: int, kernel_size: int, *, dilation: int = 1, bias: bool = True) -> Convolution:
    """Padded to the length of its input, for even kernels too, which read one bar more after than before."""
    spread = dilation * (kernel_size - 1)
    return Convolution(n_in, n_out, kernel_size, dilation=dilation, left=spread // 2, right=spread - spread // 2, bias=bias)


def _convolved(x_BCW: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    if weight.shape[2] > 1 or x_BCW.device.type != "cpu":
        return functional.conv1d(x_BCW, weight, bias, dilation=dilation)
    product_BCW = torch.matmul(weight[:, :, 0], x_BCW)
    return product_BCW if bias is None else product_BCW + bias[:, None]


class _InOrder(torch.autograd.Function):
    """torch's convolution with a gradient of the weights that is added up in the order of the batch."""

    @staticmethod
    def forward(ctx: Any, x_BCW: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
        ctx.save_for_backward(x_BCW, weight)
        ctx.dilation = dilation
        return _convolved(x_BCW, weight, bias, dilation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        (grad_BCW,) = gradients
        x_BCW, weight = ctx.saved_tensors
        wants_x, _, wants_bias, _ = ctx.needs_input_grad
        grad_x = _gradient_of_input(x_BCW, weight, grad_BCW, ctx.dilation) if wants_x else None
        length, at = grad_BCW.shape[2], range(0, weight.shape[2] * ctx.dilation, ctx.dilation)
        taps = [torch.bmm(grad_BCW, x_BCW[:, :, first : first + length].transpose(1, 2)).sum(dim=0) for first in at]
        return grad_x, torch.stack(taps, dim=2), grad_BCW.sum(dim=(0, 2)) if wants_bias else None, None


def _gradient_of_input(x_BCW: Tensor, weight: Tensor, grad_BCW: Tensor, dilation: int) -> Tensor:
    if weight.shape[2] > 1:
        return conv1d_input(x_BCW.shape, weight, grad_BCW, dilation=dilation)
    return torch.matmul(weight[:, :, 0].T, grad_BCW)


__all__ = ["Convolution", "same_convolution"]
