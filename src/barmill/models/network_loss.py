"""What a network learns from: a loss for the class and one for the return, on the same trunk, each told apart."""

import torch
from torch import Tensor
from torch.nn import functional

from barmill.models.heads import HeadLayout


class ForecastLoss:
    """Cross-entropy for p_up plus Huber's loss for E_r.

    Parameters
    ----------
    layout : HeadLayout, the columns of the head
    class_weights : (n_classes,) factors, see `class_weights`
    huber_delta : float, error in units of volatility beyond which Huber's loss is linear
    return_weight : float, factor of the E_r part in the total

    Attributes
    ----------
    scales : dict from part to its factor in the total
    """

    def __init__(self, layout: HeadLayout, class_weights: Tensor, huber_delta: float, return_weight: float) -> None:
        self._layout = layout
        self._class_weights = class_weights
        self._delta = huber_delta
        self.scales = {"p_up": 1.0, "E_r": return_weight} if layout.returns else {"p_up": 1.0}

    def sums(self, head_BK: Tensor, y_B: Tensor, z_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]:
        """Each part summed over the batch, rows by their weights; divided by the rows outside, so that batches add up."""
        head = head_BK.float()  # mixed precision stops at the loss
        weights = weight_B * self._class_weights.to(weight_B.device)[y_B]
        logits = self._layout.logits(head)
        if self._layout.n_logits == 1:
            rows = functional.binary_cross_entropy_with_logits(logits[:, 0], y_B.float(), reduction="none")
        else:
            rows = functional.cross_entropy(logits, y_B, reduction="none")
        parts = {"p_up": torch.sum(rows * weights)}
        if self._layout.returns:
            errors = functional.huber_loss(self._layout.expected(head), z_B, reduction="none", delta=self._delta)
            parts["E_r"] = torch.sum(errors * weight_B)
        return parts
