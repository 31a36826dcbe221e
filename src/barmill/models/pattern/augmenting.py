"""What is done to images while the network learns, so that it learns shapes and not pixels.

A module in front of the trunk that acts in training mode alone. It draws from torch's generator, which the training loop seeds for each
step, so a resumed training draws the same.

Axes: B batch, C channels, H rows from the top, W bars from the oldest.
Source: Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup: beyond empirical risk minimization, ICLR; the rest: alert charter, section 2.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Beta

from barmill.models.pattern.params import PatternCNNParams

CANDLES, DISTANCE = 0, 1  # channels of the image, see `PatternImage`
MIDDLE = 0.5  # shade of a close on its mean


class Mixed(NamedTuple):
    """Images (B, C, H, W), and what each is made of: `share` (B,) of its own and the rest of image `partner` (B,) of the batch."""

    images: Tensor
    partner: Tensor
    share: Tensor


class Augmentation(nn.Module):
    """Time-warp, scale jitter, noise and mixing, each as strong as the parameters say; 0 leaves it out."""

    def __init__(self, params: PatternCNNParams) -> None:
        super().__init__()
        self.warp, self.scale, self.noise = params.time_warp, params.scale_jitter, params.noise
        self.alpha = params.mixup_alpha

    def forward(self, x_BCHW: Tensor) -> Mixed:
        """The batch as it is learned from; labels go along by `partner` and `share`."""
        images = x_BCHW
        if self.warp:
            images = time_warped(images, self.warp * _between(-1.0, 1.0, images))
        if self.scale:
            images = stretched(images, 1.0 + self.scale * _between(-1.0, 1.0, images))
        if self.noise:
            images = (images + self.noise * torch.randn_like(images)).clamp(0.0, 1.0)
        n = len(images)
        if not self.alpha:
            return Mixed(images, torch.arange(n, device=images.device), torch.ones(n, device=images.device))
        partner = torch.randperm(n, device=images.device)
        alpha = torch.tensor(self.alpha, device=images.device)
        share = Beta(alpha, alpha).sample((n,))
        return Mixed(mixed(images, images[partner], share), partner, share)


def time_warped(x_BCHW: Tensor, strength_B: Tensor) -> Tensor:
    """The images with time running faster in one half and slower in the other; both edges, and so the decision bar, stay.

    strength : (B,) share of the width by which the middle moves, below 1/pi so that no bar passes another
    """
    width = x_BCHW.shape[3]
    place_W = torch.linspace(0.0, 1.0, width, device=x_BCHW.device)
    source_BW = (place_W + strength_B[:, None] * torch.sin(math.pi * place_W)).clamp(0.0, 1.0) * (width - 1)
    before_BW = source_BW.floor().clamp(max=width - 2)
    part_BW = source_BW - before_BW
    at = before_BW.long()[:, None, None, :].expand_as(x_BCHW)
    part = part_BW[:, None, None, :]
    return (1.0 - part) * x_BCHW.gather(3, at) + part * x_BCHW.gather(3, at + 1)


def stretched(x_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """The images with candles stretched about the middle row, and distances from the mean likewise; what leaves the picture is cut off."""
    height = x_BCHW.shape[2]
    centre = (height - 1) / 2.0
    row_H = torch.arange(height, device=x_BCHW.device, dtype=x_BCHW.dtype)
    source_BH = (centre + (row_H - centre) / factor_B[:, None]).round()
    inside_BH = (source_BH >= 0) & (source_BH <= height - 1)
    candles_BHW = x_BCHW[:, CANDLES]
    at = source_BH.clamp(0, height - 1).long()[:, :, None].expand_as(candles_BHW)
    drawn_BHW = candles_BHW.gather(1, at) * inside_BH[:, :, None]
    distance_BHW = (MIDDLE + (x_BCHW[:, DISTANCE] - MIDDLE) * factor_B[:, None, None]).clamp(0.0, 1.0)
    return torch.cat([drawn_BHW[:, None], distance_BHW[:, None], x_BCHW[:, DISTANCE + 1 :]], dim=1)


def mixed(one_BCHW: Tensor, other_BCHW: Tensor, share_B: Tensor) -> Tensor:
    """`share` of each image of the first batch with the rest of that of the second."""
    share = share_B[:, None, None, None]
    return share * one_BCHW + (1.0 - share) * other_BCHW


def _between(low: float, high: float, images: Tensor) -> Tensor:
    """One number an image, evenly between `low` and `high`."""
    return low + (high - low) * torch.rand(len(images), device=images.device)
