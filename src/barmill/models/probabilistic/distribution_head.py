"""A head that says one distribution of the return, off which every output is read, and its likelihood as the loss.

p_up is the probability of a return above the threshold at which the labels of the training rows turn: 0 where the label is
the sign of the return, and else what leaves as many training rows above as are labelled up. So p_up and the quantiles cannot
contradict each other, and nothing is sampled.

Three classes are not three stretches of one return (a stop that was hit first says little of the return at the end), so their
scores are columns of their own, learned by cross-entropy beside the likelihood.

Axes: B batch, K columns of the head, Q quantiles.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barmill.models.network_loss import class_loss
from barmill.models.network_params import NetworkParams
from barmill.models.probabilistic.distributions import Distribution

SMALLEST_SCALE = 0.01  # of z, whose own scale is near 1: a constant return must not make the likelihood infinite


@dataclass(frozen=True, slots=True)
class DistributionLayout:
    """Columns of the head: location, scale before it is made positive, and the scores where there are three classes.

    Parameters
    ----------
    n_classes : int
    returns, quantiles : bool, whether E_r and the quantiles are told; they are learned in any case
    distribution : of (z - location) / scale
    threshold : float, the z above which a row counts as up
    shift : float, added to the log-odds: the logarithm of the ratio of the class weights. A cross-entropy with such weights
        would come to the same odds, and here the distribution stays that of the returns as they are
    """

    n_classes: int
    returns: bool
    quantiles: bool
    distribution: Distribution
    threshold: float = 0.0
    shift: float = 0.0

    @property
    def n_columns(self) -> int:
        return 2 if self.n_classes == 2 else 2 + self.n_classes

    def logits(self, head_BK: Tensor) -> Tensor:
        """Log-odds of up, shape (B, 1), from the distribution; or the scores of three classes, shape (B, 3)."""
        if self.n_classes != 2:
            return head_BK[:, 2:]
        location_B, scale_B = self.location_and_scale(head_BK)
        return (self.distribution.log_odds((location_B - self.threshold) / scale_B) + self.shift).unsqueeze(1)

    def expected(self, head_BK: Tensor) -> Tensor:
        """The expected z, shape (B,): the location, as the distribution is symmetric."""
        return head_BK[:, 0]

    def quantiles_of(self, head_BK: Tensor) -> Tensor:
        """The 5, 50 and 95 % quantiles of z, shape (B, Q), rising in a row as the scale is positive."""
        location_B, scale_B = self.location_and_scale(head_BK)
        distance_B = self.distribution.q95 * scale_B
        return torch.stack([location_B - distance_B, location_B, location_B + distance_B], dim=1)

    def location_and_scale(self, head_BK: Tensor) -> tuple[Tensor, Tensor]:
        """Both of shape (B,). Positive is made of a root and not of softplus, whose exponentials differ between one row and a batch
        (Barron 2021, Squareplus, arXiv:2112.11687)."""
        raw_B = head_BK[:, 1]
        return head_BK[:, 0], 0.5 * (raw_B + torch.sqrt(raw_B.square() + 4)) + SMALLEST_SCALE


class LikelihoodLoss:
    """The negative log likelihood of z, and for three classes the cross-entropy of their scores.

    Parameters
    ----------
    layout : DistributionLayout
    class_weights : (n_classes,) factors of the cross-entropy; with two classes they are in the layout's shift
    params : focal_gamma, and quantile_loss_weight as the factor of the likelihood beside the cross-entropy

    Attributes
    ----------
    scales : dict from part to its factor in the total
    """

    def __init__(self, layout: DistributionLayout, class_weights: Tensor, params: NetworkParams) -> None:
        self._layout = layout
        self._class_weights = class_weights
        self._focal_gamma = params.focal_gamma
        self.scales = {"likelihood": 1.0} if layout.n_classes == 2 else {"p_up": 1.0, "likelihood": params.quantile_loss_weight}

    def sums(self, head_BK: Tensor, y_B: Tensor, z_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]:
        """Each part summed over the batch, rows by their weights."""
        head = head_BK.float()  # mixed precision stops at the loss
        location_B, scale_B = self._layout.location_and_scale(head)
        surprise_B = self._layout.distribution.negative_log_density((z_B - location_B) / scale_B) + torch.log(scale_B)
        parts = {"likelihood": torch.sum(surprise_B * weight_B)}
        if self._layout.n_classes != 2:
            parts["p_up"] = class_loss(self._layout.logits(head), y_B, weight_B, self._class_weights, self._focal_gamma)
        return parts


def turning_point(y: npt.NDArray[np.int8], z: npt.NDArray[np.float64]) -> float:
    """The z above which a row counts as up: it leaves as many of the rows above as have class 1.

    0 wherever 0 does. Where y is no function of z (a profit barrier that was hit before the end), this is the threshold whose
    share of ups is right, and calibration does the rest.

    y : int8 array of 0 and 1, both occurring
    z : float64 array, finite
    """
    n_below = int(np.count_nonzero(y == 0))
    ascending = np.sort(z)
    low, high = float(ascending[n_below - 1]), float(ascending[n_below])
    return 0.0 if low <= 0.0 <= high else (low + high) / 2
