"""What a network learns from: a loss for the class, one for the return and one for the quantiles, on one trunk, each told apart."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from barmill.models.contract import LEVELS
from barmill.models.heads import HeadLayout
from barmill.models.network_params import NetworkParams

CERTAIN = 1e-7  # distance from 1 below which a probability counts as 1, and has no gradient


class Loss(Protocol):
    """What the training loop makes small: named parts, each summed over a batch, and their factors in the total."""

    scales: dict[str, float]

    def sums(self, head_BK: Tensor, y_B: Tensor, z_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]: ...


class ForecastLoss:
    """Cross-entropy (or its focal form) for p_up, Huber's loss for E_r, the pinball loss for the quantiles.

    Parameters
    ----------
    layout : HeadLayout, the columns of the head
    class_weights : (n_classes,) factors, see `class_weights`
    params : huber_delta, focal_gamma and the factors of the parts

    Attributes
    ----------
    scales : dict from part to its factor in the total
    """

    def __init__(self, layout: HeadLayout, class_weights: Tensor, params: NetworkParams) -> None:
        self._layout = layout
        self._class_weights = class_weights
        self._params = params
        self.scales = {"p_up": 1.0}
        if layout.returns:
            self.scales["E_r"] = params.return_loss_weight
        if layout.quantiles:
            self.scales["quantiles"] = params.quantile_loss_weight

    def sums(self, head_BK: Tensor, y_B: Tensor, z_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]:
        """Each part summed over the batch, rows by their weights; divided by the rows outside, so that batches add up."""
        head = head_BK.float()  # mixed precision stops at the loss
        parts = {"p_up": class_loss(self._layout.logits(head), y_B, weight_B, self._class_weights, self._params.focal_gamma)}
        if self._layout.returns:
            errors = functional.huber_loss(self._layout.expected(head), z_B, reduction="none", delta=self._params.huber_delta)
            parts["E_r"] = torch.sum(errors * weight_B)
        if self._layout.quantiles:
            parts["quantiles"] = torch.sum(pinball_loss(self._layout.quantiles_of(head), z_B) * weight_B)
        return parts


def class_loss(logits_BC: Tensor, y_B: Tensor, weight_B: Tensor, class_weights: Tensor, focal_gamma: float) -> Tensor:
    """Cross-entropy summed over the batch, rows by their weight and that of their class.

    focal_gamma : 0 for plain cross-entropy; above, a row counts by (1 - p)**gamma, p being what the model gives to its class
        (Lin et al. 2017, Focal loss for dense object detection, equation 4)
    """
    if logits_BC.shape[1] == 1:
        rows = functional.binary_cross_entropy_with_logits(logits_BC[:, 0], y_B.float(), reduction="none")
    else:
        rows = functional.cross_entropy(logits_BC, y_B, reduction="none")
    if focal_gamma > 0:
        rows = rows * (-torch.expm1(-rows)).clamp_min(CERTAIN) ** focal_gamma
    return torch.sum(rows * weight_B * class_weights.to(weight_B.device)[y_B])


def pinball_loss(quantiles_BQ: Tensor, z_B: Tensor) -> Tensor:
    """The mean pinball loss over `LEVELS`, shape (B,) (Koenker and Bassett 1978)."""
    levels_Q = torch.tensor(LEVELS, dtype=quantiles_BQ.dtype, device=quantiles_BQ.device)
    errors_BQ = z_B[:, None] - quantiles_BQ
    return torch.maximum(levels_Q * errors_BQ, (levels_Q - 1) * errors_BQ).mean(dim=1)
