"""Batches out of a view: gathered from the one base table, which is never copied into windows.

Axes: B batch, W window, F features.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barmill.models.contract import Samples
from barmill.views import FeatureMatrix, MultiResolution, PatternImage, WindowTensor

Inputs = Callable[[npt.NDArray[np.int64]], Tensor]


class Batch(NamedTuple):
    """Inputs (B, W, F), (B, F) or images float32, classes (B,) int64, returns (or targets, (B, k)) and weights (B,) float32."""

    x: Tensor
    y: Tensor
    z: Tensor
    weight: Tensor


class Batches:
    """The samples of a view on the device, ready to be picked by position.

    samples : the samples; base : their base table as `bases_on` gives it, None for views that gather by themselves
    """

    def __init__(self, samples: Samples, base: Tensor | None, device: torch.device) -> None:
        view = samples.view
        self._inputs = _of_base(view, base, device) if isinstance(view, FeatureMatrix | WindowTensor) else _of_gathered(view, device)
        self._y = torch.from_numpy(samples.y.astype(np.int64)).to(device)
        with np.errstate(over="ignore"):  # a return beyond float32 becomes an infinite loss, which the loop names
            self._z = torch.from_numpy(samples.z.astype(np.float32)).to(device)
        self._weight = torch.from_numpy(samples.weight.astype(np.float32)).to(device)
        self._device = device

    def __len__(self) -> int:
        return self._y.shape[0]

    def gather(self, positions: npt.NDArray[np.int64]) -> Batch:
        """The samples at `positions`."""
        at = torch.from_numpy(positions).to(self._device)
        return Batch(self._inputs(positions), self._y.index_select(0, at), self._z.index_select(0, at), self._weight.index_select(0, at))


def _of_base(view: FeatureMatrix | WindowTensor, base: Tensor | None, device: torch.device) -> Inputs:
    """Picks windows, or rows, of the one table `base` on the device."""
    assert base is not None
    if isinstance(view, WindowTensor):
        # Every window of the table as one overlapping view of its memory; `index_select` copies only the batch.
        n_rows, n_features = base.shape
        inputs = base.as_strided((n_rows - view.window + 1, view.window, n_features), (n_features, n_features, 1))
        rows = view.ends - view.window + 1
    else:
        inputs, rows = base, view.rows
    first = torch.from_numpy(np.array(rows, dtype=np.int64)).to(device)

    def pick(positions: npt.NDArray[np.int64]) -> Tensor:
        return inputs.index_select(0, first.index_select(0, torch.from_numpy(positions).to(device)))

    return pick


def _of_gathered(view: MultiResolution | PatternImage, device: torch.device) -> Inputs:
    """Gathers windows, or draws images, on the host and moves the batch: a model on a GPU sees the same bits."""
    return lambda positions: torch.from_numpy(view.gather(positions)).to(device)


def bases_on(device: torch.device, *samples: Samples) -> list[Tensor | None]:
    """Each sample set's base table on `device`; one that several share is moved once. None for views that gather by themselves."""
    moved: dict[int, Tensor] = {}
    found: list[Tensor | None] = []
    for one in samples:
        if not isinstance(one.view, FeatureMatrix | WindowTensor):
            found.append(None)
            continue
        base = one.view.base
        if id(base) not in moved:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is only read
                moved[id(base)] = torch.from_numpy(np.ascontiguousarray(base, dtype=np.float32)).to(device)
        found.append(moved[id(base)])
    return found
