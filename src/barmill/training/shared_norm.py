"""Batch normalisation over the samples of all processes, so that a network sees the batch and not its share of it.

torch's own SyncBatchNorm exists on GPUs alone; this one is the same on every device, and so proven where there is no GPU.
Source: Ioffe and Szegedy (2015), Batch normalization, ICML, algorithm 1.
"""

import contextlib
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage] - the base of all of them, as torch's converter uses

from barmill.training.processes import Processes


@contextlib.contextmanager
def shared_norms(network: nn.Module, processes: Processes) -> Generator[None]:
    """While the block runs, batch norms of `network` are over all `processes`; parameters and running figures stay the same tensors."""
    if processes.size == 1:
        yield
        return
    places = [
        (parent, name, child) for parent in network.modules() for name, child in parent.named_children() if isinstance(child, _BatchNorm)
    ]
    for parent, name, child in places:
        setattr(parent, name, _SharedNorm(child, processes))
    try:
        yield
    finally:
        for parent, name, child in places:
            child.train(parent.training)
            setattr(parent, name, child)


class _SharedNorm(_BatchNorm):
    """A batch norm with another's tensors, whose mean and variance are over the samples of all processes."""

    def __init__(self, plain: _BatchNorm, processes: Processes) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats, device="meta")
        for name, tensor in (*plain._parameters.items(), *plain._buffers.items()):
            setattr(self, name, tensor)
        self._processes = processes

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes, the second being the channels: the plain one has checked, or the evaluation before."""

    def forward(self, input: Tensor) -> Tensor:
        """Shape as `input`, (B, C, ...), normalised by channel."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        rows = x.new_full((1,), x.numel() // x.shape[1])
        told = self._total(torch.cat([x.sum(dim=axes), rows]))
        n = told[-1]
        mean_C = told[:-1] / n
        centred = x - mean_C.view(shape)
        variance_C = self._total(centred.square().sum(dim=axes)) / n
        self._remember(mean_C.detach(), variance_C.detach(), float(n.detach()))
        scaled = centred * torch.rsqrt(variance_C + self.eps).view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)

    def _total(self, values: Tensor) -> Tensor:
        total: Any = _Total.apply(values * self._processes.factor, self._processes)
        return total

    def _remember(self, mean_C: Tensor, variance_C: Tensor, n: float) -> None:
        """Move the running mean and variance, the latter by the unbiased estimate, as torch's does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.mul_(1.0 - share).add_(mean_C, alpha=share)
        self.running_var.mul_(1.0 - share).add_(variance_C, alpha=share * n / max(n - 1.0, 1.0))


class _Total(torch.autograd.Function):
    """A sum over the processes; every one's result depends on every one's values, so gradients are summed likewise."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes.total(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.processes.total(gradients[0]), None


__all__ = ["shared_norms"]
