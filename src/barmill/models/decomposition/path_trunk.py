"""From a path that continues a series to the vector that the shared head reads.

Axes: B batch, W window, F features, H points of the path, D the trunk's width; an axis written as ... may be any or none.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

TINY = 1e-6  # added to a variance of scaled features before its logarithm: a window that stands still is far down, not infinite


class Decomposition(NamedTuple):
    """What a core says of windows of one series.

    path : (..., H), the forecast, the bar after the newest first
    parts : components of the path by name, (..., H) each, which add up to it; empty where a core knows none
    residual : (..., W), what of the window the core did not explain, newest bar first; None where it does not try to
    """

    path: Tensor
    parts: dict[str, Tensor]
    residual: Tensor | None = None


class Core(nn.Module):
    """A published network on windows of one series, from (..., W) to a path (..., H).

    horizon : int, points of the path
    part_names : tuple of str, the parts that every decomposition holds
    has_residual : bool
    """

    horizon: int
    part_names: tuple[str, ...] = ()
    has_residual: bool = False

    @abstractmethod
    def decompose(self, x: Tensor) -> Decomposition: ...

    def forward(self, x: Tensor) -> Tensor:
        """The path alone, shape (..., H)."""
        return self.decompose(x).path


class PathTrunk(nn.Module):
    """A core on the target, and what a linear head needs beside its path.

    The vector is, in this order: the sum of the path; the path; the sum of each part; mean and log deviation of the residual;
    mean and log deviation of the target's window; every feature at the newest bar; every feature's mean over the window.
    A head that gives its first column the weight 1 and the others 0 says E_r = sum of the path, the return over `horizon`
    bars in the units of the scaled target. What the other features say, they say linearly: enough to keep a core from having
    to explain what a glance at the newest bar tells, too little to hide that it explains nothing.

    The path learns through the head alone: no loss looks at its points one by one.
    """

    def __init__(self, core: Core, n_features: int, target: int) -> None:
        super().__init__()
        self.core = core
        self.target = target
        self.width = 1 + core.horizon + len(core.part_names) + 2 * int(core.has_residual) + 2 + 2 * n_features

    def forward(self, x_BWF: Tensor) -> Tensor:
        """Shape (B, D)."""
        x_BW = x_BWF[:, :, self.target]
        said = self.core.decompose(x_BW)
        left = [] if said.residual is None else [_moments(said.residual)]
        return torch.cat([_total(said.path), said.path, *_totals(said), *left, _moments(x_BW), x_BWF[:, -1], x_BWF.mean(dim=1)], dim=1)

    def explained(self, x_BWF: Tensor) -> dict[str, Tensor]:
        """The target's path and its parts ("trend" and "seasonal" where the core has them), (B, H) each, in scaled units."""
        said = self.core.decompose(x_BWF[:, :, self.target])
        return {**said.parts, "path": said.path}

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """How much each part moves from window to window, against the path; and the share of the windows left unexplained."""
        x_BW = x_BWF[:, :, self.target]
        said = self.core.decompose(x_BW)
        figures = _part_shares(said)
        if said.residual is not None:
            figures["unexplained_share"] = float(said.residual.square().mean() / (x_BW.square().mean() + TINY))
        return figures


class ChannelPathsTrunk(nn.Module):
    """A core on every feature, with the same weights for all, as DLinear and NLinear are published; the head mixes them.

    The vector is, in this order: the sum of the target's path; the paths of all features, one after the other; the sum of each
    part of the target's path; mean and log deviation of the target's window. Its first column is read as `PathTrunk`'s is.
    """

    def __init__(self, core: Core, n_features: int, target: int) -> None:
        super().__init__()
        self.core = core
        self.target = target
        self.width = 1 + n_features * core.horizon + len(core.part_names) + 2

    def forward(self, x_BWF: Tensor) -> Tensor:
        """Shape (B, D)."""
        said = self.core.decompose(x_BWF.transpose(1, 2))
        own = self._of_target(said)
        return torch.cat([_total(own.path), said.path.flatten(1), *_totals(own), _moments(x_BWF[:, :, self.target])], dim=1)

    def explained(self, x_BWF: Tensor) -> dict[str, Tensor]:
        """The target's path and its parts, (B, H) each, in scaled units."""
        said = self._of_target(self.core.decompose(x_BWF.transpose(1, 2)))
        return {**said.parts, "path": said.path}

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """How much each part moves from window to window, against the path."""
        return _part_shares(self._of_target(self.core.decompose(x_BWF.transpose(1, 2))))

    def _of_target(self, said: Decomposition) -> Decomposition:
        return Decomposition(said.path[:, self.target], {name: part[:, self.target] for name, part in said.parts.items()})


def _total(path_BH: Tensor) -> Tensor:
    return path_BH.sum(dim=1, keepdim=True)


def _totals(said: Decomposition) -> list[Tensor]:
    return [_total(part_BH) for part_BH in said.parts.values()]


def _moments(x_BW: Tensor) -> Tensor:
    """Mean and log deviation of each row, shape (B, 2)."""
    variance_B1 = x_BW.var(dim=1, keepdim=True, correction=0)
    return torch.cat([x_BW.mean(dim=1, keepdim=True), 0.5 * torch.log(variance_B1 + TINY)], dim=1)


def _part_shares(said: Decomposition) -> dict[str, float]:
    path = said.path.var(dim=0, correction=0).sum() + TINY
    return {f"{name}_share": float(part.var(dim=0, correction=0).sum() / path) for name, part in said.parts.items()}
