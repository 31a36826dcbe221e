"""Matrices that are known before any training: what smooths a window, and what a path is made of.

As plain matrix products they leave nothing to an exporter's idea of padding or of interpolation.
Axes: L bars of the window, H points of the path, K knots, P coefficients.
"""

import numpy as np
import torch
from torch import Tensor


def moving_average(length: int, kernel: int) -> Tensor:
    """Centred moving average of `kernel` bars as a matrix (L, L): `x_BL @ matrix` smooths.

    Both ends are continued with their own value, as Zeng et al. do; with zeros the ends would be drawn towards 0.
    """
    matrix = np.zeros((length, length))
    reach = (kernel - 1) // 2
    for at in range(length):
        np.add.at(matrix[:, at], np.clip(np.arange(at - reach, at + reach + 1), 0, length - 1), 1.0 / kernel)
    return torch.tensor(matrix, dtype=torch.float32)


def linear_interpolation(knots: int, horizon: int) -> Tensor:
    """Straight lines through `knots` as a matrix (K, H): `theta_BK @ matrix` is the path.

    A knot stands in the middle of its share of the path; before the first and after the last the path is flat (the
    convention of half-pixel centres, which N-HiTS takes from `torch.nn.functional.interpolate`).
    """
    middles = np.clip((np.arange(horizon) + 0.5) * knots / horizon - 0.5, 0.0, knots - 1.0)
    left = np.minimum(middles.astype(np.int64), max(knots - 2, 0))
    share = middles - left
    matrix = np.zeros((knots, horizon))
    matrix[left, np.arange(horizon)] = 1.0 - share
    if knots > 1:
        matrix[left + 1, np.arange(horizon)] += share
    return torch.tensor(matrix, dtype=torch.float32)


def polynomial_basis(length: int, degree: int) -> Tensor:
    """Powers 0 to `degree` of time, which runs from 0 to below 1, as a matrix (P, length) (N-BEATS, equation 2)."""
    time = np.arange(length) / length
    return torch.tensor(time ** np.arange(degree + 1)[:, None], dtype=torch.float32)


def harmonic_basis(length: int, horizon: int, harmonics: int, *, backwards: bool = False) -> Tensor:
    """Cosines, then sines, of up to half a turn per bar as a matrix (P, length) (N-BEATS, equation 3).

    A path of `horizon` points holds 0, 1, 1 + 1/harmonics, .. up to below horizon / 2 turns. `backwards` counts time down from the
    decision, which is how a window that is read newest first continues the same waves into the past.
    """
    turns = np.append(0.0, np.arange(harmonics, harmonics / 2 * horizon) / harmonics)
    angle = 2 * np.pi * turns[:, None] * np.arange(length) / horizon * (-1.0 if backwards else 1.0)
    return torch.tensor(np.concatenate([np.cos(angle), np.sin(angle)]), dtype=torch.float32)
