"""Weights from a peer's network into ours."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

WINDOW, HORIZON, BATCH = 60, 12, 5
LIMIT = 1e-5  # of outputs near 1 in float32; what is left over is the order of sums


def windows(length: int = WINDOW, batch: int = BATCH) -> Tensor:
    """Random walks, so that a wrong level or a window read the wrong way round shows."""
    steps = np.random.default_rng(0).standard_normal((batch, length))
    return torch.tensor(0.3 * np.cumsum(steps, axis=1), dtype=torch.float32)


def as_peer_sees(x_BW: Tensor) -> dict[str, Any]:
    """A batch in neuralforecast's form, every value observed, nothing but the series."""
    nothing = dict.fromkeys(("futr_exog", "hist_exog", "stat_exog"))
    return {"insample_y": x_BW[:, :, None], "insample_mask": torch.ones_like(x_BW)[:, :, None], **nothing}


def unsettled(network: nn.Module, seed: int = 1) -> nn.Module:
    """The network in evaluation mode, each weight moved by noise: fresh biases or norms of 0 and 1 would hide a missing one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def copy_linear(theirs: nn.Linear, ours: nn.Linear) -> None:
    ours.load_state_dict(theirs.state_dict())


def copy_dense(theirs: nn.Sequential, ours: nn.Sequential, coefficients: nn.Linear) -> None:
    """A block's layers. Theirs has two linear layers at its start with nothing between them; where ours has one, it is theirs in one:
    W2 W1 x + W2 b1 + b2."""
    there = [layer for layer in theirs if isinstance(layer, nn.Linear)]
    here = [*(layer for layer in ours if isinstance(layer, nn.Linear)), coefficients]
    if len(here) < len(there):
        first, second, *there = there
        start, *here = here
        with torch.no_grad():
            start.weight.copy_((second.weight.double() @ first.weight.double()).float())
            start.bias.copy_((second.weight.double() @ first.bias.double() + second.bias.double()).float())
    for one, other in zip(there, here, strict=True):
        copy_linear(one, other)
