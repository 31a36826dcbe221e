"""The laws as they concern judging: isolation, order, no crossing, and chance that is seen as chance (definitions.md, section 17)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from barmill.errors import ProvenanceError
from barmill.evaluation import (
    TradingRule,
    backtest,
    backtest_net_returns,
    check_provenance,
    fit_thresholds,
    positions,
    provenance,
    random_band,
)
from barmill.uncertainty import fit_calibration, fit_residual_quantiles
from barmill.uncertainty.links import sigmoid

METHODS = [[], ["temperature_scaling"], ["isotonic"], ["temperature_scaling", "isotonic"]]


class Rows:
    """What a model said and what came, for every sample of a run."""

    def __init__(self, n=1200, seed=0):
        rng = np.random.default_rng(seed)
        self.logits = rng.normal(size=n)
        self.expected = 0.2 * self.logits + rng.normal(0, 0.1, n)
        self.y = (rng.uniform(size=n) < sigmoid(self.logits / 2)).astype(np.int8)
        self.z = 0.3 * self.logits + rng.standard_t(4, n)
        self.t0 = np.arange(n)
        self.t1 = self.t0 + rng.integers(1, 30, n)

    def fitted(self, calibration, selection):
        """Everything that judging fits, as its plain numbers."""
        calibrator = fit_calibration(["temperature_scaling", "isotonic"], self.logits[calibration], self.y[calibration], 2)
        quantiles = fit_residual_quantiles(self.expected[calibration], self.logits[calibration], self.z[calibration])
        thresholds = fit_thresholds(calibrator.apply(self.logits[selection]), TradingRule())
        return calibrator.to_json(), quantiles.to_json(), thresholds


CALIBRATION, SELECTION, TEST = np.arange(300, 600), np.arange(640, 800), np.arange(850, 1200)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rows_outside_the_declared_fitting_rows_change_nothing_fitted(seed):
    whole, perturbed, rng = Rows(), Rows(), np.random.default_rng(seed)
    outside = np.setdiff1d(np.arange(1200), np.concatenate([CALIBRATION, SELECTION]))
    for column in (perturbed.logits, perturbed.expected, perturbed.z):
        column[outside] = rng.normal(0, 100, outside.size)
    perturbed.y[outside] = 1 - perturbed.y[outside]
    assert perturbed.fitted(CALIBRATION, SELECTION) == whole.fitted(CALIBRATION, SELECTION)


def test_rows_inside_them_do_change_it():
    perturbed = Rows()
    perturbed.logits[CALIBRATION] *= 3
    assert perturbed.fitted(CALIBRATION, SELECTION) != Rows().fitted(CALIBRATION, SELECTION)


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("calibration on test rows", np.append(CALIBRATION, TEST[:1])),
        ("thresholds on test rows", TEST),
        ("a label that reaches into the test block", np.append(SELECTION, np.arange(840, 850))),
    ],
)
def test_a_planted_fault_of_provenance_is_refused(what, where):
    rows = Rows()
    rows.t1[840:850] = 855
    check_provenance([provenance("calibration", "calibration", CALIBRATION, rows)], TEST, rows)
    with pytest.raises(ProvenanceError, match=what):
        check_provenance([provenance(what, "a wrong slice", where, rows)], TEST, rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(METHODS), st.lists(st.floats(-30, 30), min_size=2, max_size=40))
def test_calibrators_keep_the_order_and_stay_probabilities(seed, methods, new):
    rows = Rows(n=200, seed=seed)
    ordered = np.sort(np.array(new))
    p = fit_calibration(methods, rows.logits, rows.y, 2).apply(ordered)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) >= 0).all()
    if methods in ([], ["temperature_scaling"]):
        apart = (np.diff(ordered) > 1e-3) & (np.abs(ordered[1:]) < 6)  # where a float can tell the two probabilities apart
        assert (np.diff(p)[apart] > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([[], ["temperature_scaling"], ["isotonic"]]))
def test_three_class_probabilities_sum_to_one(seed, methods):
    rng = np.random.default_rng(seed)
    logits, y = rng.normal(0, 3, (90, 3)), np.arange(90) % 3
    p = fit_calibration(methods, logits, y, 3).apply(rng.normal(0, 10, (50, 3)))
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30), st.booleans())
def test_quantiles_never_cross(seed, new, with_expected):
    rows = Rows(n=50, seed=seed)
    fitted = fit_residual_quantiles(rows.expected if with_expected else None, rows.logits, rows.z)
    assert (np.diff(fitted.apply(new, new), axis=1) >= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 60))
def test_bars_after_a_decision_change_neither_it_nor_what_was_earned_before(seed, t):
    rng = np.random.default_rng(seed)
    prices, p = rng.uniform(50, 150, 64), rng.uniform(size=64)
    position = positions(p, 0.2, 0.8, 5)
    net = backtest_net_returns(prices, position, 0.001)
    prices[t:], p[t:] = rng.uniform(50, 150, 64 - t), rng.uniform(size=64 - t)
    later = positions(p, 0.2, 0.8, 5)
    np.testing.assert_array_equal(later[:t], position[:t])
    np.testing.assert_array_equal(backtest_net_returns(prices, later, 0.001)[: t - 2], net[: t - 2])


def noise_market(seed, n=1500):
    """Prices without memory but with bursts of volatility, and a persistent signal that knows nothing of them."""
    rng = np.random.default_rng(seed)
    volatility = 0.001 * np.exp(np.cumsum(rng.normal(0, 0.05, n)) - np.linspace(0, 1, n))
    prices = 100 * np.exp(np.cumsum(rng.standard_t(4, n) * np.clip(volatility, 2e-4, 5e-3)))
    signal = np.convolve(rng.normal(size=n + 9), np.ones(10), "valid")
    return prices, sigmoid(signal / 3)


@pytest.mark.parametrize("cost", [0.0, 2e-4])
def test_on_noise_the_random_band_holds_the_models_sharpe_as_often_as_it_should(cost):
    shares, above = [], 0
    for seed in range(300):
        prices, p = noise_market(seed)
        low, high = fit_thresholds(p, TradingRule(trade_share=0.2))
        band = random_band(prices, positions(p, low, high, 30), cost, 525_600, seed=seed, n_random=100)
        shares.append(band.share_below)
        above += band.above_chance
    assert kstest(shares, "uniform").pvalue > 0.005
    inside = np.sum((np.array(shares) > 0.05) & (np.array(shares) < 0.95))
    assert binom.ppf(0.001, 300, 0.89) <= inside <= binom.ppf(0.999, 300, 0.91)
    assert above <= binom.ppf(0.999, 300, 0.05)


def test_a_planted_edge_is_seen_above_it():
    above = 0
    for seed in range(40):
        prices, p = noise_market(seed)
        edge = np.where(positions(p, 0.3, 0.7, 1) > 0, 6e-4, -2e-4)
        drifting = prices * np.exp(np.concatenate([[0.0, 0.0], np.cumsum(edge[:-2])]))  # earned from open[t + 1] to open[t + 2]
        band = random_band(drifting, positions(p, 0.3, 0.7, 1), 1e-5, 525_600, seed=seed, n_random=100)
        above += band.above_chance
    assert above >= 36


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_equity_changes_by_what_the_trades_earned(seed):
    rng = np.random.default_rng(seed)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 200)))
    result = backtest(prices, positions(rng.uniform(size=200), 0.1, 0.9, 7), 0.001, 252)
    np.testing.assert_allclose(np.diff(result.equity, prepend=1.0) / np.append(1.0, result.equity[:-1]), result.net, atol=1e-12)
    assert result.trades.net.sum() == pytest.approx(result.net.sum(), abs=1e-12)
