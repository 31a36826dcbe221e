"""Scalers learn from their rows alone, hold outliers in, and survive a round trip through JSON to the bit."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import RobustScaler as SklearnRobustScaler
from sklearn.preprocessing import StandardScaler

from barmill.errors import DataError, SchemaError, ShapeError
from barmill.views import RobustScaler, require_finite, scaler_fit
from barmill.views.scaling import IQR_TO_SIGMA

VALUES = hnp.arrays(np.float64, st.tuples(st.integers(2, 30), st.integers(1, 4)), elements=st.floats(-1e6, 1e6))


def table(n_bars: int = 500, n_features: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(3, (n_bars, n_features)) * [1.0, 100.0, 1e-4][:n_features] + 5.0


def test_center_and_scale_are_median_and_quartile_range_in_sigmas():
    values = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [1000.0]])
    scaler = RobustScaler.fit(values, [0, 1, 2, 3, 4])
    assert scaler.center.tolist() == [2.0]
    assert scaler.scale.tolist() == [2.0 / IQR_TO_SIGMA]


def test_scaling_equals_scikit_learns_up_to_the_constant():
    values = table()
    rows = np.arange(350)
    ours = RobustScaler.fit(values, rows, clip=1e9).transform(values)
    theirs = SklearnRobustScaler(unit_variance=True).fit(values[rows]).transform(values)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    ("column", "scale"),
    [
        ([7.0] * 8, 1.0),
        ([0.1] * 8, 1.0),  # whose mean is not 0.1 in the last digit
        ([0.0] * 7 + [8.0], np.sqrt(7.0)),  # quartiles coincide: population standard deviation
        ([0.0] * 7 + [8e-200], np.sqrt(7.0) * 1e-200),  # whose squares underflow
    ],
)
def test_scale_falls_back_where_the_quartiles_coincide(column: list[float], scale: float):
    values = np.array(column)[:, None]
    scaler = RobustScaler.fit(values, np.arange(8))
    assert scaler.scale[0] == pytest.approx(scale, rel=1e-12)
    assert np.isfinite(scaler.transform(values)).all()


def test_outliers_are_held_at_the_clip():
    values = np.r_[np.random.default_rng(1).normal(size=100), 1e300, -1e300][:, None]
    scaled = RobustScaler.fit(values, np.arange(100), clip=5.0).transform(values)
    assert scaled[100:].ravel().tolist() == [5.0, -5.0]
    assert scaled.dtype == np.float32
    assert scaled.flags.c_contiguous


@given(values=VALUES, data=st.data())
@settings(max_examples=60, deadline=None)
def test_other_rows_do_not_move_what_was_fitted(values: np.ndarray, data: st.DataObject):
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1))))
    elsewhere = values.copy()
    elsewhere[np.setdiff1d(np.arange(len(values)), rows)] = 1e9
    one, two = RobustScaler.fit(values, rows), RobustScaler.fit(elsewhere, rows)
    assert one.to_json() == two.to_json()
    np.testing.assert_array_equal(scaler_fit(values, rows).scale, scaler_fit(elsewhere, rows).scale)


@given(values=VALUES)
@settings(max_examples=60, deadline=None)
def test_json_gives_the_scaler_back_to_the_bit(values: np.ndarray):
    scaler = RobustScaler.fit(values, np.arange(len(values)), names=[f"f{number}" for number in range(values.shape[1])])
    again = RobustScaler.from_json(json.loads(json.dumps(scaler.to_json(), allow_nan=False)))
    assert again.center.tobytes() == scaler.center.tobytes()
    assert again.scale.tobytes() == scaler.scale.tobytes()
    assert (again.names, again.clip, again.fitted_on) == (scaler.names, scaler.clip, scaler.fitted_on)


def test_a_column_that_varies_by_the_smallest_number_is_taken_for_constant():
    scaler = RobustScaler.fit(np.array([[5e-324], [0.0], [0.0], [0.0]]), np.arange(4))
    assert scaler.scale.tolist() == [1.0]


def test_one_row_at_a_time_gives_the_bits_of_the_whole_table():
    values = table()
    scaler = RobustScaler.fit(values, np.arange(300))
    whole = scaler.transform(values)
    np.testing.assert_array_equal(np.concatenate([scaler.transform(values[row : row + 1]) for row in range(500)]), whole)
    np.testing.assert_array_equal(scaler.transform(values, np.array([7, 3, 3])), whole[[7, 3, 3]])


def test_rows_that_are_not_ready_stay_visible_in_a_whole_table():
    values = table(6)
    scaler = RobustScaler.fit(values, np.arange(6))
    values[0, 1], values[1, 2] = np.nan, np.inf
    scaled = scaler.transform(values)
    assert np.isnan(scaled[0, 1])
    assert np.isnan(scaled[1, 2])  # an infinity is not clipped into a number
    assert np.isfinite(scaled[2:]).all()


def test_a_row_that_is_asked_for_must_be_finite():
    values = table(6)
    scaler = RobustScaler.fit(values, np.arange(6), names=("a", "b", "c"))
    values[4, 2] = np.nan
    with pytest.raises(DataError, match=r"row 4 column 2 'c': nan; expected a finite number"):
        scaler.transform(values, np.array([1, 4]))
    with pytest.raises(DataError, match=r"RobustScaler.fit row 4 column 2 'column 2'"):
        RobustScaler.fit(values, np.arange(6))
    with pytest.raises(DataError, match=r"here row 4 column 2 'c'"):
        require_finite("here", ("a", "b", "c"), values, np.array([4]))


def test_scratch_does_not_grow_with_the_table():
    values = table(200_000)
    scaler = RobustScaler.fit(values, np.arange(1000))
    tracemalloc.start()
    scaler.transform(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    output = values.size * 4
    assert peak < output + 8 * 2**20


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: RobustScaler.fit(np.zeros((3, 2), np.float32), [0]), ShapeError, "type float32; expected float64"),
        (lambda: RobustScaler.fit(np.zeros((3, 2)), []), ShapeError, "no rows"),
        (lambda: RobustScaler.fit(np.zeros((3, 2)), [3]), ShapeError, "expected a position from 0 to 2"),
        (lambda: RobustScaler.fit(np.zeros((3, 2)), [0], names=("a",)), ShapeError, "1 names; expected 2"),
        (
            lambda: RobustScaler.fit(np.array([[-1.7e308]] * 2 + [[0.0]] + [[1.7e308]] * 2), range(5)),
            DataError,
            "column 0 'column 0'.*scale inf",
        ),
        (lambda: RobustScaler.fit(np.zeros((3, 2)), [0]).transform(np.zeros((3, 4))), ShapeError, "4 columns; expected 2"),
        (lambda: RobustScaler.from_json({"kind": "robust", "names": []}), SchemaError, "scaler.center: missing"),
        (lambda: RobustScaler.from_json({"kind": "plain"}), SchemaError, "scaler.kind: 'plain'"),
        (
            lambda: RobustScaler.from_json({"kind": "robust", "names": ["a"], "center": ["x"], "scale": [1], "clip": 8}),
            SchemaError,
            "could not convert",
        ),
        (
            lambda: RobustScaler.from_json({"kind": "robust", "names": ["a"], "center": [0], "scale": [0], "clip": 8}),
            DataError,
            "expected finite numbers and a positive scale",
        ),
        (lambda: scaler_fit(np.zeros((3, 2)), []), ShapeError, "no rows"),
    ],
)
def test_what_cannot_be_scaled_is_refused(call, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()


def test_scaler_fit_is_the_standard_score_of_the_training_rows():
    values = table()
    train = np.arange(0, 500, 3)
    mean, scale, transformed = scaler_fit(values, train)
    oracle = StandardScaler().fit(values[train])
    np.testing.assert_allclose(mean, oracle.mean_, rtol=1e-12)
    np.testing.assert_allclose(scale, oracle.scale_, rtol=1e-12)
    np.testing.assert_allclose(transformed, oracle.transform(values), rtol=1e-9, atol=1e-12)


def test_scaler_fit_gives_a_constant_training_column_scale_one():
    _, scale, transformed = scaler_fit(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 5.0], [2.1, 5.0]]), [0, 1, 2])
    assert scale.tolist() == [1.0, np.sqrt(8.0 / 3.0)]
    assert transformed[:, 0].tolist() == [0.0, 0.0, 0.0, 2.0]


@given(values=hnp.arrays(np.float64, (4, 3), elements=st.floats(width=64)), clip=st.sampled_from([0.5, 8.0]))
@settings(max_examples=150, deadline=None)
def test_the_compiled_scaling_is_the_formula_to_the_bit_and_of_one_row_what_it_is_of_many(values: np.ndarray, clip: float):
    scaler = RobustScaler(("a", "b", "c"), np.array([0.0, 1e-300, -7.5]), np.array([1.0, 3e-5, 1e300]), clip)
    with np.errstate(all="ignore"):
        formula = np.clip((values - scaler.center) / scaler.scale, -clip, clip)
        formula[~np.isfinite(values)] = np.nan
        expected = formula.astype(np.float32)
    found = scaler.transform(values)
    np.testing.assert_array_equal(found.view(np.uint32)[~np.isnan(expected)], expected.view(np.uint32)[~np.isnan(expected)])
    assert np.isnan(found[np.isnan(expected)]).all()
    one = np.empty((1, 3), dtype=np.float32)
    for row in range(4):
        scaler.scale_into(values, np.array([row]), np.arange(3), one)
        assert one.tobytes() == found[row : row + 1].tobytes()
