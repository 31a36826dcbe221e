"""Blocks and their lengths, and intervals made of them; arch is the oracle."""

import math
import time

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from arch.bootstrap import optimal_block_length as optimal_of_arch
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.evaluation import bootstrap_interval, max_drawdown, optimal_block_length, sharpe_ratio, sharpe_standard_error
from barmill.evaluation.overfitting.bootstrap_interval import bootstrap_intervals
from barmill.evaluation.overfitting.stationary_bootstrap import Blocks, draw_blocks


def _wandering(seed, n, memory):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    for t in range(1, n):
        x[t] += memory * x[t - 1]
    return x


SIZES = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(1, 400))


@given(SIZES)
def test_a_resample_has_the_length_of_its_series_and_its_counts(sizes):
    seed, n, block = sizes
    blocks = draw_blocks(np.random.default_rng(seed), n, block)
    assert blocks.lengths.sum() == n
    assert (blocks.lengths >= 1).all()
    assert ((blocks.starts >= 0) & (blocks.starts < n)).all()
    rows = blocks.resample(np.arange(n, dtype=np.float64)).astype(int)
    np.testing.assert_array_equal(blocks.counts(n), np.bincount(rows, minlength=n))
    follows = (rows[1:] - rows[:-1]) % n == 1 % n
    assert (~follows).sum() <= blocks.starts.size - 1


def test_a_block_that_reaches_the_end_goes_on_at_the_beginning_as_often_as_it_takes():
    blocks = Blocks(np.array([2, 0]), np.array([7, 1]))
    np.testing.assert_array_equal(blocks.resample(np.arange(3.0)), [2, 0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(blocks.counts(3), [3, 2, 3])


@pytest.mark.parametrize("block", [1.0, 4.0, 50.0])
def test_blocks_are_as_long_as_asked_and_begin_anywhere(block):
    draw = np.random.default_rng(1)
    drawn = [draw_blocks(draw, 5000, block) for _ in range(200)]
    lengths = np.concatenate([each.lengths[:-1] for each in drawn])
    assert lengths.mean() == pytest.approx(block, rel=0.05)
    starts = np.concatenate([each.starts for each in drawn])
    assert starts.mean() == pytest.approx(2500, rel=0.05)


@pytest.mark.parametrize("memory", [0.0, 0.2, 0.5, 0.9, 0.99, -0.5])
@pytest.mark.parametrize("n", [20, 50, 400, 5000])
def test_the_best_block_length_is_that_of_arch(n, memory):
    x = _wandering(n, n, memory)
    assert optimal_block_length(x) == pytest.approx(max(optimal_of_arch(x)["stationary"].iloc[0], 1.0), rel=1e-9)


def test_a_series_that_does_not_vary_or_is_short_has_blocks_of_one():
    assert optimal_block_length(np.zeros(100)) == 1.0
    assert optimal_block_length([1.0, 2.0, 3.0]) == 1.0
    with pytest.raises(ShapeError, match="x row 1"):
        optimal_block_length([0.0, np.nan])


@pytest.mark.parametrize("block", [1.0, 10.0])
def test_intervals_are_those_of_arch(block):
    r = _wandering(2, 800, 0.6) * 0.01 + 0.001
    ours = bootstrap_interval(r, lambda x: sharpe_ratio(x, 252), 0.9, block, 2000, seed=3)
    theirs = StationaryBootstrap(block, r, seed=4).conf_int(lambda x: sharpe_ratio(x, 252), 2000, method="percentile", size=0.9)[:, 0]
    width = theirs[1] - theirs[0]
    np.testing.assert_allclose(ours, theirs, atol=0.08 * width)


def test_an_interval_is_as_wide_as_the_standard_error_says():
    r = np.convolve(np.random.default_rng(5).normal(0.02, 1.0, 4009), np.ones(10), "valid")
    low, high = bootstrap_interval(r, lambda x: sharpe_ratio(x, 1.0), 0.95, 40, 1000, seed=6)
    wide = sharpe_standard_error(r, lags=40).interval()
    assert high - low == pytest.approx(wide[1] - wide[0], rel=0.15)


def test_it_holds_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(7)
    held = 0
    for i in range(100):
        low, high = bootstrap_interval(draw.normal(0.1, 1.0, 200), lambda x: x.mean() / x.std(), 0.9, 1, 100, seed=i)
        held += low <= 0.1 <= high
    assert 0.8 <= held / 100 <= 0.98


def test_several_metrics_share_their_resamples_and_the_seed_fixes_them():
    r = np.random.default_rng(8).normal(0.001, 0.01, 500)
    both = bootstrap_intervals(r, {"mean": np.mean, "drawdown": max_drawdown}, n_boot=100, seed=9)
    assert both["mean"] == bootstrap_interval(r, np.mean, n_boot=100, seed=9)
    assert both["mean"] != bootstrap_interval(r, np.mean, n_boot=100, seed=10)
    assert both["drawdown"].low < both["drawdown"].high < 0


def test_undefined_and_infinite_metrics():
    r = np.r_[np.random.default_rng(10).normal(size=50), np.nan]
    assert np.isnan(bootstrap_interval(r, lambda _: math.nan)).all()
    assert bootstrap_interval(r, lambda _: math.inf) == (math.inf, math.inf)
    assert np.isnan(bootstrap_interval([0.1, 0.2], np.mean)).all()


@pytest.mark.parametrize("wrong", [{"level": 1.0}, {"n_boot": 5}, {"block": 0.5}, {"block": 51}])
def test_invalid_arguments_raise(wrong):
    with pytest.raises(ShapeError):
        bootstrap_interval(np.arange(50.0), np.mean, **wrong)


def test_a_hundred_thousand_bars_are_resampled_in_seconds():
    r = np.random.default_rng(11).normal(1e-5, 1e-3, 130_000)
    bootstrap_interval(r, np.mean, n_boot=20)  # compiles
    began = time.process_time()
    bootstrap_interval(r, lambda x: sharpe_ratio(x, 525_600), n_boot=200, seed=12)
    assert time.process_time() - began < 5  # 0.4 s on a quiet core
