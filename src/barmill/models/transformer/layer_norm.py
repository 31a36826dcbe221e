"""Layer normalisation whose gradient does not depend on the number of threads.

torch's own adds up the gradients of its scale and its shift in one part per thread, so that two fits on another number of
threads end in other weights. Here the scale and the shift stand outside of torch's kernel, whose rows are independent.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class LayerNorm(nn.Module):
    """Each vector centred and divided by its deviation, then scaled and shifted; the formula of `nn.LayerNorm`.

    Source: Ba, Kiros and Hinton (2016), Layer normalization, arXiv:1607.06450, equation 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (..., width), as it came."""
        return functional.layer_norm(x, self.weight.shape) * self.weight + self.bias
