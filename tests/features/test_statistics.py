"""Moments of returns against SciPy, and what they are of returns that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from barmill.features import FeaturePlan
from barmill.features.kernels.moments import return_moments

NAMES = ("return_mean", "return_std", "return_skewness", "return_kurtosis")


def moments(close, n):
    return return_moments.run((n, 0.0, 3.0), close=np.asarray(close, dtype=np.float64))


@pytest.mark.parametrize("n", [4, 20, 61])
def test_moments_equal_scipys_over_every_window(bars, n):
    ours = FeaturePlan.build(timeframes=(), add=[f"{name}_{n}" for name in NAMES], needs=()).compute(bars).values
    assert np.isnan(ours[:n]).all()
    windowed = np.lib.stride_tricks.sliding_window_view(np.diff(np.log(bars.close)), n)
    theirs = [
        windowed.mean(axis=1),
        windowed.std(axis=1, ddof=1),
        stats.skew(windowed, axis=1),
        stats.kurtosis(windowed, axis=1, fisher=False),
    ]
    np.testing.assert_allclose(ours[n:], np.column_stack(theirs), rtol=1e-7, atol=1e-9)


def test_kurtosis_is_not_excess():
    """Of a long normal series it is near 3, with a standard error of sqrt(24/n)."""
    close = np.exp(np.cumsum(np.random.default_rng(3).normal(0.0, 1e-3, 20_001)))
    assert moments(close, 20_000)[3, -1] == pytest.approx(3.0, abs=4 * np.sqrt(24 / 20_000))


@given(st.floats(0.5, 2.0), st.integers(4, 30))
def test_equal_returns_have_no_deviation_and_neutral_shape(growth, n):
    """A growth that is a power of two has returns that are equal to the bit."""
    mean, std, skewness, kurtosis = moments(np.full(40, growth), n)[:, -1]
    assert (mean, std, skewness, kurtosis) == (0.0, 0.0, 0.0, 3.0)
    doubling = moments(growth * 2.0 ** np.arange(40), n)[:, -1]
    assert doubling.tolist() == [np.log(2.0), 0.0, 0.0, 3.0]


def test_one_jump_among_stillness_has_the_moments_of_an_indicator():
    """n - 1 returns of 0 and one of r: skewness (n - 2)/sqrt(n - 1), kurtosis n - 2 + 1/(n - 1)."""
    n = 20
    close = np.where(np.arange(40) < 30, 1.0, np.exp(0.01))
    mean, std, skewness, kurtosis = moments(close, n)[:, 35]
    assert mean == pytest.approx(0.01 / n, rel=1e-9)
    assert std == pytest.approx(0.01 / np.sqrt(n), rel=1e-9)
    assert skewness == pytest.approx((n - 2) / np.sqrt(n - 1), rel=1e-9)
    assert kurtosis == pytest.approx(n - 2 + 1 / (n - 1), rel=1e-9)
