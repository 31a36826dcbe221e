import os

import numpy as np
import pytest
import torch

from barmill.training.determinism import deterministic, epoch_order, seed_step

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
