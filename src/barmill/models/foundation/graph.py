"""From foreign weights to one ONNX graph: a window in, the nine deciles of one step ahead out."""

import numpy as np
import torch
from torch import Tensor, nn

from barmill.errors import TrainingError
from barmill.models.foundation.forecaster import run_session
from barmill.models.heads import NamedModule
from barmill.models.onnx_export import export_onnx
from barmill.models.onnx_session import open_session

PARITY_LIMIT = 1e-5
PARITY_WINDOWS = 32


class DecilesAhead(NamedModule):
    """The deciles of step `step` ahead of a window of levels, sorted: the networks do not promise their order."""

    names = ("deciles",)

    def __init__(self, network: nn.Module, step: int) -> None:
        super().__init__()
        self.network = network
        self.step = step

    def forward(self, window: Tensor) -> Tensor:
        """(B, W, 1) to (B, 9)."""
        ahead: Tensor = self.network(window[:, :, 0])
        return torch.sort(ahead[:, self.step - 1], dim=1).values


def exported(model: str, network: nn.Module, step: int, window: int) -> bytes:
    """The graph, proved on random walks: it says what the network says.

    Raises TrainingError if it does not, within 1e-5 of the walks' own scale.
    """
    ahead = DecilesAhead(network, step).eval()
    graph = export_onnx(ahead, window, 1)
    walks = np.cumsum(np.random.default_rng(0).standard_normal((PARITY_WINDOWS, window)), axis=1)
    levels = (walks - walks[:, -1:]).astype(np.float32)
    with torch.no_grad():
        said = ahead(torch.from_numpy(levels[:, :, None])).numpy()
    difference = float(np.abs(run_session(open_session(graph), levels) - said).max() / max(1.0, float(np.abs(said).max())))
    if not difference < PARITY_LIMIT:
        found = f"differs from the network by {difference:.2g}"
        raise TrainingError(f"model '{model}', export", found, expected=f"less than {PARITY_LIMIT:g}")
    return graph
