"""Haircut Sharpe ratios against SciPy's and statsmodels' corrections and the examples of the paper."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from barmill.errors import ShapeError
from barmill.evaluation import haircut_sharpe
from barmill.evaluation.overfitting.haircut import _adjusted

PEERS = {"bonferroni": "bonferroni", "holm": "holm", "bhy": "fdr_by"}


@pytest.mark.parametrize("method", PEERS)
@settings(max_examples=6)  # the peer collects garbage at every call
@given(sharpes=st.lists(st.floats(-0.3, 0.4), min_size=1, max_size=30), n=st.integers(30, 500))
def test_adjusted_p_values_are_those_of_statsmodels(method, sharpes, n):
    p = 2 * stats.t.sf(np.abs(np.array(sharpes)) * math.sqrt(n), n - 1)
    peer = multipletests(p, method=PEERS[method])[1]
    for i in (i for i, sharpe in enumerate(sharpes) if sharpe > 0):
        found = haircut_sharpe(sharpes[i], n, trial_sharpes=sharpes, method=method)
        assert found.adjusted_p_value == pytest.approx(peer[i], rel=1e-9, abs=1e-300)
        assert 0 <= found.haircut <= 1
        assert found.sharpe == pytest.approx(sharpes[i] * (1 - found.haircut))


def test_bhy_is_that_of_scipy():
    p = np.sort(np.random.default_rng(0).uniform(size=12) ** 3)
    expected = stats.false_discovery_control(p, method="by")
    np.testing.assert_allclose([min(_adjusted(one, p, 12, "bhy"), 1.0) for one in p], expected)


def test_six_published_p_values():
    """Harvey & Liu (2015), table of six tests; their BHY leaves the largest p-value as it is, which touches the last two alone."""
    p = np.array([0.005, 0.009, 0.0128, 0.0135, 0.045, 0.06])
    np.testing.assert_allclose([_adjusted(one, p, 6, "bonferroni") for one in p], [0.03, 0.054, 0.0768, 0.081, 0.27, 0.36])
    np.testing.assert_allclose([_adjusted(one, p, 6, "holm") for one in p], [0.03, 0.045, 0.0512, 0.0512, 0.09, 0.09])
    np.testing.assert_allclose([_adjusted(one, p, 6, "bhy") for one in p[:4]], [0.0496] * 4, atol=5e-5)


def test_a_sharpe_ratio_of_three_quarters_after_two_hundred_tests_loses_most_of_itself():
    """The paper's opening example, 20 years of months: p 0.0008 becomes 0.15 or so, and 60 % are cut off."""
    found = haircut_sharpe(0.75 / math.sqrt(12), 240, 200)
    assert found.p_value == pytest.approx(0.0009, abs=1e-4)
    assert found.haircut == pytest.approx(0.6, abs=0.01)
    assert haircut_sharpe(0.75 / math.sqrt(12), 240, 200, method="holm").sharpe == found.sharpe


@given(st.floats(0.01, 0.5), st.integers(20, 2000), st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_tests_cut_more(sr, n, one, other):
    few, many = sorted((one, other))
    assert haircut_sharpe(sr, n, few).haircut <= haircut_sharpe(sr, n, many).haircut + 1e-12
    assert haircut_sharpe(sr, n, 1).haircut == pytest.approx(0, abs=1e-9)


def test_without_skill_there_is_nothing_to_cut_and_hopeless_luck_leaves_nothing():
    assert math.isnan(haircut_sharpe(-0.1, 100, 5).sharpe)
    assert math.isnan(haircut_sharpe(math.nan, 100, 5).haircut)
    hopeless = haircut_sharpe(0.05, 100, 1000)
    assert (hopeless.sharpe, hopeless.haircut, hopeless.adjusted_p_value) == (0.0, 1.0, 1.0)
    assert haircut_sharpe(-0.1, 100, 5).to_json()["sharpe"] is None


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ((0.1, 1, 5), "n_obs"),
        ((0.1, 100), "haircut_sharpe"),
        ((0.1, 100, 1, [0.1, 0.2]), "n_trials"),
        ((0.1, 100, 5, None, "bhy"), "trial_sharpes"),
        ((0.1, 100, 5, None, "sidak"), "method"),
    ],
)
def test_invalid_arguments_raise(arguments, place):
    with pytest.raises(ShapeError, match=place):
        haircut_sharpe(*arguments)
