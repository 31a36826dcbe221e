"""Same input, same weights: what must be set while a network trains, and put back afterwards.

Randomness is never carried along: every step draws from its own seed, so a resumed training needs no random state, and
an epoch's order is a pure function of the seed and the epoch.
"""

import contextlib
import os
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

_ORDER, _STEP = 1, 2  # streams of one seed


@contextlib.contextmanager
def deterministic(device: torch.device) -> Generator[None]:
    """Deterministic algorithms on one thread; torch's global state is as before when the block ends.

    One thread, because torch's deterministic algorithms are so for one number of threads only. The gradients of LayerNorm, BatchNorm
    and convolutions are added up thread by thread, and MKL cuts a matrix product by their number: at 256 windows of 60 bars and 25
    features the last bits differ between one thread and two, and `MKL_CBWR=AUTO,STRICT` mends the matrix products alone. More cores
    are put to use by more processes, whose number is part of what is asked for (see `several_devices`).
    """
    on_gpu = device.type == "cuda"
    algorithms = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill: bool = memory.fill_uninitialized_memory
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    before_threads = torch.get_num_threads()
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    with torch.random.fork_rng(devices=[device.index or 0] if on_gpu else []):
        try:
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True)
            memory.fill_uninitialized_memory = False  # our tensors are written before they are read
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
            if on_gpu and workspace is None:
                os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS adds up in a fixed order only with this
            yield
        finally:
            torch.set_num_threads(before_threads)
            torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
            memory.fill_uninitialized_memory = fill
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
            if on_gpu and workspace is None:
                os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def epoch_order(seed: int, epoch: int, n: int) -> npt.NDArray[np.int64]:
    """The order in which `epoch` visits `n` samples."""
    return np.random.default_rng([_ORDER, seed, epoch]).permutation(n)


def seed_step(seed: int, step: int, device: torch.device, rank: int = 0) -> None:
    """Seed what the network draws (dropout) in optimizer step `step` in process `rank` of those that train together."""
    stream = [_STEP, seed, step, rank] if rank else [_STEP, seed, step]
    value = int(np.random.SeedSequence(stream).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.manual_seed(value)
