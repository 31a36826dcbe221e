"""Known matrices against other ways to get the same numbers."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from barmill.models.decomposition.constants import harmonic_basis, linear_interpolation, moving_average, polynomial_basis


def test_moving_average_of_five_bars_by_hand() -> None:
    smooth = torch.tensor([0.0, 3.0, 0.0, 0.0, 9.0]) @ moving_average(5, 3)
    assert smooth.tolist() == pytest.approx([1.0, 1.0, 1.0, 3.0, 6.0])  # the ends stand in for what is beyond them


@pytest.mark.parametrize(("length", "kernel"), [(60, 25), (8, 25), (2, 3), (7, 1)])
def test_moving_average_is_that_of_a_series_continued_by_its_ends(length: int, kernel: int) -> None:
    x = np.random.default_rng(0).standard_normal(length)
    padded = np.pad(x, (kernel - 1) // 2, mode="edge")
    expected = np.convolve(padded, np.ones(kernel) / kernel, mode="valid")
    np.testing.assert_allclose((torch.tensor(x, dtype=torch.float32) @ moving_average(length, kernel)).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("knots", "horizon"), [(1, 1), (1, 7), (2, 2), (2, 7), (3, 12), (5, 96), (12, 12), (12, 96)])
def test_interpolation_is_torchs_own(knots: int, horizon: int) -> None:
    theta = torch.randn(4, knots, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(theta[:, None], size=horizon, mode="linear")[:, 0]
    torch.testing.assert_close(theta @ linear_interpolation(knots, horizon), expected, rtol=0, atol=1e-5)


def test_a_trend_of_degree_two_is_any_parabola() -> None:
    time = np.arange(12) / 12
    basis = polynomial_basis(12, 2)
    np.testing.assert_allclose((torch.tensor([1.0, -2.0, 3.0]) @ basis).numpy(), 1 - 2 * time + 3 * time**2, atol=1e-6)


def test_waves_go_on_unbroken_from_the_window_into_the_path() -> None:
    window, horizon, harmonics = 30, 12, 2
    past, future = harmonic_basis(window, horizon, harmonics, backwards=True), harmonic_basis(horizon, horizon, harmonics)
    turns = np.append(0.0, np.arange(2, 12) / 2)
    assert past.shape == (2 * turns.size, window)
    angle = 2 * np.pi * turns[:, None] / horizon
    np.testing.assert_allclose(future.numpy(), np.r_[np.cos(angle * np.arange(12)), np.sin(angle * np.arange(12))], atol=1e-5)
    np.testing.assert_allclose(past.numpy(), np.r_[np.cos(angle * -np.arange(30)), np.sin(angle * -np.arange(30))], atol=1e-5)
