"""Mean and deviation of each feature over its window, taken out of the inputs and kept beside them.

Axes: B batch, F features, W bars of a window.
Source: Kim et al. (2022), Reversible instance normalization (RevIN), ICLR, without its learned factors.
"""

from typing import NamedTuple

import torch
from torch import Tensor

VARIANCE_FLOOR = 1e-5  # of RevIN, iTransformer and transformers alike: a window that stands still is divided by 0.003, not by 0


class Normalised(NamedTuple):
    """Windows with mean 0 and deviation 1, and what was taken out of them."""

    x_BFW: Tensor
    mean_BF1: Tensor
    deviation_BF1: Tensor

    def restored(self, x_BFH: Tensor) -> Tensor:
        """A forecast of normalised values in the window's own units."""
        return x_BFH * self.deviation_BF1 + self.mean_BF1

    @property
    def level_and_scale(self) -> Tensor:
        """The means and the log deviations, shape (B, 2 F)."""
        return torch.cat([self.mean_BF1, self.deviation_BF1.log()], dim=1).flatten(1)


def normalised(x_BFW: Tensor) -> Normalised:
    """Each feature's window less its mean, by its deviation (the population's); a window of one bar becomes 0."""
    mean_BF1 = x_BFW.mean(dim=2, keepdim=True)
    centred_BFW = x_BFW - mean_BF1
    deviation_BF1 = (centred_BFW.square().mean(dim=2, keepdim=True) + VARIANCE_FLOOR).sqrt()
    return Normalised(centred_BFW / deviation_BF1, mean_BF1, deviation_BF1)
