"""Value at risk by rank, and the tail beyond it, against plain counting and Rockafellar and Uryasev's minimum."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from barmill.errors import ShapeError
from barmill.portfolio import hist_var_cvar

returns = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=1, max_size=60)


@given(returns=returns, percent=st.integers(1, 99))
@settings(max_examples=200, deadline=None)
def test_var_is_the_smallest_loss_that_enough_losses_do_not_exceed(returns: list[float], percent: int):
    losses = sorted(-r for r in returns)
    n = len(losses)
    # in whole numbers, so that no rounding decides
    smallest = next(x for x in losses if 100 * sum(other <= x for other in losses) >= percent * n)
    var, cvar = hist_var_cvar(returns, percent / 100)
    assert var == smallest
    assert cvar == pytest.approx(smallest + sum(max(x - smallest, 0) for x in losses) / (n * (1 - percent / 100)), rel=1e-9, abs=1e-12)
    assert cvar >= var


def test_cvar_is_the_minimum_that_defines_it():
    rng = np.random.default_rng(1)
    sample = rng.standard_t(4, 500) * 0.01

    def objective(u: float) -> float:
        return u + np.maximum(-sample - u, 0).mean() / (1 - 0.937)

    assert hist_var_cvar(sample, 0.937).cvar == pytest.approx(
        minimize_scalar(objective, bounds=(-0.1, 0.2), method="bounded").fun, rel=1e-6
    )


def test_by_hand():
    # losses 1 to 10: nine of ten are at most 9; of the tail of 0.1 * 10 losses the tenth is the whole
    assert hist_var_cvar(-np.arange(1.0, 11.0), 0.9) == pytest.approx((9.0, 10.0))
    assert hist_var_cvar(-np.arange(1.0, 11.0), 0.85) == pytest.approx((9.0, 9.0 + 1 / 1.5))


def test_a_whole_rank_is_not_rounded_up():
    assert hist_var_cvar(-np.arange(1.0, 101.0), 0.07).var == 7.0


def test_missing_returns_are_dropped_and_none_give_nan():
    assert hist_var_cvar([math.nan, -2.0, 1.0], 0.5) == hist_var_cvar([-2.0, 1.0], 0.5)
    assert all(math.isnan(each) for each in hist_var_cvar([], 0.5))


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, math.nan])
def test_a_level_that_is_no_probability_is_refused(level: float):
    with pytest.raises(ShapeError, match="a probability above 0 and below 1"):
        hist_var_cvar([0.1], level)
