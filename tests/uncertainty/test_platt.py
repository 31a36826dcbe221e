import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from barmill.errors import ShapeError
from barmill.uncertainty import platt_scaling
from barmill.uncertainty.links import sigmoid
from barmill.uncertainty.platt import rising_platt

ROWS = st.lists(st.tuples(st.floats(-30, 30), st.integers(0, 1)), min_size=1, max_size=60)


def rows(n=3000, seed=0, slope=0.5, shift=-0.4):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, n)
    return z, (rng.uniform(size=n) < sigmoid(slope * z + shift)).astype(int)


def loss(a, b, z, y):
    n_1 = y.sum()
    target = np.where(y == 1, (n_1 + 1) / (n_1 + 2), 1 / (y.size - n_1 + 2))
    return np.sum(np.logaddexp(0, -(a * z + b)) + target * (a * z + b))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_scikit_learns_sigmoid_calibration(seed):
    z, y = rows(seed=seed)
    model = LogisticRegression().fit(z[:, None], y)
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])  # its decision function is z itself
    (oracle,) = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid", cv=None).fit(z[:, None], y).calibrated_classifiers_
    (sklearns,) = oracle.calibrators
    assert platt_scaling(z, y) == pytest.approx((sklearns.a_, sklearns.b_), rel=1e-5)


def test_it_finds_what_was_planted_with_a_below_zero_where_higher_scores_mean_class_1():
    found = platt_scaling(*rows(200_000, slope=0.5, shift=-0.4))
    assert (found.a, found.b) == pytest.approx((-0.5, 0.4), abs=0.02)


def test_two_rows_by_hand():
    # targets 2/3 and 1/3 at scores 1 and -1 are met exactly: a = -ln 2, b = 0
    assert platt_scaling([1.0, -1.0], [1, 0]) == pytest.approx((-np.log(2), 0.0), abs=1e-9)


@given(ROWS)
def test_no_other_line_near_it_is_likelier(pairs):
    z, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    found = platt_scaling(z, y)
    best = loss(*found, z, y)
    for a, b in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3), (1e-3, 1e-3), (1e-3, -1e-3)):
        assert loss(found.a + a, found.b + b, z, y) >= best - 1e-9 * (1 + best)


@given(ROWS)
def test_the_line_of_a_chain_never_falls_and_is_the_best_of_those_that_do_not(pairs):
    z, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    rising = rising_platt(z, y)
    assert rising.a <= 0
    oracle = minimize(lambda w: loss(*w, z, y), (-0.1, 0.0), bounds=[(None, 0.0), (None, None)], method="L-BFGS-B")
    assert loss(*rising, z, y) <= oracle.fun + 1e-6 * (1 + oracle.fun)


def test_scores_that_point_the_wrong_way_say_the_share_and_nothing_more():
    z, y = rows()
    assert platt_scaling(-z, y).a > 0
    turned = rising_platt(-z, y)
    assert turned.a == 0
    assert sigmoid(np.array([-turned.b]))[0] == pytest.approx(y.mean(), abs=1e-3)


def test_separated_and_constant_scores_stay_finite():
    assert np.isfinite(platt_scaling([3.0, 2.0, -3.0], [1, 1, 0])).all()
    flat = platt_scaling([0.7, 0.7, 0.7, 0.7], [1, 1, 1, 0])
    assert flat.a == 0
    assert flat.b == pytest.approx(np.log((4 - 3 * 0.8 - 1 / 3) / (3 * 0.8 + 1 / 3)))  # of the mean of the targets 4/5, 4/5, 4/5, 1/3


def test_a_unit_of_the_scores_changes_a_alone():
    z, y = rows()
    plain, large = platt_scaling(z, y), platt_scaling(z * 1e6, y)
    assert (large.a * 1e6, large.b) == pytest.approx((plain.a, plain.b), rel=1e-6)


def test_bad_arrays_are_refused():
    with pytest.raises(ShapeError, match="scores: has no rows"):
        platt_scaling([], [])
    with pytest.raises(ShapeError, match="y: has 1 rows; expected 2"):
        platt_scaling([0.0, 1.0], [1])
    with pytest.raises(ShapeError, match="scores row 1: is nan"):
        platt_scaling([0.0, np.nan], [1, 0])
