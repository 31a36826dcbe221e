"""What a model loses at each label: the rows that a paired test compares."""

import numpy as np
import numpy.typing as npt

from barmill.evaluation.classification import SMALLEST
from barmill.uncertainty.checked import probabilities, vector

Float64Array = npt.NDArray[np.float64]


def label_losses(p: npt.ArrayLike, up: npt.ArrayLike) -> Float64Array:
    """Log loss of each row, natural; its mean is the `log_loss` of `classification_scores`.

    p : float64 of shape (n,), probability of an up; clipped to [1e-15, 1 - 1e-15]
    up : of shape (n,), 1 where it came, else 0

    Returns float64 of shape (n,).
    """
    said = np.clip(probabilities(p, "p"), SMALLEST, 1 - SMALLEST)
    came = vector(up, "up", said.size)
    return -np.log(np.where(came == 1, said, 1 - said))


__all__ = ["label_losses"]
