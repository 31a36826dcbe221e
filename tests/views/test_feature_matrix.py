"""The feature matrix is rows of one base array."""

import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.views import FeatureMatrix

BASE = np.arange(20, dtype=np.float32).reshape(5, 4)


def test_values_are_the_rows_in_the_order_asked_for():
    matrix = FeatureMatrix(BASE, np.array([3, 0, 3]))
    np.testing.assert_array_equal(matrix.values, BASE[[3, 0, 3]])
    assert matrix.values.flags.c_contiguous
    assert (len(matrix), matrix.n_features) == (3, 4)


def test_take_shares_the_base():
    matrix = FeatureMatrix(BASE, np.array([3, 0, 4]))
    for chosen in (np.array([2, 0]), slice(0, 2), np.array([True, False, True])):
        part = matrix.take(chosen)
        assert part.base is BASE
        np.testing.assert_array_equal(part.values, matrix.values[chosen])


def test_columns_keep_the_samples():
    part = FeatureMatrix(BASE, np.array([3, 0])).columns([2, 1])
    np.testing.assert_array_equal(part.values, BASE[[3, 0]][:, [2, 1]])
    assert part.base.flags.c_contiguous


def test_no_samples_are_a_matrix_without_rows():
    assert FeatureMatrix(BASE, np.empty(0, dtype=np.int64)).values.shape == (0, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeatureMatrix(BASE.astype(np.float64), np.array([0])), "type float64; expected float32"),
        (lambda: FeatureMatrix(BASE[0], np.array([0])), r"shape \(4,\)"),
        (lambda: FeatureMatrix(BASE, np.array([0, 5])), r"rows\[1\]: 5; expected a position from 0 to 4"),
        (lambda: FeatureMatrix(BASE, np.array([-1])), r"rows\[0\]: -1"),
        (lambda: FeatureMatrix(BASE, np.array([0.5])), "expected integers"),
        (lambda: FeatureMatrix(BASE, np.array([0])).columns([4]), "expected numbers from 0 to 3"),
        (lambda: FeatureMatrix(BASE, np.array([0])).columns([]), "expected one or more integers"),
    ],
)
def test_what_does_not_fit_is_refused(make, message: str):
    with pytest.raises(ShapeError, match=message):
        make()
