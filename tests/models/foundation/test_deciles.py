"""A distribution from nine deciles: it is the one that they came from where they know it, and a Student's beyond."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from barmill.models.foundation.deciles import LEVELS, TAIL_DF, quantiles, share_above

rows = st.lists(st.floats(-50, 50), min_size=9, max_size=9).map(sorted)


def deciles_of(distribution) -> np.ndarray:
    return distribution.ppf(LEVELS)[None, :]


def test_the_tails_are_those_of_a_student_distribution_to_the_digit():
    said = deciles_of(student(TAIL_DF, loc=0.3, scale=2.0))
    levels = (0.01, 0.05, 0.1, 0.5, 0.9, 0.95, 0.999)
    np.testing.assert_allclose(quantiles(said, levels)[0], student(TAIL_DF, 0.3, 2.0).ppf(levels), rtol=1e-12)
    for x in (-20.0, -5.0, 8.0, 30.0):
        np.testing.assert_allclose(share_above(said, np.array([x])), student(TAIL_DF, 0.3, 2.0).sf(x), rtol=1e-9)


def test_between_deciles_a_normal_distribution_is_met_closely():
    said = deciles_of(norm(0.1, 1.0))
    for x in np.linspace(-1.1, 1.3, 25):
        assert float(share_above(said, np.array([x]))[0]) == pytest.approx(norm(0.1, 1.0).sf(x), abs=0.007)


@given(rows, st.floats(-100, 100), st.floats(-100, 100))
def test_a_share_is_one_and_falls_with_its_threshold(row, one, other):
    said = np.array([row, row])
    low, high = min(one, other), max(one, other)
    above = share_above(said, np.array([low, high]))
    assert (above >= 0).all()
    assert (above <= 1).all()
    assert above[0] >= above[1] - 1e-12


@given(rows)
def test_quantiles_do_not_cross_and_keep_the_deciles(row):
    said = np.array([row])
    levels = (0.01, 0.05, *LEVELS.tolist(), 0.95, 0.99)
    found = quantiles(said, levels)[0]
    assert (np.diff(found) >= -1e-9).all()
    np.testing.assert_allclose(found[2:-2], row, rtol=1e-12, atol=1e-12)


@given(
    st.lists(st.floats(-50, 50), min_size=9, max_size=9, unique_by=lambda x: round(x, 3)).map(sorted),
    st.sampled_from([0.02, 0.3, 0.5, 0.77, 0.98]),
)
def test_share_and_quantile_undo_each_other(row, level):
    said = np.array([row])
    assert float(share_above(said, quantiles(said, (level,))[:, 0])[0]) == pytest.approx(1 - level, abs=1e-6)


def test_a_model_that_says_one_value_for_all_is_sure_of_it():
    said = np.full((3, 9), 0.2)
    np.testing.assert_allclose(share_above(said, np.array([0.1, 0.3, 0.2])), [1.0, 0.0, 0.0], atol=0.11)
