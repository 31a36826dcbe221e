"""What a class counts for in the loss, so that a rare outcome is not learned as 'never'."""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

ClassWeighting: TypeAlias = Literal["balanced"] | None


def class_weights(y: npt.NDArray[np.int8], n_classes: int, weighting: ClassWeighting) -> npt.NDArray[np.float64]:
    """One factor per class: all 1, or n / (n_classes * count) so that every class weighs the same.

    Balancing shifts the probabilities away from the base rate. Calibration, which is fitted on unweighted rows, brings
    them back.

    Parameters
    ----------
    y : int8 array of class indices; every class occurs
    n_classes : int
    weighting : "balanced" or None

    Returns
    -------
    float64 array of shape (n_classes,)
    """
    if weighting is None:
        return np.ones(n_classes)
    counts = np.bincount(y, minlength=n_classes)
    return y.size / (n_classes * counts.astype(np.float64))
