"""The processes that train one network together: each one's share of a batch, and the sums over all of them.

What is added up over processes is gathered and added in the order of their numbers, on every one of them. So all of them hold
the same bits, and the same number of processes gives the same result however the transport would have added.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

from barmill.errors import RecipeError, TrainingError


class PeerLost(TrainingError):
    """Another process of the same training ended; why, only that one knows."""


@dataclass(slots=True)
class Processes:
    """This process among those that train together.

    rank, size : its number, from 0, and how many there are
    device : where the tensors that are told live
    factor : 1.0 while the rows in work count, 0.0 where another process does the same rows and they count there
    """

    rank: int
    size: int
    device: torch.device
    factor: float = 1.0

    @classmethod
    def joined(cls, device: torch.device) -> "Processes":
        """Those of torch's process group, if the caller's process has one; else this one alone."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size(), device)
        return cls(0, 1, device)

    @property
    def is_first(self) -> bool:
        """True for the one that validates, keeps checkpoints and tells."""
        return self.rank == 0

    def admit(self, batch_size: int) -> None:
        """Raises RecipeError where a batch is too small to be shared."""
        if batch_size < self.size:
            found = f"{batch_size} samples a batch for {self.size} processes"
            raise RecipeError("batch_size", found, expected=f"at least {self.size}", mend="Raise batch_size, or name fewer devices.")

    def share(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """This process's part of a batch: sizes differ by one at most, and the parts in their order are the batch.

        A batch of fewer samples than processes is done by all of them and counts in the first, so that none stands without any.
        """
        if positions.size < self.size:
            self.factor = 1.0 if self.is_first else 0.0
            return positions
        self.factor = 1.0
        return np.array_split(positions, self.size)[self.rank]

    def total(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes."""
        if self.size == 1:
            return values
        first, *others = self._gathered(values)
        for other in others:
            first += other
        return first

    def from_first(self, values: Sequence[float]) -> list[float]:
        """What the first process holds, on all of them."""
        if self.size == 1:
            return list(values)
        return self._gathered(torch.tensor(values, dtype=torch.float64, device=self.device))[0].tolist()

    def add_gradients(self, network: nn.Module) -> None:
        """Put the sum of all processes' gradients in the place of each one's own.

        A parameter without a gradient in any process keeps none, as AdamW leaves such a one alone.
        """
        if self.size == 1:
            return
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        own = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        has = torch.tensor([one.grad is not None for one in parameters], dtype=torch.float32, device=self.device)
        added = self.total(torch.cat([has, *(gradient.float().flatten() for gradient in own)]))
        start = len(parameters)
        for parameter, known in zip(parameters, added[:start].tolist(), strict=True):
            end = start + parameter.numel()
            parameter.grad = added[start:end].view_as(parameter).to(parameter.dtype).clone() if known else None
            start = end

    def agree(self, what: str, content: bytes) -> None:
        """Raises TrainingError unless all processes come with the same `content`."""
        if self.size == 1:
            return
        digest = np.frombuffer(hashlib.sha256(content).digest(), dtype=np.uint8).astype(np.int64)
        told = self._gathered(torch.from_numpy(digest).to(self.device))
        others = [str(rank + 1) for rank, one in enumerate(told) if not torch.equal(one, told[0])]
        if others:
            found = f"{what} of process {', '.join(others)} differ from those of process 1"
            raise TrainingError("processes", found, mend="Give every process the same samples, parameters, seed and folders.")

    def _gathered(self, values: Tensor) -> list[Tensor]:
        """The `values` of every process, in the order of their numbers."""
        values = values.detach().contiguous()
        found = [torch.empty_like(values) for _ in range(self.size)]
        try:
            dist.all_gather(found, values)
        except RuntimeError as error:
            raise PeerLost(f"process {self.rank + 1} of {self.size}", f"lost touch with the others: {error}") from error
        return found
