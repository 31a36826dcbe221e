import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from barmill.uncertainty.links import sigmoid
from barmill.uncertainty.logistic_fit import fit_logistic


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, 2)) * [1.0, 50.0] + [0.0, 300.0]
    return columns, (rng.uniform(size=n) < sigmoid(columns @ [0.8, 0.01] - 3)).astype(float)


def test_it_is_scikit_learns_without_penalty_whatever_the_units():
    columns, y = rows(3000)
    oracle = LogisticRegression(C=np.inf, solver="lbfgs", tol=1e-10, max_iter=5000)
    oracle.fit((columns - [0, 300]) / [1, 50], y)
    w = oracle.coef_[0] / [1, 50]
    np.testing.assert_allclose(fit_logistic(columns, y), [*w, oracle.intercept_[0] - w[1] * 300], rtol=1e-5)


def test_a_target_between_zero_and_one_is_a_row_of_each_in_that_share():
    columns = np.array([[0.0], [1.0], [2.0]])
    shares = fit_logistic(columns, np.array([0.25, 0.5, 0.75]))
    counted = fit_logistic(np.repeat(columns, 4, axis=0), np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0.0]))
    np.testing.assert_allclose(shares, counted, rtol=1e-9)
    np.testing.assert_allclose(shares, [np.log(3), -np.log(3)], rtol=1e-9)  # the three log-odds lie on a line


def test_columns_that_say_the_same_share_the_coefficient_and_one_that_does_not_vary_has_none():
    columns, y = rows(500)
    one = fit_logistic(columns[:, :1], y)
    np.testing.assert_allclose(fit_logistic(columns[:, [0, 0]], y), [one[0] / 2, one[0] / 2, one[1]], rtol=1e-9)
    np.testing.assert_allclose(fit_logistic(np.column_stack([columns[:, 0], np.full(500, 7.0)]), y), [one[0], 0, one[1]], rtol=1e-9)


@pytest.mark.parametrize("far", [1e-9, 1e9])
def test_rows_that_separate_stay_finite_in_any_unit(far):
    w, c = fit_logistic(np.array([[-far], [far], [2 * far]]), np.array([0.0, 1.0, 1.0]))
    assert np.isfinite([w, c]).all()
    assert w > 0


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(250_001, 2))  # fewer are too few for BLAS to share out
    y = (rng.uniform(size=250_001) < 0.4).astype(float)
    found = set()
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            found.add(fit_logistic(columns, y).tobytes())
    assert len(found) == 1
