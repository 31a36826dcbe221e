import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from barmill.errors import ShapeError
from barmill.uncertainty import isotonic_calibration
from barmill.uncertainty.isotonic import IsotonicCurve, fit_isotonic

ROWS = st.lists(st.tuples(st.integers(0, 20).map(lambda k: k / 20), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=200)
@given(ROWS, st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_it_is_scikit_learns_with_ties_pooled(rows, new):
    p, y = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    oracle = IsotonicRegression(out_of_bounds="clip").fit(p, y).predict(np.array(new))
    np.testing.assert_allclose(isotonic_calibration(p, y, new), oracle, atol=1e-9)


def test_it_is_scikit_learns_on_many_different_rows():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=5000)
    y = rng.uniform(size=5000) < p**2
    new = rng.uniform(size=1000)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(p, y).predict(new)
    np.testing.assert_allclose(isotonic_calibration(p, y, new), oracle, atol=1e-9)


def test_five_rows_by_hand():
    # 0.2 -> 0, then 0.4 -> 1 and 0.6 -> 0 pool to a half, 0.8 twice -> 1
    curve = fit_isotonic([0.2, 0.4, 0.6, 0.8, 0.8], [0, 1, 0, 1, 1])
    assert curve.x.tolist() == [0.2, 0.4, 0.6, 0.8]
    assert curve.y.tolist() == [0.0, 0.5, 0.5, 1.0]
    np.testing.assert_allclose(curve.apply(np.array([0.0, 0.3, 0.5, 0.7, 1.0])), [0.0, 0.25, 0.5, 0.75, 1.0])


@given(ROWS, st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_the_order_is_kept_to_the_bit_and_values_stay_probabilities(rows, new):
    curve = fit_isotonic([row[0] for row in rows], [row[1] for row in rows])
    raised = curve.apply(np.sort(np.array(new)))
    assert (np.diff(raised) >= 0).all()
    assert raised.min() >= 0
    assert raised.max() <= 1


def test_just_below_a_corner_rounding_does_not_rise_above_it():
    rng = np.random.default_rng(0)
    for x0, x1, y0, y1 in np.sort(rng.uniform(size=(2000, 4)))[:, [0, 2, 1, 3]]:
        curve = IsotonicCurve(np.array([x0, x1]), np.array([y0, y1]))
        assert curve.apply(np.nextafter([x1], 0.0))[0] <= y1


@given(ROWS)
def test_a_row_alone_gives_the_same_bits_as_among_others(rows):
    curve = fit_isotonic([row[0] for row in rows], [row[1] for row in rows])
    p = np.random.default_rng(0).uniform(size=50)
    np.testing.assert_array_equal(curve.apply(p), [curve.apply(p[i : i + 1])[0] for i in range(50)])


def test_on_a_corner_and_beside_it_a_row_alone_gives_the_same_bits_too():
    rng = np.random.default_rng(0)
    for corners in np.sort(rng.uniform(size=(500, 6))):
        curve = IsotonicCurve(corners[::2], corners[1::2])
        p = np.concatenate([curve.x, np.nextafter(curve.x, 0), np.nextafter(curve.x, 1), [0.0, 1.0]])
        np.testing.assert_array_equal(curve.apply(p), [curve.at(value) for value in p.tolist()])


@pytest.mark.parametrize(
    ("x", "y"),
    [([0.1, 0.1], [0.0, 1.0]), ([0.1, 0.2], [1.0, 0.0]), ([0.1], [2.0]), ([], []), ([0.1, np.nan], [0.0, 1.0]), ([0.1], [0.0, 1.0])],
)
def test_a_curve_that_does_not_rise_cannot_be_made(x, y):
    with pytest.raises(ShapeError):
        IsotonicCurve(np.array(x), np.array(y))


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="p_new row 0: is 2"):
        isotonic_calibration([0.5], [1], [2.0])
    with pytest.raises(ShapeError, match="y_cal: has 2 rows"):
        isotonic_calibration([0.5], [1, 0], [0.5])
