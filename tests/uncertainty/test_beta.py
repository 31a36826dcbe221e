import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from barmill.errors import ShapeError
from barmill.uncertainty import beta_calibration
from barmill.uncertainty.beta import beta_columns
from barmill.uncertainty.links import logits_of, sigmoid

ROWS = st.lists(st.tuples(st.integers(1, 19).map(lambda k: k / 20), st.integers(0, 1)), min_size=2, max_size=60).filter(
    lambda pairs: len({y for _, y in pairs}) == 2
)


def rows(a, b, c, n=4000, seed=0):
    """Forecasts, and outcomes with the probabilities that the beta map of a, b and c makes of them."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.02, 0.98, n)
    return p, (rng.uniform(size=n) < sigmoid(a * np.log(p) - b * np.log1p(-p) + c)).astype(int)


def sklearns(p, y, keep=(0, 1)):
    """Logistic regression without penalty on the columns of the definition."""
    columns = np.column_stack([np.log(p), -np.log1p(-p)])[:, list(keep)]
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(columns, y)
    return [*model.coef_[0].tolist(), float(model.intercept_[0])]


def loss(w, p, y):
    z = w[0] * np.log(p) - w[1] * np.log1p(-p) + w[2]
    return np.sum(np.logaddexp(0, z) - y * z)


@pytest.mark.parametrize("planted", [(1, 1, 0), (0.5, 2.0, 0.3), (2.0, 0.4, -0.5)])
def test_it_is_scikit_learns_logistic_regression_on_the_two_logarithms(planted):
    p, y = rows(*planted)
    assert beta_calibration(p, y) == pytest.approx(sklearns(p, y), rel=1e-6, abs=1e-8)


def test_it_finds_what_was_planted_and_the_identity_among_it():
    assert beta_calibration(*rows(0.5, 2.0, 0.3, n=200_000)) == pytest.approx((0.5, 2.0, 0.3), abs=0.06)
    assert beta_calibration(*rows(1, 1, 0, n=200_000)) == pytest.approx((1, 1, 0), abs=0.06)


def test_a_coefficient_below_zero_is_left_out_and_the_other_fitted_alone():
    p, y = rows(-0.6, 1.5, 0.2)
    assert sklearns(p, y)[0] < 0
    b, c = sklearns(p, y, keep=[1])
    assert beta_calibration(p, y) == pytest.approx((0, b, c), rel=1e-6)
    p, y = rows(1.5, -0.6, 0.2)
    a, c = sklearns(p, y, keep=[0])
    assert beta_calibration(p, y) == pytest.approx((a, 0, c), rel=1e-6)


def test_forecasts_that_point_the_wrong_way_say_the_share_and_nothing_more():
    p, y = rows(1, 1, 0)
    turned = beta_calibration(1 - p, y)
    assert (turned.a, turned.b) == (0, 0)
    assert sigmoid(np.array([turned.c]))[0] == pytest.approx(y.mean())


@given(ROWS)
def test_no_rising_curve_is_likelier_where_one_of_the_two_was_left_out_or_none(pairs):
    p, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    found = beta_calibration(p, y)
    assert found.a >= 0
    assert found.b >= 0
    oracle = minimize(loss, (0.5, 0.5, 0.0), args=(p, y), bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B")
    if max(found[:2]) > 0:
        assert loss(found, p, y) <= oracle.fun + 1e-4 * (1 + oracle.fun)


def test_forecasts_that_separate_or_do_not_vary_stay_finite():
    assert np.isfinite(beta_calibration([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])).all()
    assert np.isfinite(beta_calibration([0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1])).all()
    assert beta_calibration([0.3, 0.3, 0.3], [0, 1, 1]) == pytest.approx((0, 0, np.log(2)))


@given(st.floats(1e-12, 1 - 1e-12))
def test_the_columns_are_the_logarithms_of_both_sides(p):
    low, high = beta_columns(logits_of(np.array([p])))
    assert low[0] == pytest.approx(np.log(p), rel=1e-9, abs=1e-14)
    assert high[0] == pytest.approx(-np.log1p(-p), rel=1e-4, abs=1e-14)


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="p: has no rows"):
        beta_calibration([], [])
    with pytest.raises(ShapeError, match="p row 0: is 2"):
        beta_calibration([2.0], [1])
    with pytest.raises(ShapeError, match="y: has 2 rows; expected 1"):
        beta_calibration([0.5], [1, 0])
