"""The one training loop: AdamW, a schedule, clipping, accumulation, mixed precision, early stopping, resume.

Two fits with the same data, parameters and seed give the same weights, to the bit on one kind of device, whether they
ran through or were killed and resumed. Several processes that train together (see `processes`) share each batch; the
sums are over all of them, so their steps are those of one process but for the order in which floats are added.
Source: Loshchilov and Hutter (2019), Decoupled weight decay regularization, ICLR.
"""

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from barmill.models.contract import FitContext, Samples
from barmill.models.network_loss import Loss
from barmill.models.network_params import NetworkParams
from barmill.progress import SilentProgress
from barmill.training.batches import Batches, bases_on
from barmill.training.checkpoint import LoopState, fit_key, load_checkpoint, save_checkpoint
from barmill.training.determinism import deterministic, epoch_order, seed_step
from barmill.training.device import choose_device, choose_precision
from barmill.training.diagnosis import loss_not_finite
from barmill.training.early_stopping import EarlyStopping
from barmill.training.events import Events
from barmill.training.health import HEALTH_ROWS, gradient_health, health_of, health_summary
from barmill.training.processes import Processes
from barmill.training.schedule import rate_factor
from barmill.training.shared_norm import shared_norms

CHECKPOINT_EVERY = 500  # optimizer steps; about a minute of an LSTM on one core
EVALUATION_BATCH = 1024


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """The network with the weights of its best epoch, in evaluation mode on the CPU, and how it came to them."""

    network: nn.Module
    summary: Mapping[str, Any]


def train_network(
    network: nn.Module,
    train: Samples,
    valid: Samples,
    loss: Loss,
    params: NetworkParams,
    context: FitContext,
    *,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> TrainedNetwork:
    """Train `network` in place until the validation loss makes no progress, and keep its best weights.

    In a process that has joined torch's default process group it trains together with the group's other processes, each of which
    makes the same call and gets the same weights; the first one validates, keeps checkpoints and tells progress.

    Parameters
    ----------
    network : module from a batch of inputs to the columns of its head
    train, valid : samples to learn from, and to stop by
    loss : the loss, see `Loss`
    params : what the recipe says of training
    context : seed, device, and where checkpoints (`scratch`) and TensorBoard events (`logs`) go; its threads are not for networks,
        which train on one for every process (see `deterministic`)
    checkpoint_every : int, optimizer steps between checkpoints within an epoch; it does not change the result

    Raises
    ------
    TrainingError : a loss or a gradient that is not finite; names epoch, batch and the first bad feature. Processes that do not
        agree on what they train, or one that is gone
    SetupError, RecipeError : a device or precision that is not to be had
    """
    device = choose_device(context.device)
    precision = choose_precision(params.precision, device)
    processes = Processes.joined(device)
    processes.admit(params.batch_size)
    with deterministic(device):
        return _Training(network, train, valid, loss, params, context, processes, precision, checkpoint_every).run()


class _Training:
    """One training; `run` reads as the algorithm."""

    def __init__(
        self,
        network: nn.Module,
        train: Samples,
        valid: Samples,
        loss: Loss,
        params: NetworkParams,
        context: FitContext,
        processes: Processes,
        precision: torch.dtype,
        checkpoint_every: int,
    ) -> None:
        self.params, self.context, self.loss = params, context, loss
        self.processes, self.precision, self.checkpoint_every = processes, precision, checkpoint_every
        self.device = device = processes.device
        self.progress = context.progress if processes.is_first else SilentProgress()
        self.network = network.to(device)
        self.samples = {"train": train, "valid": valid}
        self.batches = {
            name: Batches(samples, base, device)
            for (name, samples), base in zip(self.samples.items(), bases_on(device, train, valid), strict=True)
        }
        self.group = min(params.batch_size * params.accumulation, len(train))
        self.steps_per_epoch = math.ceil(len(train) / self.group)
        self.total_steps = self.steps_per_epoch * params.epochs
        self.optimizer = _adamw(self.network, params)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)
        self.state = LoopState(EarlyStopping(params.patience, params.min_delta))
        self.key = ""
        self.started = time.perf_counter()  # for the rate that progress tells, and nothing else
        self.windows_done = 0

    def run(self) -> TrainedNetwork:
        self._resume()
        events = Events(self.context.logs if self.processes.is_first else None, self.state.step)
        with contextlib.closing(events), shared_norms(self.network, self.processes):
            while not self.state.stopped:
                self._train_epoch(events)
                self._close_epoch(self._validate(), events)
                self._checkpoint()
        self.network.load_state_dict(self.state.best)
        return TrainedNetwork(self.network.cpu().eval(), self._summary())

    def _train_epoch(self, events: Events) -> None:
        state = self.state
        order = epoch_order(self.context.seed, state.epoch, len(self.batches["train"]))
        self.network.train()
        while state.step_in_epoch < self.steps_per_epoch:
            start = state.step_in_epoch * self.group
            norm = self._step(order[start : start + self.group])
            state.step += 1
            state.step_in_epoch += 1
            state.norms.append(norm)
            events.write(state.step, {"gradient_norm": norm, "learning_rate": self.optimizer.param_groups[0]["lr"]})
            self._tell()
            if state.step_in_epoch < self.steps_per_epoch and state.step % self.checkpoint_every == 0:
                self._checkpoint()

    def _step(self, positions: npt.NDArray[np.int64]) -> float:
        """One step of the optimizer on the samples at `positions`; the norm of its gradient before clipping."""
        seed_step(self.context.seed, self.state.step, self.device, self.processes.rank)
        factor = rate_factor(self.state.step, self.total_steps, self.params.warmup_share, self.params.schedule, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.params.learning_rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        for start in range(0, positions.size, self.params.batch_size):
            part = positions[start : start + self.params.batch_size]
            sums, weight = self._forward("train", self.processes.share(part))
            # Divided by the full group also where the epoch's last one is smaller: every sample counts the same.
            total = torch.stack([self.loss.scales[name] * value for name, value in sums.items()]).sum() / self.group
            self._add(sums, weight, part)
            self.scaler.scale(total * self.processes.factor).backward()
        self.processes.add_gradients(self.network)
        self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.params.grad_clip))
        if not math.isfinite(norm) and not self.scaler.is_enabled():  # the scaler skips such a step and lowers its scale
            raise loss_not_finite(self._place(), {}, self.samples["train"], positions, self.context.feature_names)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.windows_done += positions.size
        return norm

    def _forward(self, which: str, positions: npt.NDArray[np.int64]) -> tuple[dict[str, Tensor], Tensor]:
        """Loss parts summed over the samples at `positions`, and the sum of their weights."""
        batch = self.batches[which].gather(positions)
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not torch.float32):
            head_BK = self.network(batch.x)
        return self.loss.sums(head_BK, batch.y, batch.z, batch.weight), batch.weight.sum(dtype=torch.float64)

    def _add(self, sums: dict[str, Tensor], weight: Tensor, positions: npt.NDArray[np.int64]) -> None:
        """Add a batch, of which `sums` are this process's share, to the epoch's loss; one transfer from the device for all parts."""
        own = torch.stack([*(value.detach().double() for value in sums.values()), weight])
        values = self.processes.total(own * self.processes.factor).tolist()
        parts = dict(zip(sums, values, strict=False))
        if not all(math.isfinite(value) for value in parts.values()):
            raise loss_not_finite(self._place(), parts, self.samples["train"], positions, self.context.feature_names)
        for name, value in parts.items():
            self.state.sums[name] = self.state.sums.get(name, 0.0) + value
        self.state.weight += values[-1]

    def _validate(self) -> dict[str, float]:
        """Mean loss parts over the validation samples, by weight, as the first process finds them."""
        own = self._valid_losses() if self.processes.is_first else dict.fromkeys(self.loss.scales, 0.0)
        return dict(zip(self.loss.scales, self.processes.from_first([own[name] for name in self.loss.scales]), strict=True))

    def _valid_losses(self) -> dict[str, float]:
        self.network.eval()
        totals: dict[str, float] = {}
        weights = 0.0
        n = len(self.batches["valid"])
        with torch.no_grad():
            for start in range(0, n, EVALUATION_BATCH):
                positions = np.arange(start, min(start + EVALUATION_BATCH, n))
                sums, weight = self._forward("valid", positions)
                parts = {name: float(value.double()) for name, value in sums.items()}
                if not all(math.isfinite(value) for value in parts.values()):
                    place = f"epoch {self.state.epoch + 1}, validation"
                    raise loss_not_finite(place, parts, self.samples["valid"], positions, self.context.feature_names)
                totals = {name: totals.get(name, 0.0) + value for name, value in parts.items()}
                weights += float(weight)
        return {name: value / weights for name, value in totals.items()}

    def _close_epoch(self, valid: dict[str, float], events: Events) -> None:
        """Note the epoch's losses, keep its weights if they are the best, and decide whether to go on."""
        state = self.state
        curves = {"train": {name: value / state.weight for name, value in state.sums.items()}, "valid": valid}
        scalars: dict[str, float] = {}
        for which, parts in curves.items():
            scalars[which] = sum(self.loss.scales[name] * value for name, value in parts.items())
            scalars |= {f"{which}_{name}": value for name, value in parts.items()}
        for name, value in scalars.items():
            state.history.setdefault(name, []).append(value)
        events.write(state.step, {f"loss/{name}": value for name, value in scalars.items()})
        gradients, health = gradient_health(state.norms, self.params.grad_clip), self._health()
        for name, value in gradients.items():
            state.history.setdefault(name, []).append(value)
        events.write(state.step, {f"health/{name}": value for name, value in (gradients | health).items()})
        state.stopping = state.stopping.after(state.epoch, scalars["valid"])
        if state.stopping.best_epoch == state.epoch:
            state.best = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
            state.health = health
        state.epoch += 1
        state.step_in_epoch, state.sums, state.weight, state.norms = 0, {}, 0.0, []
        if state.stopping.is_over:
            state.stopped = "patience"
        elif state.epoch == self.params.epochs:
            state.stopped = "epochs"

    def _health(self) -> dict[str, float]:
        """Health figures of the network as it is, on validation samples."""
        n = len(self.batches["valid"])
        positions = np.unique(np.linspace(0, n - 1, min(HEALTH_ROWS, n)).round().astype(np.int64))
        return health_of(self.network, self.batches["valid"].gather(positions).x)

    def _resume(self) -> None:
        several = self.processes.size > 1
        if self.context.scratch is None and not several:
            return
        numbers = f"{self.device.type} {self.precision}" + (f" {self.processes.size} processes" if several else "")
        self.key = fit_key(self.network, self.samples["train"], self.samples["valid"], self.params, self.context, numbers)
        if several:
            first = b"".join(tensor.detach().cpu().numpy().tobytes() for tensor in self.network.state_dict().values())
            self.processes.agree("data, parameters, seed or first weights", self.key.encode() + first)
        restored = None
        if self.context.scratch is not None:
            restored = load_checkpoint(self.context.scratch, self.key, self.network, self.optimizer)
        if restored is not None:
            self.state, scaler = restored
            if scaler:
                self.scaler.load_state_dict(scaler)
            self.progress.update(self.state.step, self.total_steps, f"resumed in epoch {self.state.epoch + 1}")
        self.processes.agree("checkpoints", str(self.state.step).encode())

    def _checkpoint(self) -> None:
        if self.context.scratch is not None and self.processes.is_first:
            save_checkpoint(self.context.scratch, self.key, self.state, self.network, self.optimizer, self.scaler.state_dict())

    def _place(self) -> str:
        return f"epoch {self.state.epoch + 1}, batch {self.state.step_in_epoch + 1}"

    def _tell(self) -> None:
        rate = self.windows_done / max(time.perf_counter() - self.started, 1e-9)
        note = f"epoch {self.state.epoch + 1}/{self.params.epochs}, {rate:,.0f} samples/s"
        if self.state.history:
            note += f", valid loss {self.state.history['valid'][-1]:.5f} (best {self.state.stopping.best_loss:.5f})"
        self.progress.update(self.state.step, self.total_steps, note)

    def _summary(self) -> dict[str, Any]:
        state = self.state
        together = {"processes": self.processes.size} if self.processes.size > 1 else {}
        return {
            "epochs": state.epoch,
            "best_epoch": state.stopping.best_epoch + 1,
            "best_valid_loss": state.stopping.best_loss,
            "stopped": state.stopped,
            "steps": state.step,
            "device": self.device.type,
            "precision": str(self.precision).removeprefix("torch."),
            **together,
            "health": health_summary(state.history, state.stopping.best_epoch, state.health),
            "history": state.history,
        }


def _adamw(network: nn.Module, params: NetworkParams) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves biases and norms, which have one axis, alone."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": params.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=params.learning_rate)
