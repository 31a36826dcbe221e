"""What is taken out of a recurrent graph changes no bit of what it says."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from barmill.models import onnx_export
from barmill.models.onnx_export import export_onnx
from barmill.models.recurrent.trunk import RecurrentTrunk

N_FEATURES, WINDOW, HIDDEN = 5, 9, 6


class Stacked(nn.Module):
    """Layers that begin with nothing, as ours do."""

    names = ("logits",)

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.trunk, self.head = RecurrentTrunk(cell, N_FEATURES, HIDDEN, 2, 0.0), nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(x))


class BothWays(nn.Module):
    """A layer that reads both ways: its two directions lie on the axis that others squeeze."""

    names = ("logits",)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(N_FEATURES, HIDDEN, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0][:, -1]


class BegunElsewhere(nn.Module):
    """A layer that is told where to begin."""

    names = ("logits",)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(N_FEATURES, HIDDEN, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x, x[:, 0, :1].repeat(1, HIDDEN)[None])[0][:, -1]


def said(graph: bytes, windows: np.ndarray) -> bytes:
    return ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"window": windows})[0].tobytes()


@pytest.mark.parametrize("network", [lambda: Stacked("lstm"), lambda: Stacked("gru"), BothWays, BegunElsewhere])
def test_the_lean_graph_says_the_same_bits(network, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    made = network()
    lean = export_onnx(made, WINDOW, N_FEATURES)
    monkeypatch.setattr(onnx_export, "without_idle_nodes", lambda model: model)
    whole = export_onnx(made, WINDOW, N_FEATURES)
    rng = np.random.default_rng(5)
    for n in (1, 2, 67):
        windows = rng.standard_normal((n, WINDOW, N_FEATURES)).astype(np.float32)
        assert said(lean, windows) == said(whole, windows)
    nodes, before = (onnx.load_from_string(graph).graph.node for graph in (lean, whole))
    assert len(nodes) <= len(before)
    kinds = {node.op_type for node in nodes}
    if isinstance(made, Stacked):
        assert not kinds & {"Shape", "Expand", "Mul", "Reshape"}, "no shape is worked out in a call"
    else:
        assert "Shape" in kinds
