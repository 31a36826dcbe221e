"""What a fitted network looks at: integrated gradients, and what its trunk can read out.

Axes: B batch, W window, F features, K columns of the head.
Source: Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML, equation 1 and section 5; other samples as
baselines: Erion et al. (2021), Improving performance of deep learning models with axiomatic attribution priors and expected
gradients, Nature Machine Intelligence 3.
"""

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from barmill.models.contract import Float64Array, View
from barmill.models.explaining import evenly, explained_of, explanation_of, output_explained, rounded
from barmill.models.heads import Layout
from barmill.views import FeatureMatrix

METHOD = "integrated_gradients"
STEPS = 32  # of the midpoint rule; an LSTM's attributions then miss the difference that they explain by 1 in 1000
MOST_WINDOWS, FEWEST_WINDOWS = 256, 64
MOST_BARS = 16_384  # in all windows together: a long window is looked at in fewer samples
BATCH = 64
INCOMPLETE = 0.1  # of the difference: beyond it, the path from zeros is not to be trusted
ZEROS = "zeros, which are the median of every scaled feature"
OTHERS = "another window of the sample, since this network is not smooth on the way from zeros"


class Attributed(NamedTuple):
    """Attributions (B, W, F) of the score, inputs less their baseline (B, W, F), error and difference explained, (B,) each."""

    attributions: Float64Array
    offsets: Float64Array
    errors: Float64Array
    differences: Float64Array

    @property
    def miss(self) -> float:
        """The mean error as a share of the mean difference."""
        return float(self.errors.mean() / max(float(np.abs(self.differences).mean()), 1e-12))


def explain_network(network: nn.Module, layout: Layout, view: View, names: Sequence[str], scales: Sequence[str] = ()) -> dict[str, Any]:
    """The explanation of `network` on at most 256 windows of `view`, fewer where windows are long; one thread, so that no bit of it
    depends on how many there are.

    The path of each window begins at zeros. A network that normalises each window by itself jumps right after them, which the
    completeness shows; then the path begins at another window of the sample instead.

    Parameters
    ----------
    network : fitted, on the CPU; set to evaluation mode
    layout : which columns of its head are the logits
    view : samples that did not teach it
    names : of the features
    scales : the timeframe of each position of a window, where they differ; by position otherwise
    """
    with _alone():
        sample = _sample(view)
        x_BWF = _inputs(sample)
        found = _attributed(network.eval(), layout, x_BWF, torch.zeros_like(x_BWF))
        baseline = ZEROS
        if found.miss > INCOMPLETE and len(x_BWF) > 1:
            other = _attributed(network, layout, x_BWF, x_BWF.roll(len(x_BWF) // 2, dims=0))
            if other.miss < found.miss:
                found, baseline = other, OTHERS
        read_out = _read_out(getattr(network, "trunk", network), x_BWF, names)
    told: dict[str, Any] = {"baseline": baseline, "steps": STEPS, "completeness": _completeness(found)}
    if found.attributions.ndim == 3:
        told |= {"by_position": _by_position(found.attributions)} | ({"scales": list(scales)} if scales else {})
    with torch.no_grad():
        n_classes = max(2, layout.logits(network(x_BWF[:1])).shape[1])
    output = output_explained(METHOD, explained_of(n_classes), names, found.offsets, found.attributions, **told)
    return explanation_of(len(x_BWF), {"p_up": output}, read_out)


def _sample(view: View) -> View:
    if isinstance(view, FeatureMatrix):
        return evenly(view, MOST_WINDOWS)
    bars = int(np.prod(view.gather(np.arange(1)).shape[1:-1]))
    return evenly(view, min(MOST_WINDOWS, max(FEWEST_WINDOWS, MOST_BARS // bars)))


def _inputs(sample: View) -> Tensor:
    return torch.from_numpy(sample.values if isinstance(sample, FeatureMatrix) else sample.gather(np.arange(len(sample))))


def _attributed(network: nn.Module, layout: Layout, x_BWF: Tensor, baseline_BWF: Tensor) -> Attributed:
    """Integrated gradients of the score along the straight path from the baseline, by the midpoint rule."""

    def score(inputs_BWF: Tensor) -> Tensor:
        logits = layout.logits(network(inputs_BWF)).double()
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 2] - logits[:, 0]

    offset_BWF = x_BWF - baseline_BWF
    mean_gradient = torch.zeros(x_BWF.shape, dtype=torch.float64)
    for rows in torch.arange(len(x_BWF)).split(BATCH):
        for step in range(STEPS):
            at = (baseline_BWF[rows] + (step + 0.5) / STEPS * offset_BWF[rows]).requires_grad_()
            (gradient,) = torch.autograd.grad(score(at).sum(), at)
            mean_gradient[rows] += gradient.double() / STEPS
    attributions = offset_BWF.double() * mean_gradient
    with torch.no_grad():
        difference_B = _in_batches(score, x_BWF) - _in_batches(score, baseline_BWF)
    error_B = (attributions.flatten(1).sum(dim=1) - difference_B).abs()
    return Attributed(attributions.numpy(), offset_BWF.double().numpy(), error_B.numpy(), difference_B.numpy())


def _in_batches(score: Callable[[Tensor], Tensor], x_BWF: Tensor) -> Tensor:
    return torch.cat([score(part) for part in x_BWF.split(BATCH)])


def _completeness(found: Attributed) -> dict[str, float]:
    """How far attributions miss the difference between the score and that of the baseline, beside that difference's mean size."""
    size = float(np.abs(found.differences).mean())
    return {"mean_error": rounded(found.errors.mean()), "largest_error": rounded(found.errors.max()), "size": rounded(size)}


def _by_position(attributions_BWF: Float64Array) -> list[float]:
    """The share of each position of the window, oldest first, in all that is attributed."""
    sizes_W = np.abs(attributions_BWF).mean(axis=0).sum(axis=1)
    total = float(sizes_W.sum())
    return [rounded(size / total) if total > 0 else 0.0 for size in sizes_W]


def _read_out(trunk: nn.Module, x_BWF: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Means over the sample of what the trunk's `explained` gives, if it has one.

    "variables" (B, F) are weights of the features, "attention" (B, P) those of positions; whatever else there is, such as "trend"
    and "seasonal" (B, H), are parts of a forecast by step ahead.
    """
    explained = getattr(trunk, "explained", None)
    if explained is None:
        return {}
    with torch.no_grad():
        parts = [explained(part) for part in x_BWF.split(BATCH)]
    columns = {name: torch.cat([part[name].double() for part in parts]).numpy() for name in parts[0]}
    told: dict[str, Any] = {}
    if "variables" in columns:
        weights = columns.pop("variables").mean(axis=0)
        order = np.argsort(-weights, kind="stable")
        told["variables"] = [{"feature": names[i], "weight": rounded(weights[i])} for i in order]
    if "attention" in columns:
        told["attention"] = [rounded(weight) for weight in columns.pop("attention").mean(axis=0)]
    return told | ({"components": {name: _component(path) for name, path in columns.items()}} if columns else {})


def _component(path_BH: Float64Array) -> dict[str, list[float]]:
    """A part of a forecast by step ahead: its mean over the sample, and the mean of its size."""
    parts = {"mean": path_BH.mean(axis=0), "size": np.abs(path_BH).mean(axis=0)}
    return {name: [rounded(value) for value in values] for name, values in parts.items()}


@contextlib.contextmanager
def _alone() -> Generator[None]:
    """On one thread, which adds up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["explain_network"]
