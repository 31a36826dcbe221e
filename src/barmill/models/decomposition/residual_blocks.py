"""Doubly residual stacking, which N-BEATS and N-HiTS share: a block takes what the blocks before it left of the window.

Axes: B batch, W window, H points of the path, P coefficients.
Source: Oreshkin, Carpov, Chapados and Bengio (2020), N-BEATS, ICLR, section 3.2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from barmill.models.decomposition.path_trunk import Core, Decomposition


class Block(nn.Module):
    """Dense layers that say coefficients of two bases: one explains the block's window (backcast), one continues it (forecast).

    Parameters
    ----------
    reads : int, numbers that the first layer takes
    backcast, forecast : the bases as matrices, (P, W) and (P, H); None where the coefficients are the values themselves
    window, horizon : int, W and H
    pooling : int, bars of which the block sees the largest; the last of them, the oldest, may be fewer
    linear_start : bool, a linear layer before the first, with nothing between: the two say no more than one, and learn otherwise.
        The papers have none; the authors' later package, neuralforecast, does, and N-HiTS's published figures are from there
    """

    def __init__(
        self,
        window: int,
        horizon: int,
        width: int,
        layers: int,
        dropout: float,
        backcast: Tensor | None = None,
        forecast: Tensor | None = None,
        pooling: int = 1,
        linear_start: bool = False,
    ) -> None:
        super().__init__()
        self.n_backcast = window if backcast is None else backcast.shape[0]
        self.n_forecast = horizon if forecast is None else forecast.shape[0]
        self.pool = nn.MaxPool1d(pooling, pooling, ceil_mode=True)
        n_seen = -(-window // pooling)
        dense: list[nn.Module] = [nn.Linear(n_seen, width)] if linear_start else []
        for size in [width if linear_start else n_seen, *[width] * (layers - 1)]:
            dense += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)]
        self.dense = nn.Sequential(*dense)
        self.coefficients = nn.Linear(width, self.n_backcast + self.n_forecast)
        self.backcast: Tensor | None
        self.forecast: Tensor | None
        self.register_buffer("backcast", backcast, persistent=False)
        self.register_buffer("forecast", forecast, persistent=False)

    def forward(self, x_BW: Tensor) -> tuple[Tensor, Tensor]:
        """Backcast (B, W), newest bar first as the input is, and forecast (B, H)."""
        seen = self.pool(x_BW[:, None])[:, 0]
        backcast_BP, forecast_BP = self.coefficients(self.dense(seen)).split([self.n_backcast, self.n_forecast], dim=1)
        backcast = backcast_BP if self.backcast is None else backcast_BP @ self.backcast
        forecast = forecast_BP if self.forecast is None else forecast_BP @ self.forecast
        return backcast, forecast


class ResidualCore(Core):
    """Blocks in a row on the window read newest bar first; the path is the sum of what they forecast, from a level.

    Parameters
    ----------
    horizon : int, points of the path
    stacks : for each stack the part that its blocks add to ("" for none), and its blocks in order; one that stands there more
        than once shares its weights
    level : "last" starts the path from the newest value, as published, "zero" from nothing; it belongs to the first part
    """

    has_residual = True

    def __init__(self, horizon: int, stacks: Sequence[tuple[str, Sequence[Block]]], level: str) -> None:
        super().__init__()
        self.horizon = horizon
        self.level = level
        self.part_names = tuple(dict.fromkeys(name for name, _ in stacks if name))
        unique = list(dict.fromkeys(block for _, blocks in stacks for block in blocks))
        self.blocks = nn.ModuleList(unique)  # each once, so that shared weights are saved once
        self.order = [(name, unique.index(block)) for name, blocks in stacks for block in blocks]

    def decompose(self, x: Tensor) -> Decomposition:
        """Windows (B, W), oldest bar first, of one series."""
        residual = x.flip(1)
        level = x[:, -1:].expand(-1, self.horizon) if self.level == "last" else torch.zeros_like(x[:, -1:]).expand(-1, self.horizon)
        path = level
        parts = {name: level if place == 0 else torch.zeros_like(level) for place, name in enumerate(self.part_names)}
        for name, at in self.order:
            backcast, forecast = self.blocks[at](residual)
            residual = residual - backcast
            path = path + forecast
            if name:
                parts[name] = parts[name] + forecast
        return Decomposition(path, parts, residual)
