"""Split conformal bands and CQR against slow obvious versions, by hand, and by what must hold for any numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import ShapeError
from barmill.uncertainty.conformal import conformal_rank, cqr, split_conformal

numbers = st.floats(-1e6, 1e6)
levels = st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5])


def columns(n_columns, least=1, most=60):
    return st.integers(least, most).flatmap(lambda n: arrays(np.float64, (n_columns, n), elements=numbers))


@given(columns(2), columns(1), levels)
def test_split_is_the_sorted_list_counted_by_hand(cal, test, alpha):
    y, prediction = cal
    scores = sorted(abs(a - b) for a, b in zip(y.tolist(), prediction.tolist(), strict=True))
    k = conformal_rank(len(scores), alpha)
    q = scores[k - 1] if k <= len(scores) else math.inf
    found = split_conformal(y, prediction, test[0], alpha)
    assert found.q == q
    np.testing.assert_array_equal(found.lower, test[0] - q)
    np.testing.assert_array_equal(found.upper, test[0] + q)


@given(columns(3), columns(2), levels)
def test_cqr_is_the_sorted_list_counted_by_hand(cal, test, alpha):
    scores = sorted(max(lo - y, y - hi) for y, lo, hi in cal.T.tolist())
    k = conformal_rank(len(scores), alpha)
    q = scores[k - 1] if k <= len(scores) else math.inf
    found = cqr(*cal, *test, alpha)
    assert found.q == q
    np.testing.assert_array_equal(found.lower, test[0] - q)
    np.testing.assert_array_equal(found.upper, test[1] + q)


@given(columns(2), columns(1), levels)
def test_split_is_cqr_of_a_band_without_width(cal, test, alpha):
    y, prediction = cal
    split, band = split_conformal(y, prediction, test[0], alpha), cqr(y, prediction, prediction, test[0], test[0], alpha)
    assert split.q == band.q
    np.testing.assert_array_equal(split.lower, band.lower)


def test_nine_rows_by_hand():
    y = np.arange(1.0, 10.0)
    assert split_conformal(y, np.zeros(9), [0.0], 0.1) == (9.0, [-9.0], [9.0])
    assert split_conformal(y, np.zeros(9), [5.0], 0.5) == (5.0, [0.0], [10.0])
    # alpha below 1/10 wants a tenth row
    assert split_conformal(y, np.zeros(9), [5.0], 0.09) == (math.inf, [-math.inf], [math.inf])


def test_a_negative_q_narrows():
    y = np.zeros(19)
    assert cqr(y, y - 3.0, y + 3.0, [-3.0, -1.0], [3.0, 1.0], 0.1)[0] == -3.0
    lower, upper = cqr(y, y - 3.0, y + 3.0, [-4.0], [4.0], 0.1)[1:]
    assert (lower, upper) == (-1.0, 1.0)
    empty = cqr(y, y - 3.0, y + 3.0, [-1.0], [1.0], 0.1)
    assert empty.lower > empty.upper  # as the formula has it: nothing lies inside


@given(columns(3), columns(2), levels)
def test_bands_widen_as_alpha_falls(cal, test, alpha):
    assert cqr(*cal, *test, alpha / 2).q >= cqr(*cal, *test, alpha).q


@given(columns(3), columns(2), levels, st.integers(-20, 20))
def test_bands_scale_with_their_unit(cal, test, alpha, power):
    scale = 2.0**power  # exact in floating point
    plain, scaled = cqr(*cal, *test, alpha), cqr(*(cal * scale), *(test * scale), alpha)
    assert scaled.q == plain.q * scale
    np.testing.assert_array_equal(scaled.lower, plain.lower * scale)


@given(columns(3), columns(2), levels)
def test_a_market_upside_down_has_the_same_band_upside_down(cal, test, alpha):
    y, lo, hi = cal
    plain, turned = cqr(y, lo, hi, *test, alpha), cqr(-y, -hi, -lo, -test[1], -test[0], alpha)
    assert turned.q == plain.q
    np.testing.assert_array_equal(turned.lower, -plain.upper)
    np.testing.assert_array_equal(turned.upper, -plain.lower)


@given(columns(3, least=2), columns(2), levels, st.randoms(use_true_random=False))
def test_the_order_of_calibration_rows_says_nothing(cal, test, alpha, random):
    order = list(range(cal.shape[1]))
    random.shuffle(order)
    assert cqr(*cal[:, order], *test, alpha).q == cqr(*cal, *test, alpha).q


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="lo: has 1 rows; expected 2"):
        split_conformal([0.0, 1.0], [0.0], [0.0], 0.1)
    with pytest.raises(ShapeError, match="y row 1: is nan"):
        split_conformal([0.0, np.nan], [0.0, 0.0], [0.0], 0.1)
    with pytest.raises(ShapeError, match="hi_test: has 2 rows; expected 1"):
        cqr([0.0], [0.0], [0.0], [0.0], [0.0, 1.0], 0.1)
