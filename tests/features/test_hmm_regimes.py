"""States of measures and codes keep their meaning from one fit to the next, where an order by variance swaps them."""

import numpy as np
import pytest

from barmill.features import FeaturePlan, parse_feature
from barmill.features.hidden_markov import fit_hmm
from barmill.features.hmm_regimes import fit_hmm_regimes
from barmill.market import Bars

WHOLE = np.array([0])
MEASURES = "(volatility_percentile_20_480,trend_strength_20,variance_ratio_120_5)"


def codes(n: int, seed: int) -> np.ndarray:
    """Two codes (n, 2): one that tells nothing, and one that stands at -1, 0 or 1 for about fifty rows and is then drawn anew."""
    rng = np.random.default_rng(seed)
    level = rng.integers(-1, 2, n)[np.maximum.accumulate(np.where(rng.random(n) < 0.02, np.arange(n), 0))]
    told = np.where(rng.random(n) < 0.9, level, rng.integers(-1, 2, n))
    return np.column_stack([rng.integers(-1, 2, n), told]).astype(np.float64)


def means_of(fitted: tuple[float, ...], n_states: int) -> np.ndarray:
    """Of the second observation, in each state."""
    at = n_states + n_states**2
    return np.array(fitted[at : at + 2 * n_states]).reshape(n_states, 2)[:, 1]


@pytest.mark.parametrize("seed", range(6))
def test_states_stand_in_the_order_of_the_code_that_tells_them_apart(seed):
    assert (np.diff(means_of(fit_hmm_regimes(3, codes(3_000, seed), WHOLE), 3)) > 0.5).all()


def test_ordered_by_variance_they_would_swap():
    assert any((np.diff(means_of(fit_hmm(3, codes(3_000, seed), WHOLE), 3)) < 0.0).any() for seed in range(6))


def test_all_numbers_of_a_state_move_together():
    """The two fits are one model: the same numbers in another order of states."""
    x = codes(3_000, 0)
    plain, ordered = fit_hmm(3, x, WHOLE), fit_hmm_regimes(3, x, WHOLE)
    order = np.argsort(means_of(plain, 3))
    trans = [np.array(numbers[3:12]).reshape(3, 3) for numbers in (plain, ordered)]
    np.testing.assert_array_equal(trans[1], trans[0][order][:, order])
    variances = [np.array(numbers[18:24]).reshape(3, 2) for numbers in (plain, ordered)]
    np.testing.assert_array_equal(variances[1], variances[0][order])
    np.testing.assert_array_equal(np.array(ordered[:3]), np.array(plain[:3])[order])
    assert ordered[24:] == plain[24:]


@pytest.mark.parametrize("path", ["futures/NQ_5m_2024-12_2025-10.parquet", "crypto/NEARUSDT_um_1m_2024-02.parquet"])
def test_on_real_bars_two_halves_of_a_market_give_the_same_states_and_by_variance_they_would_not(real_data, path):
    bars = Bars.read(real_data / path).slice(0, 20_000)

    def apart(feature: str) -> float:
        plan = FeaturePlan(bars.timeframe, tuple(parse_feature(f"{feature}_3_{k}{MEASURES}", bars.timeframe) for k in range(3)))
        said = [plan.fit(bars, [half]).compute(bars).values[700:] for half in ((0, 9_999), (10_000, 19_999))]
        return float(np.abs(said[0] - said[1]).sum(axis=1).mean()) / 2

    assert apart("hmm_regime_probability") < 0.15
    assert apart("hmm_probability") > 0.5
