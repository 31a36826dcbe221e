"""White's and Hansen's tests against arch, and their size without skill."""

import math

import numpy as np
import pytest
from arch.bootstrap import SPA

from barmill.errors import ShapeError
from barmill.evaluation import reality_check, superior_predictive_ability
from barmill.evaluation.overfitting.reality_check import _variances


def _strategies(seed, n=400, k=6, best=0.05):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, k)) + np.linspace(-0.3, best, k)
    x[1:] += 0.5 * x[:-1]
    return x


def _peer(x, block, reps=2500):
    spa = SPA(np.zeros(len(x)), -x, block_size=block, reps=reps, seed=5)
    spa.compute()
    return spa


@pytest.mark.parametrize("block", [1, 5, 30])
def test_the_variance_of_a_resampled_mean_is_that_of_arch(block):
    x = _strategies(1)
    np.testing.assert_allclose(_variances(x, block), _peer(x, block, 20)._loss_diff_var, rtol=1e-10)


@pytest.mark.parametrize("seed", [1, 2])
def test_whites_check_is_the_careful_p_value_of_arch(seed):
    """arch's test is not studentised: its careful p-value is White's."""
    x = _strategies(seed, best=0.15)
    assert reality_check(x, block=5, n_boot=2500, seed=6).p_value == pytest.approx(_peer(x, 5).pvalues["upper"], abs=0.04)


@pytest.mark.parametrize("seed", [1, 2])
def test_hansens_test_is_that_of_arch_where_all_strategies_are_equally_noisy(seed):
    x = _strategies(seed, best=0.15)
    x /= np.sqrt(_variances(x, 5))
    found, peer = superior_predictive_ability(x, block=5, n_boot=2500, seed=6), _peer(x, 5).pvalues
    for name in ("lower", "consistent", "upper"):
        assert getattr(found, name) == pytest.approx(peer[name], abs=0.04)
    assert found.p_value == found.consistent
    assert found.lower <= found.consistent <= found.upper


def test_its_size_is_near_the_nominal_one():
    draw = np.random.default_rng(7)
    p = np.array([superior_predictive_ability(draw.normal(size=(60, 8)), block=1, n_boot=100, seed=i).p_value for i in range(150)])
    for level in (0.05, 0.1, 0.5):
        assert abs((p < level).mean() - level) < 3.5 * math.sqrt(level * (1 - level) / 150) + 0.01


def test_a_real_edge_is_found_among_many():
    x = np.random.default_rng(8).normal(size=(1000, 30))
    x[:, 11] += 0.2
    for test in (reality_check, superior_predictive_ability):
        found = test(x, n_boot=300)
        assert (found.best, found.p_value) == (11, 0.0)
        assert found.words.startswith("the best of 30 beats the benchmark")


def test_a_clearly_bad_and_noisy_strategy_makes_white_lenient_and_leaves_hansen_unmoved():
    x = np.random.default_rng(9).normal(size=(500, 4))
    x[:, 0] += 0.12
    bad = np.column_stack([x, np.random.default_rng(10).normal(-10.0, 40.0, size=500)])
    assert superior_predictive_ability(x, block=1).p_value < 0.05
    assert superior_predictive_ability(bad, block=1).p_value < 0.05
    assert reality_check(bad, block=1).p_value > 0.3


def test_a_benchmark_is_subtracted_and_gaps_are_left_out():
    x, benchmark = _strategies(11), np.random.default_rng(12).normal(size=400)
    gap = benchmark.copy()
    gap[7] = np.nan
    kept = np.arange(400) != 7
    found = superior_predictive_ability(x, gap, block=3, n_boot=50)
    assert found == superior_predictive_ability((x - benchmark[:, None])[kept], block=3, n_boot=50)
    with pytest.raises(ShapeError, match="benchmark"):
        reality_check(x, benchmark[:-1])


def test_strategies_that_never_trade_are_passed_over():
    x = np.column_stack([np.zeros(400), _strategies(13, best=0.3)])
    found = superior_predictive_ability(x, n_boot=50)
    assert found.best == 6
    assert found.block > 1
    for test in (reality_check, superior_predictive_ability):
        nothing = test(np.zeros((50, 2)), n_boot=50)
        assert math.isnan(nothing.p_value)
        assert nothing.best is None
        assert nothing.to_json()["words"] == "undefined: no configuration varies"


def test_the_seed_fixes_the_draws():
    x = _strategies(14)
    p = [superior_predictive_ability(x, n_boot=500, seed=seed).p_value for seed in (1, 1, 2)]
    assert p[0] == p[1] != p[2]


@pytest.mark.parametrize("wrong", [{"n_boot": 5}, {"block": 0.5}, {"block": 500}])
def test_invalid_arguments_raise(wrong):
    with pytest.raises(ShapeError):
        superior_predictive_ability(_strategies(15), **wrong)
    with pytest.raises(ShapeError):
        reality_check(np.ones((1, 3)))
