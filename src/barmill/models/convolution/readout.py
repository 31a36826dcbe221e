"""From a map of channels over the window to the vector that the head reads, and how alive the map is.

Axes: B batch, W window, F features, C channels.
"""

import torch
from torch import Tensor, nn


class Readout(nn.Module):
    """The mean over the window (global average pooling) and, unless left out, the last position beside it.

    A mean knows what occurred and forgets when; a forecast asks for what the newest bar says.
    """

    def __init__(self, kind: str, dropout: float) -> None:
        super().__init__()
        self.keeps_last = kind == "mean_and_last"
        self.dropout = nn.Dropout(dropout)

    def width(self, channels: int) -> int:
        """Length of the vector made of `channels`."""
        return channels * (2 if self.keeps_last else 1)

    def forward(self, map_BCW: Tensor) -> Tensor:
        """Shape (B, width)."""
        mean_BC = map_BCW.mean(dim=2)
        return self.dropout(torch.cat([mean_BC, map_BCW[:, :, -1]], dim=1) if self.keeps_last else mean_BC)


def activation_health(trunk: nn.Module, x_BWF: Tensor) -> dict[str, float]:
    """How alive a trunk of ReLU layers is on some windows.

    Returns
    -------
    dict : `dead_units`, the share of channels, over all ReLU layers, that no bar of any window switches on;
        `activation_rms`, the root mean square of what the ReLU layers let through, on average over the layers;
        `vector_norm`, the mean length of the vector that the head reads
    """
    maps: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], map_BCW: Tensor) -> None:
        maps.append(map_BCW.detach())

    hooks = [module.register_forward_hook(keep) for module in trunk.modules() if isinstance(module, nn.ReLU)]
    try:
        with torch.no_grad():
            vectors_BD = trunk(x_BWF)
    finally:
        for hook in hooks:
            hook.remove()
    dead = torch.cat([(found <= 0).all(dim=2).all(dim=0) for found in maps])
    rms = torch.stack([found.square().mean().sqrt() for found in maps])
    return {
        "dead_units": float(dead.double().mean()),
        "activation_rms": float(rms.mean()),
        "vector_norm": float(vectors_BD.norm(dim=1).mean()),
    }
