"""What a fitted network looks at: integrated gradients, and what its trunk can read out.

Axes: B batch, W window, F features, K columns of the head.
Other samples as baselines: Erion et al. (2021), Improving performance of deep learning models with axiomatic attribution priors and
expected gradients, Nature Machine Intelligence 3.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from barmill.models.contract import Float64Array, View
from barmill.models.explaining import RETURNS, evenly, explained_of, explanation_of, output_explained, rounded
from barmill.models.heads import Layout
from barmill.models.integrated_gradients import BATCH, METHOD, STEPS, Attributed, Score, attributed, on_one_thread, shares_by_position
from barmill.models.view_values import values_of
from barmill.views import FeatureMatrix

MOST_WINDOWS, FEWEST_WINDOWS = 256, 64
MOST_BARS = 16_384  # in all windows together: a long window is looked at in fewer samples
INCOMPLETE = 0.1  # of the difference: beyond it, the path from zeros is not to be trusted
ZEROS = "zeros, which are the median of every scaled feature"
OTHERS = "another window of the sample, since this network is not smooth on the way from zeros"


def explain_network(network: nn.Module, layout: Layout, view: View, names: Sequence[str], scales: Sequence[str] = ()) -> dict[str, Any]:
    """The explanation of `network`, its class score and, where it learns one, its expected return, on at most 256 windows of `view`,
    fewer where windows are long; one thread, so that no bit of it depends on how many there are.

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
    with on_one_thread():
        x_BWF = torch.from_numpy(values_of(_sample(view)))
        network.eval()
        with torch.no_grad():
            n_classes = max(2, layout.logits(network(x_BWF[:1])).shape[1])
        explains = {"p_up": explained_of(n_classes)} | ({"E_r": RETURNS} if layout.returns else {})

        def scores(inputs: Tensor, _rows: Tensor) -> Tensor:
            head_BK = network(inputs)
            said = (_direction(layout.logits(head_BK)), *([layout.expected(head_BK)] if layout.returns else []))
            return torch.stack(said, dim=1).double()

        found = zip(explains, _on_the_better_way(scores, x_BWF), strict=True)
        outputs = {output: _explained(one, baseline, explains[output], names, scales) for output, (one, baseline) in found}
        read_out = _read_out(getattr(network, "trunk", network), x_BWF, names)
    return explanation_of(len(x_BWF), outputs, read_out)


def _sample(view: View) -> View:
    if isinstance(view, FeatureMatrix):
        return evenly(view, MOST_WINDOWS)
    bars = int(np.prod(view.gather(np.arange(1)).shape[1:-1]))
    return evenly(view, min(MOST_WINDOWS, max(FEWEST_WINDOWS, MOST_BARS // bars)))


def _direction(logits: Tensor) -> Tensor:
    return logits[:, 0] if logits.shape[1] == 1 else logits[:, 2] - logits[:, 0]


def _explained(found: Attributed, baseline: str, explains: str, names: Sequence[str], scales: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"baseline": baseline, "steps": STEPS, "completeness": found.completeness}
    if found.attributions.ndim == 3:
        told |= {"by_position": shares_by_position(found.attributions)} | ({"scales": list(scales)} if scales else {})
    return output_explained(METHOD, explains, names, found.offsets, found.attributions, **told)


def _on_the_better_way(scores: Score, x_BWF: Tensor) -> list[tuple[Attributed, str]]:
    """Attributions of each score from zeros, or from other windows where those from zeros do not add up, and from where it was."""
    from_zeros = attributed(scores, x_BWF, torch.zeros_like(x_BWF))
    if len(x_BWF) == 1 or all(found.miss <= INCOMPLETE for found in from_zeros):
        return [(found, ZEROS) for found in from_zeros]
    from_others = attributed(scores, x_BWF, x_BWF.roll(len(x_BWF) // 2, dims=0))
    return [
        (other, OTHERS) if found.miss > INCOMPLETE and other.miss < found.miss else (found, ZEROS)
        for found, other in zip(from_zeros, from_others, strict=True)
    ]


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


__all__ = ["explain_network"]
