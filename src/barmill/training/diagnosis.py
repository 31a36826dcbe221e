"""What to say when a loss is not finite: where it happened, and what most likely did it."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from barmill.errors import TrainingError
from barmill.models.contract import Samples
from barmill.views import FeatureMatrix, MultiResolution, PatternImage, WindowTensor

EXTREME = 1e4  # scaled inputs are clipped to a few units; beyond this the scaler was not applied


def loss_not_finite(
    place: str, parts: Mapping[str, float], samples: Samples, positions: npt.NDArray[np.int64], names: Sequence[str]
) -> TrainingError:
    """The error that names the first bad input of the samples at `positions`, or the loss part if all inputs are fine.

    Parameters
    ----------
    place : str, epoch and batch
    parts : dict from loss part to its value
    samples, positions : the batch
    names : feature names, in column order
    """
    broken = [name for name, value in parts.items() if not np.isfinite(value)]
    said = f"the loss of {' and '.join(broken)} is not finite" if broken else "the gradient is not finite"
    if isinstance(samples.view, PatternImage):  # drawn from checked bars: finite, and from 0 to 1
        return TrainingError(place, f"{said}, while all images were", mend="Lower learning_rate or grad_clip: the weights have run away.")
    bars, inputs = _inputs(samples.view, positions)
    for wrong, what in ((~np.isfinite(inputs), ""), (np.abs(inputs) > EXTREME, ", far beyond what a scaler leaves")):
        if wrong.any():
            i, column = np.argwhere(wrong)[0]
            found = f"{said}; feature '{names[column]}' (column {column}) is {inputs[i, column]:g} at bar {bars[i]}{what}"
            return TrainingError(place, found, mend="Mend the feature, or leave the rows at which it is not ready out.")
    for name, values in (("return z", samples.z[positions]), ("weight", samples.weight[positions])):
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            return TrainingError(place, f"{said}; the {name} of sample {positions[at]} is {values[at]}", mend="Mend the labels.")
    i, column = divmod(int(np.abs(inputs).argmax()), inputs.shape[1])
    found = f"{said}, while all inputs were finite (largest: feature '{names[column]}', {inputs[i, column]:.3g} at bar {bars[i]})"
    return TrainingError(place, found, mend="Lower learning_rate or grad_clip: the weights have run away.")


def _inputs(
    view: FeatureMatrix | WindowTensor | MultiResolution, positions: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Bars and their features that the batch holds, each bar once per sample, in the batch's order.

    Of several timeframes each row has its sample's decision bar.
    """
    if isinstance(view, MultiResolution):
        return np.repeat(view.ends[positions], view.window), view.gather(positions).reshape(-1, view.n_features)
    if isinstance(view, FeatureMatrix):
        return view.rows[positions], view.base[view.rows[positions]]
    bars = (view.ends[positions, None] + np.arange(1 - view.window, 1)).ravel()
    return bars, view.base[bars]
