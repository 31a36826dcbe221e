"""Trainings of many kinds, made in one process or by several together: `-m trainings.together FOLDER` under torch's launcher.

The first process leaves `results.json` and the weights of each kind in the folder.
"""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor, nn

from barmill.errors import BarmillError
from barmill.models.heads import ForecastNetwork
from barmill.models.network_loss import ForecastLoss
from barmill.models.recurrent.lstm import fit_lstm
from barmill.training import TrainedNetwork, train_network
from barmill.training.rank import leave
from trainings.small import LAYOUT, Small

KINDS: dict[str, dict[str, Any]] = {
    "plain": {"epochs": 2},
    "accumulation": {"accumulation": 4},
    "clipping": {"grad_clip": 0.05},
    "stopping": {"epochs": 60, "patience": 1, "min_delta": 1.0},
    "a last batch of one sample": {"n_rows": 97},
    "a last batch of two samples": {"n_rows": 98},
    "sample weights": {"weighted": True},
    "batch norm": {"normed": True},
    "batch norm, a last batch of one sample": {"normed": True, "n_rows": 97},
    "batch norm, accumulation": {"normed": True, "accumulation": 3},
    "dropout": {"dropout": 0.3},
    "a parameter without a gradient": {"normed": True, "unused": True},
}
OF_THREE = (
    "plain",
    "a last batch of one sample",
    "a last batch of two samples",
    "batch norm",
    "batch norm, a last batch of one sample",
    "dropout",
)


def kinds_of(size: int) -> tuple[str, ...]:
    """The kinds that `size` processes train: by three only those where the shares matter."""
    return (*OF_THREE, "dropout") if size == 3 else tuple(KINDS)


class Normed(nn.Module):
    """A convolution with a batch norm, whose mean is far from zero and whose channels differ in size."""

    def __init__(self, unused: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3, bias=False)  # a bias before the norm has no gradient but noise, which AdamW makes large
        self.layers = nn.Sequential(nn.BatchNorm1d(4), nn.ReLU())
        if unused:
            self.unused = nn.Parameter(torch.ones(2, 2))

    def forward(self, x_BWF: Tensor) -> Tensor:
        sized = self.conv(x_BWF.transpose(1, 2)) * torch.tensor([0.1, 1.0, 3.0, 10.0])[:, None] + 5.0
        return self.layers(sized)[:, :, -1]


def trained(kind: str) -> TrainedNetwork:
    """One training of `KINDS`."""
    told: dict[str, Any] = {"epochs": 1, "dropout": 0.0, **KINDS[kind]}
    n_rows, weighted, normed, unused = (told.pop(name, None) for name in ("n_rows", "weighted", "normed", "unused"))
    small = Small()
    n = n_rows or 390
    weights = {"weight": np.linspace(0.1, 1.9, n)} if weighted else {}
    rows, valid, params = small.samples(10, 10 + n, **weights), small.samples(420, 600), small.params(**told)
    if normed:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(3)
            network = ForecastNetwork(Normed(bool(unused)), 4, LAYOUT)
    else:
        network = small.network(params)
    return train_network(network, rows, valid, ForecastLoss(LAYOUT, torch.ones(2), params), params, small.context())


def refusals(rank: int) -> dict[str, str]:
    """What is said where processes cannot train, or what they train breaks."""
    small = Small()
    overflowing = small.z[10:400].copy()
    overflowing[77] = 1e300
    attempts = {
        "a loss that is not finite": lambda: small.train(rows=small.samples(z=overflowing), dropout=0.0),
        "another seed": lambda: small.train(context=small.context(seed=rank)),
        "a small batch": lambda: small.train(batch_size=1),
    }
    found: dict[str, str] = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except BarmillError as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def fitted_weights() -> bytes:
    """The weights that the LSTM's own fit learns, before its export."""
    learned: list[TrainedNetwork] = []

    def training(*args: Any) -> TrainedNetwork:
        learned.append(train_network(*args))
        raise Learned

    small = Small()
    with contextlib.suppress(Learned):
        fit_lstm(small.params(), small.samples(), small.samples(420, 600), small.context(train_network=training))
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in sorted(learned[0].network.state_dict().items())})


class Learned(Exception):
    """Ends a fit once its weights are learned."""


def everything(rank: int = 0, size: int = 1) -> dict[str, Any]:
    """Summaries, weights and refusals of all trainings."""
    found: dict[str, Any] = {"refusals": refusals(rank), "summaries": {}, "weights": {}}
    for kind in kinds_of(size):
        done = trained(kind)
        found["summaries"][kind] = done.summary
        found["weights"][kind] = {name: tensor.numpy() for name, tensor in done.network.state_dict().items()}
    return found


def digest(weights: dict[str, Any]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in weights.values())).hexdigest()


def main(folder: Path) -> None:
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", init_method=f"file://{folder / 'group'}", rank=rank, world_size=size)
    found = everything(rank, size)
    fitted = fitted_weights() if size == 2 else b""
    found["again"] = digest({name: tensor.numpy() for name, tensor in trained("dropout").network.state_dict().items()})
    told = [None] * size
    dist.all_gather_object(told, {kind: digest(weights) for kind, weights in found["weights"].items()})
    dist.destroy_process_group()
    if rank == 0:
        (folder / "weights.safetensors").write_bytes(fitted)
        for kind, weights in found.pop("weights").items():
            np.savez(folder / f"{kind}.npz", **weights)
        (folder / "results.json").write_text(json.dumps(found | {"digests": told}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    leave()
