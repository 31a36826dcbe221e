"""The scaler in a graph gives the model the bits that it was trained on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from barmill.export.scaling import add_columns, add_scaling
from barmill.views import RobustScaler

NAMES = ("a", "b", "c", "d")
SCALER = RobustScaler(NAMES, np.array([0.0, 1 / 3, -1e9, 1e-12]), np.array([1.0, 1e-7, 3.3e8, 7.0]), 8.0)


def scaled(ran, values: np.ndarray, names: tuple[str, ...] = NAMES) -> np.ndarray:
    """As float64, which holds every float32."""
    write = lambda graph, x: (graph.cast(add_scaling(graph, SCALER, names, add_columns(graph, x, NAMES, names)), "float64"),)  # noqa: E731
    return ran(write, {"features": values}, values.ndim)[0]


@settings(max_examples=100, deadline=None)
@given(of_numpy.arrays(np.float64, (5, 4), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_every_finite_number_is_scaled_to_the_same_bits(ran, values):
    np.testing.assert_array_equal(scaled(ran, values), SCALER.transform(values))


def test_numbers_near_the_middle_of_two_float32_round_alike(ran):
    values = SCALER.center + SCALER.scale * np.random.default_rng(0).uniform(-9, 9, (20_000, 4))
    np.testing.assert_array_equal(scaled(ran, values), SCALER.transform(values))


def test_columns_are_taken_by_name_and_windows_scaled_like_rows(ran):
    values = np.random.default_rng(0).standard_normal((6, 3, 4))
    there = SCALER.transform(values.reshape(-1, 4))[:, [3, 1]].reshape(6, 3, 2)
    np.testing.assert_array_equal(scaled(ran, values, ("d", "b")), there)
