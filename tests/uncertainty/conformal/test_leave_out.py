"""Jackknife+, CV+ and the jackknife against slow obvious versions and their theorems."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.uncertainty.conformal import cv_plus, jackknife, jackknife_plus, split_conformal

levels = st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.3, 0.45])


def slow_jackknife_plus(residuals, predictions, alpha):
    n, share = len(residuals), Fraction(str(alpha))
    low_rank, high_rank = math.floor(share * (n + 1)), math.ceil((1 - share) * (n + 1))
    lower, upper = [], []
    for j in range(predictions.shape[1]):
        down = sorted(predictions[i, j] - residuals[i] for i in range(n))
        up = sorted(predictions[i, j] + residuals[i] for i in range(n))
        lower.append(down[low_rank - 1] if low_rank else -math.inf)
        upper.append(up[high_rank - 1] if high_rank <= n else math.inf)
    return lower, upper


@given(st.integers(1, 45), st.integers(1, 4), levels, st.integers(0, 2**32 - 1))
def test_jackknife_plus_is_the_two_sorted_lists(n, m, alpha, seed):
    rng = np.random.default_rng(seed)
    residuals, predictions = np.abs(rng.normal(size=n)).round(1), rng.normal(size=(n, m)).round(1)
    found = jackknife_plus(residuals, predictions, alpha)
    lower, upper = slow_jackknife_plus(residuals, predictions, alpha)
    np.testing.assert_array_equal(found.lower, lower)
    np.testing.assert_array_equal(found.upper, upper)


@given(st.integers(1, 60), st.integers(1, 6), levels, st.integers(0, 2**32 - 1))
def test_cv_plus_is_jackknife_plus_with_the_model_of_the_rows_fold(n, n_folds, alpha, seed):
    rng = np.random.default_rng(seed)
    residuals, fold, said = np.abs(rng.normal(size=n)), rng.integers(0, n_folds, n), rng.normal(size=(3, n_folds))
    each = np.array([[said[j, fold[i]] for j in range(3)] for i in range(n)])
    found, wanted = cv_plus(residuals, fold, said, alpha), jackknife_plus(residuals, each, alpha)
    np.testing.assert_array_equal(found, wanted)


def test_where_all_models_agree_jackknife_plus_is_the_jackknife_and_split_conformal():
    rng = np.random.default_rng(0)
    y = rng.normal(size=39)
    for alpha in (0.05, 0.1, 0.2):
        split = split_conformal(y, np.zeros(39), [0.7], alpha)
        np.testing.assert_allclose(jackknife_plus(np.abs(y), np.full((39, 1), 0.7), alpha), [split.lower, split.upper])
        np.testing.assert_array_equal(jackknife(np.abs(y), [0.7], alpha), [split.lower, split.upper])


def test_nineteen_rows_reach_to_the_second_from_outside():
    residuals = np.arange(1.0, 20.0)
    lower, upper = jackknife_plus(residuals, np.zeros((19, 1)), 0.1)
    assert (lower[0], upper[0]) == (-18.0, 18.0)


def test_too_few_rows_have_infinite_ends():
    np.testing.assert_array_equal(jackknife_plus([1.0] * 8, np.zeros((8, 2)), 0.1), [[-math.inf] * 2, [math.inf] * 2])
    np.testing.assert_array_equal(jackknife([1.0] * 8, [0.0], 0.1), [[-math.inf], [math.inf]])
    assert np.isfinite(jackknife_plus([1.0] * 9, np.zeros((9, 2)), 0.1)).all()


def leave_one_out_of_a_line(x, y, x_new):
    """Residuals and predictions of least-squares lines, each fitted without one row; the full fit's prediction too."""
    design, new = np.column_stack((np.ones_like(x), x)), np.column_stack((np.ones_like(x_new), x_new))
    residuals, predictions = np.empty(x.size), np.empty((x.size, x_new.size))
    for i in range(x.size):
        rest = np.arange(x.size) != i
        beta = np.linalg.lstsq(design[rest], y[rest], rcond=None)[0]
        residuals[i], predictions[i] = abs(y[i] - design[i] @ beta), new @ beta
    return residuals, predictions


def test_jackknife_plus_of_a_line_keeps_its_theorem_and_comes_near_its_level():
    rng, inside = np.random.default_rng(1), []
    for _ in range(150):
        x, x_new = rng.normal(size=30), rng.normal(size=40)
        y, y_new = x + rng.standard_t(3, 30), x_new + rng.standard_t(3, 40)
        lower, upper = jackknife_plus(*leave_one_out_of_a_line(x, y, x_new), 0.1)
        inside.append(np.mean((y_new >= lower) & (y_new <= upper)))
    assert np.mean(inside) > 0.8  # the theorem
    assert np.mean(inside) == pytest.approx(0.9, abs=0.025)


def test_the_plain_jackknife_may_never_hold_where_jackknife_plus_does():
    # the unstable learner of Barber et al., section 1: its predictions hang on whether the number of rows is even
    rng = np.random.default_rng(2)
    n, shift = 40, 100.0
    y, y_new = rng.normal(size=n), rng.normal(size=500)
    plain = jackknife(np.abs(y - 0.0), np.full(500, shift), 0.1)  # fits of n - 1 rows say 0, that of n rows says 100
    plus = jackknife_plus(np.abs(y), np.zeros((n, 500)), 0.1)
    assert np.mean((y_new >= plain.lower) & (y_new <= plain.upper)) == 0.0
    assert np.mean((y_new >= plus.lower) & (y_new <= plus.upper)) > 0.8


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="residuals row 1: is -1"):
        jackknife([1.0, -1.0], [0.0], 0.1)
    with pytest.raises(ShapeError, match=r"loo_pred_test: has shape \(3, 1\); expected finite numbers of shape \(2, m\)"):
        jackknife_plus([1.0, 1.0], np.zeros((3, 1)), 0.1)
    with pytest.raises(ShapeError, match="fold row 1: is 2; expected a fold from 0 to 1"):
        cv_plus([1.0, 1.0], [0, 2], np.zeros((1, 2)), 0.1)
    with pytest.raises(ShapeError, match=r"fold_predictions: has shape \(2,\)"):
        cv_plus([1.0, 1.0], [0, 1], [0.0, 0.0], 0.1)
