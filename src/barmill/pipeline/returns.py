"""The net returns per bar that a run is judged by: of the test block, and of the paths through what lies before it."""

from safetensors.numpy import load as load_tensors

from barmill.pipeline.plan import Stages
from barmill.pipeline.trading_path import Float64Array
from barmill.pipeline.workspace import Workspace

TYPICAL = "typical"  # the path whose Sharpe ratio is the median one
MEAN = "mean"  # of all paths, bar by bar


def test_returns(stages: Stages, workspace: Workspace) -> dict[str, Float64Array]:
    """By model: float64 (n_bars - 2,), of the test block."""
    return load_tensors((workspace.path(stages.judgement) / "returns.safetensors").read_bytes())


def path_returns(stages: Stages, workspace: Workspace, kind: str) -> dict[str, Float64Array]:
    """By model: float64 (n_bars - 2,), of the TYPICAL path or the MEAN of all; empty for a run that does not cross-validate."""
    if stages.cross_validation is None:
        return {}
    tensors = load_tensors((workspace.path(stages.cross_validation) / "returns.safetensors").read_bytes())
    return {label: tensors[f"{kind}|{label}"] for label in stages.judged}
