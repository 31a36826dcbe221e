"""Stretches of prices that stand twice are found, wherever they stand, and a market that only looks alike is left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.evaluation.leakage.repeated_bars import LENGTH, repeated_stretches
from barmill.market import simulate

CLOSE = simulate(3_000, seed=4).bars.close


@given(begin=st.integers(0, 1_000), length=st.integers(LENGTH + 1, 400), factor=st.sampled_from([1.0, 0.25, 3.0]))
def test_a_copied_stretch_is_found_with_its_twin(begin, length, factor):
    copied = CLOSE[begin : begin + length] * factor
    ends, twins = repeated_stretches(np.concatenate([CLOSE, copied]))
    np.testing.assert_array_equal(ends, CLOSE.size + np.arange(LENGTH, length))
    np.testing.assert_array_equal(ends - twins, CLOSE.size - begin)


def test_one_bar_less_than_a_stretch_is_not_enough():
    ends, _ = repeated_stretches(np.concatenate([CLOSE, CLOSE[100 : 100 + LENGTH]]))
    assert not ends.size


@pytest.mark.parametrize("n", [0, 1, LENGTH, LENGTH + 1])
def test_too_few_bars_hold_no_stretch(n):
    assert not repeated_stretches(CLOSE[:n])[0].size


def test_a_market_that_hardly_moves_repeats_itself_honestly():
    still = np.full(5_000, 10.0)
    still[::7] += 0.01
    assert not repeated_stretches(still)[0].size
    ticks = 1_000.0 + np.cumsum(np.random.default_rng(0).integers(-1, 2, 300_000))  # a tick up, none or down, and nothing else
    assert not repeated_stretches(ticks)[0].size
