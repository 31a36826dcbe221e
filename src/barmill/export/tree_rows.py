"""The boosters that a model asks, and rows on their thresholds."""

from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.models.contract import Forecaster


def trees_of(forecaster: Forecaster) -> tuple[Any, ...]:  # noqa: ARG001
    """The boosters that a forecaster asks; none of other models."""
    return ()


def threshold_rows(trees: Any, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    raise NotImplementedError


__all__ = ["threshold_rows", "trees_of"]
