"""Autocovariances of a series, all lags at once."""

import numpy as np
import numpy.typing as npt
from scipy import fft

Float64Array = npt.NDArray[np.float64]


def autocovariances(x: Float64Array, n_lags: int) -> Float64Array:
    """Sum over t of (x_t - mean)(x_{t+k} - mean) / n, for the lags k = 0 .. n_lags (at most n - 1), by one Fourier transform.

    Divided by n at every lag, which keeps the sums that are made of them from turning negative.
    """
    n = x.size
    size = fft.next_fast_len(n + n_lags, real=True)  # room enough that the end does not meet the beginning
    transformed = np.asarray(fft.rfft(x - x.mean(), size), dtype=np.complex128)
    power = transformed.real**2 + transformed.imag**2
    return np.asarray(fft.irfft(power, size), dtype=np.float64)[: n_lags + 1] / n


__all__ = ["autocovariances"]
