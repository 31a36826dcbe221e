"""Is the network well? Gradient norms of an epoch, units that are never on, and what the trunk itself can measure.

Axes: B batch.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HEALTH_ROWS = 256
DIGITS = 6
GRADIENTS = ("gradient_norm_first", "gradient_norm_median", "gradient_norm_max", "gradient_clipped_share")


def gradient_health(norms: Sequence[float], clip: float) -> dict[str, float]:
    """First, median and largest gradient norm of an epoch, before clipping, and the share of steps that were clipped.

    Steps that mixed precision skipped, whose gradients were not finite, are left out, and with them all if there are no others.
    """
    finite = np.array([norm for norm in norms if math.isfinite(norm)])
    if not finite.size:
        return {}
    figures = (finite[0], np.median(finite), finite.max(), (finite > clip).mean())
    return {name: float(value) for name, value in zip(GRADIENTS, figures, strict=True)}


def health_of(network: nn.Module, x: Tensor) -> dict[str, float]:
    """Figures of `network` in evaluation mode on the inputs `x`, batch first.

    `dead_units` is the share of activations of its ReLU modules that are zero for every row. The rest is what the trunk's `health`
    measures, if it has one, which may name `dead_units` too. Figures that are not finite are left out.
    """
    trunk = getattr(network, "trunk", network)
    measure = getattr(trunk, "health", None)
    rectifiers = [module for module in trunk.modules() if isinstance(module, nn.ReLU)]
    if measure is None and not rectifiers:
        return {}
    was_training = network.training
    network.eval()
    with torch.no_grad():
        figures = _dead_units(trunk, rectifiers, x)
        if measure is not None:
            figures |= {name: float(value) for name, value in measure(x).items()}
    network.train(was_training)
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def health_summary(history: Mapping[str, Sequence[float]], best_epoch: int, at_best: Mapping[str, float]) -> dict[str, float]:
    """The health of a whole training: gradient norms over its epochs, and the network's figures at the epoch whose weights are kept.

    `valid_loss_fall` is the share of the first epoch's validation loss that the best epoch is without.
    """
    first, *others = (np.array(history.get(name, ())) for name in GRADIENTS)
    found: dict[str, float] = {}
    if first.size:
        median, largest, clipped = others
        figures = (first[0], np.median(median), largest.max(), clipped.mean())
        found |= {name: float(value) for name, value in zip(GRADIENTS, figures, strict=True)}
    losses = history["valid"]
    if losses[0] != 0:
        found["valid_loss_fall"] = 1.0 - losses[best_epoch] / losses[0]
    return {name: float(f"{value:.{DIGITS}g}") for name, value in (found | dict(at_best)).items()}


def _dead_units(trunk: nn.Module, rectifiers: Sequence[nn.Module], x: Tensor) -> dict[str, float]:
    """The share of rectified activations that are off for all rows of `x`, counted in one pass."""
    if not rectifiers:
        return {}
    dead: list[int] = []
    units: list[int] = []

    def count(_module: nn.Module, _inputs: Any, output_B: Tensor) -> None:
        dead.append(int((output_B <= 0).all(dim=0).sum()))
        units.append(output_B[0].numel())

    hooks = [module.register_forward_hook(count) for module in rectifiers]
    try:
        trunk(x)
    finally:
        for hook in hooks:
            hook.remove()
    return {"dead_units": sum(dead) / sum(units)} if units else {}


__all__ = ["HEALTH_ROWS", "gradient_health", "health_of", "health_summary"]
