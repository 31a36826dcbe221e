"""What the Pattern CNN learns from: a loss for the class, one for the quality and one for the pole of flags.

The loop hands `z` through by rows and knows nothing of its columns: here they are the quality, the pole and whether there is one.
"""

import torch
from torch import Tensor
from torch.nn import functional

from barmill.models.network_loss import class_loss
from barmill.models.pattern.network import N_COLUMNS, PARTNER, POLE, QUALITY, SHARE
from barmill.models.pattern.params import PatternCNNParams

TARGET_QUALITY, TARGET_POLE, TARGET_IS_FLAG = 0, 1, 2


class PatternLoss:
    """Focal loss for the class, cross-entropy for the quality, Smooth-L1 for the pole where there is one.

    A mixed image has the labels of both that it is made of, each by its share: class, quality, pole and whether there is a pole alike.

    Parameters
    ----------
    class_weights : (5,) factors, see `class_weights`
    flag_share : share of the training weight that has a pole. The pole's sum is divided by it, so that over an epoch its loss is a mean
        over flags and not over all images. Divided by each batch's own count it would not add up over batches, and the only flag of one
        batch would weigh as much as the forty of another
    params : focal_gamma, huber_delta and the weights of the parts

    Attributes
    ----------
    scales : dict from part to its factor in the total
    """

    def __init__(self, class_weights: Tensor, flag_share: float, params: PatternCNNParams) -> None:
        self._class_weights, self._params = class_weights, params
        self._per_flag = 1.0 / flag_share if flag_share > 0 else 0.0
        self.scales = {"pattern": 1.0, "quality": params.quality_loss_weight, "pole": params.pole_loss_weight}

    def sums(self, head_BK: Tensor, y_B: Tensor, z_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]:
        """Each part summed over the batch. `z_B` is (B, 3); `head_BK` has two more columns where images were mixed."""
        head = head_BK.float()
        if head.shape[1] == N_COLUMNS:
            return self._of(head, y_B, z_B, weight_B)
        partner_B, share_B = head[:, PARTNER].long(), head[:, SHARE]
        own = self._of(head, y_B, z_B, weight_B * share_B)
        other = self._of(head, y_B[partner_B], z_B[partner_B], weight_B[partner_B] * (1.0 - share_B))
        return {name: own[name] + other[name] for name in own}

    def _of(self, head_BK: Tensor, y_B: Tensor, z_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]:
        quality_B = functional.binary_cross_entropy_with_logits(head_BK[:, QUALITY], z_B[:, TARGET_QUALITY], reduction="none")
        pole_B = functional.smooth_l1_loss(head_BK[:, POLE], z_B[:, TARGET_POLE], reduction="none", beta=self._params.huber_delta)
        return {
            "pattern": class_loss(head_BK[:, :QUALITY], y_B, weight_B, self._class_weights, self._params.focal_gamma),
            "quality": torch.sum(quality_B * weight_B),
            "pole": torch.sum(pole_B * z_B[:, TARGET_IS_FLAG] * weight_B) * self._per_flag,
        }
