import os

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from barmill.models import FitContext, Samples
from barmill.models.heads import ForecastNetwork
from barmill.models.network_loss import ForecastLoss
from barmill.models.recurrent.params import LSTMParams
from barmill.training import train_network
from barmill.training.determinism import deterministic, epoch_order, seed_step
from barmill.views import WindowTensor
from trainings.small import LAYOUT

CPU = torch.device("cpu")


def _global_state() -> tuple[object, ...]:
    return (
        torch.get_rng_state().numpy().tobytes(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        dict(os.environ),
    )


@pytest.mark.parametrize("fails", [False, True])
def test_global_state_is_as_before_also_after_an_error(fails: bool) -> None:
    with deterministic(CPU):  # torch loads its compiler when this is first set, which names a folder of its own in the environment
        pass
    before = _global_state()
    try:
        with deterministic(CPU):
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.get_num_threads() == 1
            seed_step(1, 2, CPU)
            torch.randn(5)
            if fails:
                raise ValueError("on purpose")
    except ValueError:
        pass
    assert _global_state() == before


def test_an_epochs_order_is_a_permutation_that_seed_and_epoch_decide() -> None:
    order = epoch_order(5, 1, 1000)
    assert np.array_equal(np.sort(order), np.arange(1000))
    assert np.array_equal(order, epoch_order(5, 1, 1000))
    assert not np.array_equal(order, epoch_order(5, 2, 1000))
    assert not np.array_equal(order, epoch_order(6, 1, 1000))


def test_a_steps_draws_are_decided_by_seed_and_step_alone() -> None:
    def draw(seed: int, step: int) -> bytes:
        with torch.random.fork_rng(devices=[]):
            seed_step(seed, step, CPU)
            return torch.rand(4).numpy().tobytes()

    first = draw(1, 7)
    draw(1, 8)
    assert draw(1, 7) == first
    assert len({draw(1, 7), draw(1, 8), draw(2, 7)}) == 3


class Sized(nn.Module):
    """What adds up by threads where torch may have several: a norm by rows, a norm by batch, a convolution, matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.by_row, self.by_batch = nn.LayerNorm(25), nn.BatchNorm1d(64)
        self.conv, self.cells, self.row = nn.Conv1d(25, 64, 3), nn.GRU(64, 128, batch_first=True), nn.Linear(25, 128)

    def forward(self, x_BWF: Tensor) -> Tensor:
        normed = self.by_row(x_BWF)
        convolved = self.by_batch(self.conv(normed.transpose(1, 2)))
        return self.cells(convolved.transpose(1, 2)[:, -20:])[0][:, -1] + self.row(normed).mean(dim=1)


def test_a_step_of_real_size_gives_the_same_bytes_with_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    base, at = rng.standard_normal((700, 25)).astype(np.float32), np.arange(60, 572)
    z = base[at, 0].astype(np.float64)
    rows = Samples(WindowTensor(base, at, 60), (z > 0).astype(np.int8), z, np.ones(at.size))
    params = LSTMParams(seq_len=60, epochs=1, batch_size=256)
    before = torch.get_num_threads()

    def trained(threads: int) -> bytes:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(3)
            network = ForecastNetwork(Sized(), 128, LAYOUT)
        torch.set_num_threads(threads)
        context = FitContext(1, 2, ("p_up", "E_r"), tuple(map(str, range(25))), threads=threads)
        done = train_network(network, rows, rows, ForecastLoss(LAYOUT, torch.ones(2), params), params, context)
        assert done.summary["steps"] == 2
        return b"".join(tensor.numpy().tobytes() for tensor in done.network.state_dict().values())

    try:
        assert trained(1) == trained(2) == trained(3)
    finally:
        torch.set_num_threads(before)
