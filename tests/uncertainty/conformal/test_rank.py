"""The rank of the score that a band reaches to, exact where floating point is not."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ShapeError, SplitError
from barmill.uncertainty.conformal import conformal_rank, rows_needed
from barmill.uncertainty.conformal.rank import finite_threshold, kth_smallest


def ceiling_of_decimals(n, alpha):
    """The slow obvious version: the level as it is written, in exact arithmetic."""
    return math.ceil((n + 1) * (1 - Fraction(Decimal(str(alpha)))))


@pytest.mark.parametrize("alpha", [0.01, 0.02, 0.025, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.32, 0.5, 0.7, 0.9, 0.99])
def test_k_is_that_of_exact_arithmetic_at_every_n(alpha):
    assert [conformal_rank(n, alpha) for n in range(3000)] == [ceiling_of_decimals(n, alpha) for n in range(3000)]


def test_there_are_n_and_alpha_where_floating_point_would_be_one_off():
    traps = [
        (n, alpha) for alpha in (0.1, 0.3, 0.05, 0.45) for n in range(1000) if math.ceil((n + 1) * (1 - alpha)) != conformal_rank(n, alpha)
    ]
    assert traps
    assert all(conformal_rank(n, alpha) == ceiling_of_decimals(n, alpha) for n, alpha in traps)


@pytest.mark.parametrize(("n", "k"), [(9, 9), (19, 18), (99, 90), (999, 900), (8, 9), (10, 10), (0, 1)])
def test_ninety_percent(n, k):
    assert conformal_rank(n, 0.1) == k
    assert conformal_rank(n, 1 - 0.9) == k  # 0.09999999999999998


@pytest.mark.parametrize("percent", range(50, 100))
def test_a_coverage_in_percent_gives_the_k_of_whole_numbers(percent):
    assert [conformal_rank(n, 1 - percent / 100) for n in range(1000)] == [-(-(n + 1) * percent // 100) for n in range(1000)]


def test_a_third_is_a_third():
    assert conformal_rank(2, 1 / 3) == 2
    assert conformal_rank(5, 2 / 3) == 2


@given(st.integers(0, 10**6), st.fractions(Fraction(1, 999), Fraction(998, 999), max_denominator=999))
def test_a_float_stands_for_the_fraction_that_it_rounds(n, alpha):
    assert conformal_rank(n, float(alpha)) == math.ceil((n + 1) * (1 - alpha))


@given(st.integers(0, 10**5), st.floats(1e-9, 1 - 1e-9))
def test_k_is_within_rounding_of_the_formula_for_any_float(n, alpha):
    k, exact = conformal_rank(n, alpha), (n + 1) * (1 - Fraction(alpha))
    slack = Fraction(n + 1, 2**53)
    assert exact - slack <= k < exact + 1 + slack
    assert 1 <= k <= n + 1


@pytest.mark.parametrize(("alpha", "n"), [(0.1, 9), (0.05, 19), (0.01, 99), (0.5, 1), (1 / 3, 2), (0.3, 3), (0.9, 1)])
def test_rows_needed_is_the_first_n_with_a_finite_band(alpha, n):
    assert rows_needed(alpha) == n
    assert conformal_rank(n, alpha) <= n
    assert conformal_rank(n - 1, alpha) > n - 1


def test_the_kth_smallest_counts_ties_and_ends_in_infinity():
    scores = np.array([3.0, 1.0, 1.0, 2.0])
    assert [kth_smallest(scores, k) for k in (1, 2, 3, 4, 5)] == [1.0, 1.0, 2.0, 3.0, math.inf]
    assert kth_smallest(np.empty(0), 1) == math.inf


def test_too_few_rows_are_refused_with_the_number_needed():
    with pytest.raises(SplitError, match=r"conformal slice: has 18 rows, too few for a band with alpha = 0.05; expected at least 19"):
        finite_threshold(np.zeros(18), 0.05)
    assert finite_threshold(np.arange(19.0), 0.05) == 18.0


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_a_level_that_is_none_is_refused(alpha):
    for asks in (lambda: conformal_rank(10, alpha), lambda: rows_needed(alpha)):
        with pytest.raises(ShapeError, match="alpha"):
            asks()
