"""A two-dimensional convolution whose gradient does not depend on the number of threads; see `convolution.convolving` for why.

Axes: B batch, C channels, H rows, W columns.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

KERNEL = 3


class SameConvolution(nn.Module):
    """3x3, padded with zeros so that the picture keeps its size; no bias, since a batch norm follows."""

    def __init__(self, n_in: int, n_out: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, KERNEL, dilation=dilation, padding=dilation, bias=False)
        self.dilation = dilation

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Shape (B, n_out, H, W)."""
        if self.training and x_BCHW.device.type == "cpu":
            return _InOrder.apply(x_BCHW, self.conv.weight, self.dilation)
        return self.conv(x_BCHW)


class _InOrder(torch.autograd.Function):
    """torch's convolution with a gradient of the weights that is added up in the order of the batch."""

    @staticmethod
    def forward(ctx: Any, x_BCHW: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x_BCHW, weight)
        ctx.dilation = dilation
        return functional.conv2d(x_BCHW, weight, padding=dilation, dilation=dilation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        (grad_BCHW,) = gradients
        x_BCHW, weight = ctx.saved_tensors
        step = ctx.dilation
        grad_x = conv2d_input(x_BCHW.shape, weight, grad_BCHW, padding=step, dilation=step) if ctx.needs_input_grad[0] else None
        rows, columns = grad_BCHW.shape[2:]
        padded = functional.pad(x_BCHW, (step, step, step, step))
        flat = grad_BCHW.flatten(2)
        taps: list[Tensor] = []
        for down in range(KERNEL):
            for right in range(KERNEL):
                seen = padded[:, :, down * step : down * step + rows, right * step : right * step + columns]
                taps.append(torch.bmm(flat, seen.flatten(2).transpose(1, 2)).sum(dim=0))
        return grad_x, torch.stack(taps, dim=2).reshape(weight.shape), None


__all__ = ["SameConvolution"]
