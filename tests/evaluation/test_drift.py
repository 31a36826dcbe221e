"""PSI and KS against hand-worked numbers, slow versions and SciPy."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from barmill.errors import ShapeError
from barmill.evaluation import kolmogorov_smirnov, psi

ROWS = st.lists(st.floats(-5, 5) | st.integers(-2, 2).map(float), min_size=1, max_size=60)


def slow_psi(reference: list[float], current: list[float], n_bins: int, eps: float) -> float:
    """Bin by bin, row by row, as the definitions say."""
    edges = sorted({float(np.quantile(reference, k / n_bins)) for k in range(1, n_bins)})
    bounds = [-math.inf, *edges, math.inf]
    total = 0.0
    for low, high in pairwise(bounds):
        r = max(eps, sum(low < x <= high for x in reference) / len(reference))
        c = max(eps, sum(low < x <= high for x in current) / len(current))
        total += (c - r) * math.log(c / r)
    return total


@given(ROWS, ROWS, st.integers(2, 12))
def test_psi_is_that_of_the_slow_version(reference: list[float], current: list[float], n_bins: int) -> None:
    assert psi(reference, current, n_bins) == pytest.approx(slow_psi(reference, current, n_bins, 1e-4), abs=1e-12)


@given(ROWS)
def test_psi_of_the_same_sample_is_exactly_zero(rows: list[float]) -> None:
    assert psi(rows, rows) == 0.0


def test_psi_by_hand() -> None:
    """Edge 2.5; half below in the reference, a quarter in the current rows."""
    assert psi([1, 2, 3, 4], [2, 3, 4, 5], n_bins=2) == pytest.approx(-0.25 * math.log(0.5) + 0.25 * math.log(1.5))


def test_an_empty_bin_counts_as_eps_and_nothing_is_rescaled() -> None:
    eps = 1e-4
    assert psi([1, 2], [5, 6], n_bins=2) == pytest.approx((eps - 0.5) * math.log(eps / 0.5) + 0.5 * math.log(2))


@given(ROWS, ROWS)
def test_ks_is_scipys(reference: list[float], current: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its p-value, for tiny samples
        theirs = ks_2samp(reference, current, method="asymp").statistic
    assert kolmogorov_smirnov(reference, current) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("measure", [psi, kolmogorov_smirnov])
@pytest.mark.parametrize("rows", [[], [1.0, math.nan], [[1.0]]])
def test_rows_that_are_none_or_not_finite_are_refused(measure: object, rows: list[float]) -> None:
    with pytest.raises(ShapeError, match="finite"):
        measure([1.0, 2.0], rows)  # type: ignore[operator]


def test_fewer_than_two_bins_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least 2 bins"):
        psi([1, 2], [1, 2], n_bins=1)
