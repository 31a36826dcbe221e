"""Wavelets by the filters of PyWavelets, each level's spread by zeros and applied to past values alone."""

import numpy as np
import pywt

HAAR = pywt.Wavelet("haar")


def filtered(x, coefficients, level):
    """One filter of the maximal overlap transform: that of the discrete one over √2, a zero or more between its taps."""
    spread = np.zeros(2 ** (level - 1) + 1)
    spread[:: 2 ** (level - 1)] = coefficients / np.sqrt(2.0)
    return np.convolve(x, spread)[: len(x)]


def smooth(b, p, x):
    for level in range(1, p.level + 1):
        x = filtered(x, np.array(HAAR.rec_lo), level)
    return x


def detail(b, p, x):
    for level in range(1, p.level):
        x = filtered(x, np.array(HAAR.rec_lo), level)
    return filtered(x, np.array(HAAR.rec_hi), p.level)


ORACLES = {"wavelet_detail": detail, "wavelet_smooth": smooth}
