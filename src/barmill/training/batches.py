"""Batches out of a view: gathered from the one base table, which is never copied into windows.

Axes: B batch, W window, F features.
"""

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barmill.models.contract import Samples
from barmill.views import WindowTensor


class Batch(NamedTuple):
    """Inputs (B, W, F) or (B, F) float32, classes (B,) int64, returns and weights (B,) float32."""

    x: Tensor
    y: Tensor
    z: Tensor
    weight: Tensor


class Batches:
    """The samples of a view on the device, ready to be picked by position."""

    def __init__(self, samples: Samples, base: Tensor, device: torch.device) -> None:
        view = samples.view
        n_rows, n_features = base.shape
        if isinstance(view, WindowTensor):
            # Every window of the table as one overlapping view of its memory; `index_select` copies only the batch.
            n_windows = n_rows - view.window + 1
            self._inputs = base.as_strided((n_windows, view.window, n_features), (n_features, n_features, 1))
            positions = view.ends - view.window + 1
        else:
            self._inputs = base
            positions = view.rows
        self._positions = torch.from_numpy(np.array(positions, dtype=np.int64)).to(device)
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
        inputs = self._inputs.index_select(0, self._positions.index_select(0, at))
        return Batch(inputs, self._y.index_select(0, at), self._z.index_select(0, at), self._weight.index_select(0, at))


def bases_on(device: torch.device, *samples: Samples) -> list[Tensor]:
    """Each sample set's base table on `device`; one that several share is moved once."""
    moved: dict[int, Tensor] = {}
    for one in samples:
        base = one.view.base
        if id(base) not in moved:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is only read
                moved[id(base)] = torch.from_numpy(np.ascontiguousarray(base, dtype=np.float32)).to(device)
    return [moved[id(one.view.base)] for one in samples]
