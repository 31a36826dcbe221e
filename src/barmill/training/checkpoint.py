"""The state of a training between two steps, in one file that is replaced whole.

Tensors are safetensors; the plain numbers stand as JSON in the same file's header, so that the two can never be of
different moments. A checkpoint carries the key of its fit: one of another fit is not resumed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from barmill.artefacts import canonical_json, write_bytes
from barmill.models.contract import FitContext, Samples, View
from barmill.models.network_params import NetworkParams
from barmill.training.early_stopping import EarlyStopping
from barmill.views import FeatureMatrix, PatternImage, WindowTensor

NAME = "training.safetensors"


@dataclass(slots=True)
class LoopState:
    """Where the training stands; the only thing that the loop changes besides weights and optimizer.

    epoch, step_in_epoch : the epoch in work, and the optimizer steps it has done
    step : optimizer steps in all
    sums, weight : loss parts and weights summed over the epoch in work
    norms : norms of the gradients of the epoch in work, before clipping
    history : losses and figures of the gradient, one value an epoch
    stopped : why it ended, empty while it has not
    best : weights of the epoch with the lowest validation loss, on the CPU; health : figures of the network at that epoch
    """

    stopping: EarlyStopping
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict[str, float])
    weight: float = 0.0
    norms: list[float] = field(default_factory=list[float])
    history: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    stopped: str = ""
    best: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    health: dict[str, float] = field(default_factory=dict[str, float])


def fit_key(network: nn.Module, train: Samples, valid: Samples, params: NetworkParams, context: FitContext, numbers: str) -> str:
    """Digest of all that decides the result: data, parameters, seed, network, libraries and kind of numbers."""
    digest = hashlib.sha256()
    told = {
        "params": params.model_dump(mode="json"),
        "seed": context.seed,
        "outputs": list(context.outputs),
        "n_classes": context.n_classes,
        "numbers": numbers,
        "torch": torch.__version__,
        "network": {name: list(tensor.shape) for name, tensor in network.state_dict().items()},
    }
    digest.update(canonical_json(told))
    for samples in (train, valid):
        for array in (*_inputs(samples.view), samples.y, samples.z, samples.weight):
            digest.update(str((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _inputs(view: View) -> list[npt.NDArray[Any]]:
    """The arrays that decide what a network sees; how many bars of which timeframe is said by its parameters."""
    if isinstance(view, FeatureMatrix):
        return [view.base, view.rows]
    if isinstance(view, WindowTensor):
        return [view.base, view.ends]
    if isinstance(view, PatternImage):
        return [view.prices, view.signals, view.ends]
    shared = [array for array in (view.reference, view.unit) if array is not None]
    return [*(array for one in view.resolutions for array in (one.base, one.last)), view.ends, *shared]


def save_checkpoint(
    folder: Path, key: str, state: LoopState, network: nn.Module, optimizer: torch.optim.Optimizer, scaler: Mapping[str, Any]
) -> None:
    """Replace the checkpoint in `folder`."""
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    for name, parameter in network.named_parameters():
        for what, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{what}/{name}"] = value
    told = {
        "key": key,
        "stopping": asdict(state.stopping),
        "epoch": state.epoch,
        "step_in_epoch": state.step_in_epoch,
        "step": state.step,
        "sums": state.sums,
        "weight": state.weight,
        "norms": state.norms,
        "history": state.history,
        "health": state.health,
        "stopped": state.stopped,
        "scaler": dict(scaler),
    }
    content = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # Python's JSON writes a float so that it reads back to the bit, and Infinity for the loss before the first epoch.
    write_bytes(folder / NAME, safetensors.torch.save(content, metadata={"state": json.dumps(told)}))


def load_checkpoint(
    folder: Path, key: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[LoopState, dict[str, Any]] | None:
    """Put weights and optimizer back and return the loop's and the gradient scaler's state; None if there is none of this fit."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get("state", "{}"))
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except safetensors.SafetensorError:
        return None  # not ours: ours are replaced whole
    if told.get("key") != key:
        return None
    network.load_state_dict(_below("network/", tensors))
    for name, parameter in network.named_parameters():
        kept = {what: tensors.get(f"optimizer/{what}/{name}") for what in ("step", "exp_avg", "exp_avg_sq")}
        if kept["exp_avg"] is not None:
            # AdamW counts its steps in a tensor that stays on the CPU.
            optimizer.state[parameter] = {w: t if w == "step" or t is None else t.to(parameter.device) for w, t in kept.items()}
    state = LoopState(
        stopping=EarlyStopping(**told["stopping"]),
        best=_below("best/", tensors),
        **{name: told[name] for name in ("epoch", "step_in_epoch", "step", "sums", "weight", "norms", "history", "health", "stopped")},
    )
    return state, told["scaler"]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
