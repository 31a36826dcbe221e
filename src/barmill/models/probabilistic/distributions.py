"""The two distributions of a return that DeepAR can learn, in float32 and in operations that ONNX has.

A tail probability is never taken as a difference of nearly equal numbers, so the log-odds of P(x > 0) keep float32's digits where
1 - F(x) has lost them. What is summed up is a short series: products and sums come out the same in every runtime, while sines and
exponentials differ between one row and a batch of them.

Axes: B batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

FARTHEST_T = 100.0  # scales from the threshold beyond which the log-odds of Student's t stand still (at 21 for nu = 5)
FARTHEST_GAUSS = 5.0  # of a Gaussian (at 15): farther out its log-odds are the square of a float32 quotient, no longer exact to 1e-5
N_TERMS = 24  # of the series for Student's t; what is left out is below 1e-9 of the sum


class Distribution(Protocol):
    """A symmetric distribution around 0 with scale 1."""

    @property
    def q95(self) -> float:
        """The 95 % quantile."""
        ...

    def negative_log_density(self, x_B: Tensor) -> Tensor:
        """-log f(x)."""
        ...

    def log_odds(self, x_B: Tensor) -> Tensor:
        """log(F(x) / (1 - F(x))), rising in x, flat beyond the farthest x that float32 can tell."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """The standard normal distribution."""

    q95 = 1.6448536269514722  # scipy.stats.norm.ppf(0.95)
    # Mills' ratio, tail over density, as t times a polynomial in t = 1 / (1 + 0.4 x): least squares for x from 0 to 5, exact to 3e-9.
    _STEP = 0.4
    _MILLS: ClassVar = (
        0.4003164573,
        0.3948370736,
        0.3718959075,
        0.071782958,
        0.3397427094,
        -0.3881297941,
        -0.1793554842,
        0.4318023474,
        -0.23410585,
        0.04452781544,
    )

    def negative_log_density(self, x_B: Tensor) -> Tensor:
        return 0.5 * x_B.square() + 0.5 * math.log(2 * math.pi)

    def log_odds(self, x_B: Tensor) -> Tensor:
        distance_B = x_B.abs().clamp_max(FARTHEST_GAUSS)
        t_B = 1 / (1 + self._STEP * distance_B)
        density_B = torch.exp(-0.5 * distance_B.square()) / math.sqrt(2 * math.pi)
        return _log_odds(x_B, density_B * t_B * _polynomial(self._MILLS, t_B))


@dataclass(frozen=True)
class StudentT:
    """Student's t with `nu` degrees of freedom, which are given: learned ones need lgamma, which cannot be exported."""

    _Q95: ClassVar = {3: 2.3533634348018233, 4: 2.1318467863266495, 5: 2.0150483733330233}  # scipy.stats.t.ppf(0.95, nu)

    nu: int

    @property
    def q95(self) -> float:
        return self._Q95[self.nu]

    @property
    def _gammas(self) -> float:
        return math.exp(math.lgamma((self.nu + 1) / 2) - math.lgamma(self.nu / 2)) / math.sqrt(math.pi)

    @property
    def _peak(self) -> float:
        """The density at 0."""
        return self._gammas / math.sqrt(self.nu)

    @property
    def _series(self) -> list[float]:
        # With x = sqrt(nu) / tan(angle) and h = sin(angle / 2)**2 the tail beyond x is the integral of
        # gammas * 2**(nu - 1) * (h (1 - h))**p over h from 0, p = nu / 2 - 1; (1 - h)**p as its binomial series, h being 1/2 at most.
        p = self.nu / 2 - 1
        binomials = [1.0]
        for k in range(1, N_TERMS):
            binomials.append(binomials[-1] * (k - 1 - p) / k)
        return [self._gammas * 2 ** (self.nu - 1) * binomial / (k + p + 1) for k, binomial in enumerate(binomials)]

    def negative_log_density(self, x_B: Tensor) -> Tensor:
        return 0.5 * (self.nu + 1) * torch.log1p(x_B.square() / self.nu) - math.log(self._peak)

    def log_odds(self, x_B: Tensor) -> Tensor:
        distance_B = x_B.abs().clamp_max(FARTHEST_T)
        slant_B = torch.sqrt(self.nu + distance_B.square())
        h_B = 0.5 * self.nu / (slant_B * (slant_B + distance_B))
        power_B = h_B.square() if self.nu > 3 else h_B  # h**(nu / 2), of products and a root
        if self.nu % 2:
            power_B = power_B * torch.sqrt(h_B)
        return _log_odds(x_B, power_B * _polynomial(self._series, h_B))


def _polynomial(coefficients: Sequence[float], x_B: Tensor) -> Tensor:
    """The sum of coefficients times rising powers of x, by Horner's rule."""
    total_B = torch.full_like(x_B, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total_B = total_B * x_B + coefficient
    return total_B


def _log_odds(x_B: Tensor, tail_B: Tensor) -> Tensor:
    """From the smaller tail's probability, at most 1/2, to log-odds of the side on which x lies."""
    return torch.sign(x_B) * torch.log(1 / tail_B - 1)
