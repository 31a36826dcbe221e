import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import mean_pinball_loss

from barmill.errors import ShapeError
from barmill.evaluation import forecast_metrics, information_coefficient, linear_correlation, pinball_loss

PAIRS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=50).filter(
    lambda pairs: len({a for a, _ in pairs}) > 1 and len({b for _, b in pairs}) > 1
)


@given(PAIRS)
def test_it_is_scipys_spearman_with_ties(pairs):
    a, b = np.array(pairs, dtype=float).T
    assert information_coefficient(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert linear_correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)


def test_without_variation_or_rows_it_is_nan():
    assert math.isnan(information_coefficient([1, 1, 1], [1, 2, 3]))
    assert math.isnan(information_coefficient([1, 2], [3, 3]))
    assert math.isnan(information_coefficient([1], [1]))
    assert math.isnan(information_coefficient([], []))


def test_rows_without_an_outcome_are_dropped():
    assert information_coefficient([1, 2, 9, 3], [1, 2, math.nan, 3]) == 1.0


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_pinball_is_scikit_learns(pairs, tau):
    y, q = np.array(pairs).T
    assert pinball_loss(y, q, tau) == pytest.approx(mean_pinball_loss(y, q, alpha=tau), abs=1e-12)


def test_pinball_by_hand():
    assert pinball_loss([1.0, -1.0], [0.0, 0.0], 0.9) == pytest.approx((0.9 + 0.1) / 2)
    assert pinball_loss([1.0, -1.0], 0.0, 0.9) == pytest.approx(0.5)


def test_metrics_by_hand():
    realised = np.array([-2.0, -1.0, 0.0, 1.0, 20.0])
    q05, q50, q95 = np.full(5, -1.0), np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), np.full(5, 2.0)
    found = forecast_metrics(q50, q05, q50, q95, realised)
    assert found["rank_ic"] == pytest.approx(1.0)
    assert found["ic"] == pytest.approx(np.corrcoef(q50, realised)[0, 1])
    assert found["coverage_90"] == 0.6  # the ends of the band belong to it
    assert found["pinball"] == {
        "q05": pytest.approx(mean_pinball_loss(realised, q05, alpha=0.05)),
        "q50": pytest.approx(mean_pinball_loss(realised, q50, alpha=0.5)),
        "q95": pytest.approx(mean_pinball_loss(realised, q95, alpha=0.95)),
    }
    assert forecast_metrics(None, q05, q50, q95, realised) == found


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="tau: is 1"):
        pinball_loss([0.0], [0.0], 1)
    with pytest.raises(ShapeError, match="q05: has 2 rows; expected 1"):
        forecast_metrics(None, [0.0, 0.0], [0.0], [0.0], [0.0])
    with pytest.raises(ShapeError, match="realised: has 1 rows; expected 2"):
        information_coefficient([1.0, 2.0], [1.0])
