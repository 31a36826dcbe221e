"""Integrated gradients: what a network says of a sample, shared out among its inputs along the way from a baseline.

Axes: B batch, S scores; `...` those of one sample.
Source: Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML, equation 1 and section 5.
"""

import contextlib
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from barmill.models.contract import Float64Array
from barmill.models.explaining import rounded

METHOD = "integrated_gradients"
STEPS = 32  # of the midpoint rule; an LSTM's attributions then miss the difference that they explain by 1 in 1000
BATCH = 64

Score: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From inputs (b, ...) and the numbers of their samples (b,) to what is explained, float64 (b, S)."""


class Attributed(NamedTuple):
    """Attributions (B, ...) of one score, inputs less their baseline (B, ...), error and difference explained, (B,) each."""

    attributions: Float64Array
    offsets: Float64Array
    errors: Float64Array
    differences: Float64Array

    @property
    def miss(self) -> float:
        """The mean error as a share of the mean difference."""
        return float(self.errors.mean() / max(float(np.abs(self.differences).mean()), 1e-12))

    @property
    def completeness(self) -> dict[str, float]:
        """How far attributions miss the difference that they explain, in the mean and at most, beside the mean size of that difference."""
        return {
            "mean_error": rounded(self.errors.mean()),
            "largest_error": rounded(self.errors.max()),
            "size": rounded(np.abs(self.differences).mean()),
        }


def attributed(score: Score, x: Tensor, baseline: Tensor) -> list[Attributed]:
    """Integrated gradients of each score along the straight path from the baseline, both of one shape (B, ...), by the midpoint rule."""
    offset = x - baseline
    parts = torch.arange(len(x)).split(BATCH)
    with torch.no_grad():
        differences_BS = torch.cat([score(x[rows], rows) - score(baseline[rows], rows) for rows in parts])
    n_scores = differences_BS.shape[1]
    mean_gradients = torch.zeros((n_scores, *x.shape), dtype=torch.float64)
    for rows in parts:
        for step in range(STEPS):
            at = (baseline[rows] + (step + 0.5) / STEPS * offset[rows]).requires_grad_()
            said_bS = score(at, rows)
            for number in range(n_scores):
                (gradient,) = torch.autograd.grad(said_bS[:, number].sum(), at, retain_graph=number + 1 < n_scores)
                mean_gradients[number, rows] += gradient.double() / STEPS
    found: list[Attributed] = []
    for number, mean_gradient in enumerate(mean_gradients):
        attributions, difference_B = offset.double() * mean_gradient, differences_BS[:, number]
        error_B = (attributions.flatten(1).sum(dim=1) - difference_B).abs()
        found.append(Attributed(attributions.numpy(), offset.double().numpy(), error_B.numpy(), difference_B.numpy()))
    return found


def shares_by_position(attributions_BWF: Float64Array) -> list[float]:
    """The share of each position of a window, oldest first, in all that is attributed."""
    sizes_W = np.abs(attributions_BWF).mean(axis=0).sum(axis=1)
    total = float(sizes_W.sum())
    return [rounded(size / total) if total > 0 else 0.0 for size in sizes_W]


@contextlib.contextmanager
def on_one_thread() -> Generator[None]:
    """On one thread, which adds up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["BATCH", "METHOD", "STEPS", "Attributed", "Score", "attributed", "on_one_thread", "shares_by_position"]
