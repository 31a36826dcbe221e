"""PBO by CSCV against the definition written out step by step, its symmetries, and its behaviour without skill."""

import itertools
import math
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from barmill.errors import ShapeError
from barmill.evaluation import pbo_cscv


def _sharpe(column):
    return np.nan if column.max() == column.min() else column.mean() / column.std(ddof=1)


def _slow(trials, n_blocks):
    """Definitions, section 3, step by step."""
    n_rows, n = trials.shape
    length = n_rows // n_blocks
    blocks = np.split(trials[n_rows - length * n_blocks :], n_blocks)
    logits, points = [], []
    for chosen in itertools.combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.concatenate([blocks[i] for i in range(n_blocks) if i not in chosen])
        is_sharpe = [_sharpe(column) for column in inside.T]
        oos_sharpe = [_sharpe(column) for column in outside.T]
        best = int(np.argmax(is_sharpe))
        w = stats.rankdata(oos_sharpe)[best] / (n + 1)
        logits.append(math.log(w / (1 - w)))
        points.append((is_sharpe[best], oos_sharpe[best]))
    x, y = np.array(points).T
    slope, intercept = np.polyfit(x, y, 1)
    return np.mean(np.array(logits) <= 1e-12), np.array(logits), slope, intercept, np.mean(y < 0)


@pytest.mark.parametrize("n_blocks", [2, 4, 6, 8])
@pytest.mark.parametrize(("n_rows", "n"), [(64, 2), (101, 5), (150, 12)])
def test_it_is_the_definition_step_by_step(n_blocks, n_rows, n):
    trials = np.random.default_rng(n_rows + n).normal(0.001, 0.01, size=(n_rows, n))
    found = pbo_cscv(trials, n_blocks)
    pbo, logits, slope, intercept, loss = _slow(trials, n_blocks)
    assert found.pbo == pbo
    np.testing.assert_allclose(found.logits, logits, rtol=1e-12, atol=1e-12)
    assert found.n_combinations == math.comb(n_blocks, n_blocks // 2)
    if found.n_combinations > 2:
        assert found.slope == pytest.approx(slope, rel=1e-8)
        assert found.intercept == pytest.approx(intercept, rel=1e-8)
    assert found.prob_oos_loss == loss
    assert found.n_dropped == n_rows % n_blocks


def test_a_large_mean_does_not_swallow_the_variance():
    trials = 1e4 + np.random.default_rng(0).normal(size=(120, 6))
    np.testing.assert_allclose(pbo_cscv(trials, 6).in_sample, list(_in_sample(trials, 6)), rtol=1e-9)


def _in_sample(trials, n_blocks):
    blocks = np.split(trials, n_blocks)
    for chosen in itertools.combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[i] for i in chosen])
        yield max(_sharpe(column) for column in inside.T)


def test_the_first_of_equal_configurations_is_the_best_and_equal_ranks_are_averaged():
    one = np.random.default_rng(5).normal(size=96)
    trials = np.column_stack([one] * 4)
    found = pbo_cscv(trials, 8)
    np.testing.assert_array_equal(found.logits, 0.0)  # rank 2.5 of 4
    assert found.pbo == 1.0


def test_a_median_rank_counts_as_overfitted():
    wave = np.array([1.0, -1.0] * 4)
    before_and_after = [(3, 1), (0, 2), (1, 0)]  # the best before is the middle one after
    trials = np.column_stack([np.concatenate([wave + before, wave + after]) for before, after in before_and_after])
    found = pbo_cscv(trials, 2)
    assert found.logits[0] == 0.0
    assert found.pbo == 1.0


def test_a_real_edge_is_no_overfitting():
    trials = np.random.default_rng(6).normal(size=(2000, 20))
    trials[:, 7] += 0.3
    found = pbo_cscv(trials, 10)
    assert found.pbo == 0.0
    assert found.prob_oos_loss == 0.0
    assert found.words.startswith("PBO 0%: low overfitting risk")


def test_without_skill_it_averages_one_half():
    """Definitions, 17.6; the number of configurations is even, so that no rank is the median."""
    draw = np.random.default_rng(7)
    found = np.array([pbo_cscv(draw.standard_t(4, size=(160, 10)), 8).pbo for _ in range(300)])
    error = found.std(ddof=1) / math.sqrt(found.size)
    assert abs(found.mean() - 0.5) < 3.5 * error
    assert error < 0.02


MATRICES = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(24, 60), st.sampled_from([2, 4, 6]))


@settings(max_examples=40)
@given(MATRICES, st.randoms(use_true_random=False), st.floats(1e-6, 1e6))
def test_neither_the_order_of_configurations_nor_the_scale_of_returns_matters(matrix, order, scale):
    seed, n, n_rows, n_blocks = matrix
    trials = np.random.default_rng(seed).normal(size=(n_rows, n))
    shuffled = list(range(n))
    order.shuffle(shuffled)
    found = pbo_cscv(trials, n_blocks)
    np.testing.assert_array_equal(pbo_cscv(trials[:, shuffled], n_blocks).logits, found.logits)
    scaled = pbo_cscv(trials * scale, n_blocks)
    np.testing.assert_allclose(scaled.in_sample, found.in_sample, rtol=1e-9)
    assert scaled.pbo == found.pbo


@settings(max_examples=30)
@given(MATRICES)
def test_shares_are_shares_and_a_choice_and_its_mirror_are_both_there(matrix):
    seed, n, n_rows, n_blocks = matrix
    found = pbo_cscv(np.random.default_rng(seed).normal(size=(n_rows, n)), n_blocks)
    assert 0 <= found.pbo <= 1
    assert found.logits.size == math.comb(n_blocks, n_blocks // 2)
    assert np.abs(found.logits).max() <= math.log(n) + 1e-12


def test_a_configuration_that_never_trades_is_never_the_best_and_ranks_last():
    draw = np.random.default_rng(8)
    trials = draw.normal(-0.5, 1.0, size=(80, 4))
    trials[:, 2] = 0.0
    found = pbo_cscv(trials, 4)
    without = pbo_cscv(np.delete(trials, 2, axis=1), 4)
    np.testing.assert_array_equal(found.in_sample, without.in_sample)
    rank, less = (np.exp(each.logits) for each in (found, without))
    np.testing.assert_allclose(rank / (1 + rank) * 5, less / (1 + less) * 4 + 1)  # one more below
    assert pbo_cscv(np.zeros((40, 3)), 4).to_json()["pbo"] is None


@given(st.floats(1e-6, 1.0), st.integers(0, 2))
def test_rounding_makes_no_sharpe_ratio_of_a_constant(constant, column):
    trials = np.insert(np.random.default_rng(8).normal(-0.5, 1.0, size=(80, 3)), column, constant, axis=1)
    np.testing.assert_allclose(pbo_cscv(trials, 4).in_sample, pbo_cscv(np.delete(trials, column, axis=1), 4).in_sample)


def test_a_configuration_that_trades_in_one_half_alone_ranks_last_in_the_other():
    trials = np.random.default_rng(9).normal(-1.0, 0.1, size=(40, 3))
    trials[:20, 0] = np.random.default_rng(1).normal(1.0, 0.1, size=20)
    trials[20:, 0] = 0.01
    found = pbo_cscv(trials, 2)
    assert found.logits[0] == pytest.approx(math.log(1 / 3))
    assert math.isnan(found.out_of_sample[0])


def test_rows_with_a_gap_are_left_out_for_all_and_counted():
    trials = np.random.default_rng(10).normal(size=(83, 3))
    trials[11, 1] = np.nan
    found = pbo_cscv(trials, 8)
    assert found.n_dropped == 1 + 2
    np.testing.assert_array_equal(found.logits, pbo_cscv(np.delete(trials, 11, axis=0), 8).logits)


@pytest.mark.parametrize(
    ("trials", "n_blocks", "place"),
    [
        (np.ones((40, 1)), 4, "trial_returns"),
        (np.ones(40), 4, "trial_returns"),
        (np.ones((40, 2)), 5, "n_blocks"),
        (np.ones((40, 2)), 0, "n_blocks"),
        (np.ones((40, 2)), 26, "n_blocks"),
        (np.ones((3, 2)), 4, "trial_returns"),
        (np.full((40, 2), np.inf), 4, "row 0, column 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(trials, n_blocks, place):
    with pytest.raises(ShapeError, match=place):
        pbo_cscv(trials, n_blocks)


def test_sixteen_blocks_are_quick_and_small():
    trials = np.random.default_rng(11).normal(size=(100_000, 50))
    tracemalloc.start()
    began = time.process_time()
    found = pbo_cscv(trials, 16)
    seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.n_combinations == 12_870
    assert seconds < 5  # a quarter of a second on a quiet core
    assert peak < 60e6  # the matrix itself has 40
    told = found.to_json(500)
    assert len(told["logits"]) == len(told["points"]) == 500


@given(st.integers(2, 12))
def test_thinning_keeps_the_first_and_the_last(most):
    found = pbo_cscv(np.random.default_rng(12).normal(size=(40, 3)), 6)
    assume(most <= found.n_combinations)
    told = found.to_json(most)["logits"]
    assert (told[0], told[-1], len(told)) == (found.logits[0], found.logits[-1], most)
