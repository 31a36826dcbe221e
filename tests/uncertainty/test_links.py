import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_softmax
from scipy.special import softmax as scipy_softmax

from barmill.uncertainty.links import logits_of, mean_log_loss, probabilities_of, scaled_to_one, sigmoid, softmax, sum_of_columns

LOGITS = st.lists(st.floats(-800, 800), min_size=1, max_size=40)


@given(LOGITS)
def test_sigmoid_is_scipys_and_never_overflows(z):
    np.testing.assert_allclose(sigmoid(np.array(z)), expit(np.array(z)), rtol=1e-14, atol=1e-300)


@given(st.lists(st.tuples(*[st.floats(-800, 800)] * 3), min_size=1, max_size=20))
def test_softmax_is_scipys_and_sums_to_one(rows):
    z = np.array(rows)
    np.testing.assert_allclose(softmax(z), scipy_softmax(z, axis=1), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(softmax(z).sum(axis=1), 1.0, rtol=1e-15)


@given(st.lists(st.tuples(*[st.floats(-40, 40)] * 3), min_size=1, max_size=33))
def test_a_row_alone_gives_the_same_bits_as_among_others(rows):
    z = np.array(rows)
    together = softmax(z)
    alone = np.vstack([softmax(z[i : i + 1]) for i in range(len(z))])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(sigmoid(z[:, 0]), np.concatenate([sigmoid(z[i : i + 1, 0].copy()) for i in range(len(z))]))


def test_log_loss_from_logits_is_exact_where_probabilities_saturate():
    assert mean_log_loss(np.array([-800.0]), np.array([1])) == 800.0
    z = np.random.default_rng(0).normal(size=(50, 3)) * 30
    y = np.random.default_rng(1).integers(0, 3, 50)
    assert mean_log_loss(z, y) == pytest.approx(-log_softmax(z, axis=1)[np.arange(50), y].mean(), rel=1e-14)


def test_logits_of_probabilities_come_back():
    z = np.linspace(-20, 20, 41)
    np.testing.assert_allclose(logits_of(sigmoid(z)), z, atol=1e-6)
    assert np.isfinite(logits_of(np.array([0.0, 1.0]))).all()
    p = np.array([[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(probabilities_of(logits_of(p)), p, atol=1e-14)


@given(st.lists(st.floats(-800, 800), min_size=2, max_size=33))
def test_one_number_alone_takes_the_same_way_to_the_bit(z):
    z = np.array(z)
    p = sigmoid(z)
    np.testing.assert_array_equal(p, [sigmoid(z[i : i + 1])[0] for i in range(len(z))])
    np.testing.assert_array_equal(logits_of(p), [logits_of(p[i : i + 1])[0] for i in range(len(z))])


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 5), min_size=2, max_size=20), st.integers(1, 5))
def test_one_row_alone_is_summed_and_scaled_to_the_same_bits(rows, n_classes):
    values = np.array(rows)[:, :n_classes]
    otherwise = np.full(values.shape, 1 / n_classes)
    np.testing.assert_array_equal(sum_of_columns(values), np.concatenate([sum_of_columns(row[None]) for row in values]))
    together = scaled_to_one(values, otherwise)
    np.testing.assert_array_equal(together, np.vstack([scaled_to_one(row[None], otherwise[:1]) for row in values]))


def test_a_row_of_zeros_is_scaled_to_what_stands_in_for_it():
    values, otherwise = np.array([[0.0, 0.0], [1.0, 3.0]]), np.array([[0.4, 0.6], [0.5, 0.5]])
    np.testing.assert_array_equal(scaled_to_one(values, otherwise), [[0.4, 0.6], [0.25, 0.75]])
    np.testing.assert_array_equal(scaled_to_one(values[:1], otherwise[:1]), [[0.4, 0.6]])
