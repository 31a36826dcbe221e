"""Regimes: ranks with ties, planted markets, what a market without regimes shows, and hand-worked values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import RecipeError
from barmill.features import FeaturePlan, parse_feature
from barmill.features.kernels import regimes
from barmill.market import Bars, Instrument, Timeframe

MINUTE = Timeframe.parse("1m")
START_MS = 1_704_067_200_000


def values(close, *names) -> list[np.ndarray]:
    """The columns of these features on bars that touch no more than the close before and their own."""
    close = np.asarray(close, dtype=np.float64)
    open_ = np.concatenate([close[:1], close[:-1]])
    open_time = START_MS + np.arange(len(close)) * MINUTE.ms
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    bars = Bars.from_columns(Instrument.builtin("FILUSDT"), MINUTE, open_time, open_, high, low, close, np.ones(len(close)))
    plan = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))
    return list(plan.compute(bars).values.T)


def walk(sigma, seed=0) -> np.ndarray:
    return 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).standard_normal(len(sigma)) * sigma))


def shares(codes) -> list[float]:
    codes = codes[np.isfinite(codes)]
    return [float(np.mean(codes == code)) for code in (-1.0, 0.0, 1.0)]


@given(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=12, max_size=60), st.integers(1, 4), st.integers(4, 8))
def test_percentile_counts_ties_half(steps, window, history):
    """Halving, doubling and standing still: a volatility is known by how many bars of the window moved."""
    close = 2.0 ** np.cumsum([0, *steps])
    percentile, regime = regimes.volatility_regime.run((window, history), close=close)
    moved = [sum(map(abs, steps[t - window : t])) for t in range(window, len(close))]
    for t in range(len(close)):
        if t < window + history - 1:
            assert np.isnan(percentile[t])
            assert np.isnan(regime[t])
            continue
        past = moved[t - window - history + 1 : t - window + 1]
        below, equal = sum(one < past[-1] for one in past), sum(one == past[-1] for one in past)
        assert percentile[t] == (below + equal / 2) / history
        assert regime[t] == (percentile[t] > 0.75) - float(percentile[t] < 0.25)


def test_quiet_usual_and_wild_are_a_quarter_a_half_and_a_quarter_where_volatility_has_no_regime():
    (regime,) = values(walk(np.full(60_000, 1e-3)), "volatility_regime_20_240")
    np.testing.assert_allclose(shares(regime), [0.25, 0.5, 0.25], atol=0.02)


def test_a_wild_hour_is_wild_and_a_quiet_hour_is_quiet():
    sigma = np.full(1_000, 1e-3)
    sigma[600:660], sigma[800:860] = 5e-3, 1e-4
    (regime,) = values(walk(sigma), "volatility_regime_20_240")
    assert (regime[606:660] == 1.0).all()
    assert (regime[820:860] == -1.0).all()


def test_one_shock_is_forgotten_with_its_window_and_its_history():
    """The bar after the shock has left the window is an ordinary one; nothing of it is left once the history has passed."""
    close = walk(np.full(600, 1e-3), seed=3)
    shocked = np.concatenate([close[:200], close[200:] * 1.5])
    calm, shaken = values(close, "volatility_percentile_20_100")[0], values(shocked, "volatility_percentile_20_100")[0]
    np.testing.assert_array_equal(shaken[:200], calm[:200])
    assert (shaken[200:220] >= 1.0 - 20 / 100).all()
    assert not np.array_equal(shaken[220:300], calm[220:300])
    np.testing.assert_allclose(shaken[320:], calm[320:], atol=1e-12)


def test_a_walk_without_drift_is_called_trending_a_third_of_the_time_however_volatility_moves():
    sigma = 1e-3 * np.exp(np.sin(np.arange(60_000) / 300.0))
    strength, regime = values(walk(sigma, seed=1), "trend_strength_20", "trend_regime_20")
    third = 2.0 * (1.0 - 0.5 * (1.0 + math.erf(1.0 / math.sqrt(2.0))))
    np.testing.assert_allclose(shares(regime), [third / 2, 1.0 - third, third / 2], atol=0.03)
    assert abs(np.nanmean(strength)) < 0.05
    assert np.nanstd(strength) == pytest.approx(1.0, abs=0.03)


def test_a_drift_is_a_trend_in_its_direction():
    drift = np.repeat([1e-3, -1e-3], 300)
    close = 50.0 * np.exp(np.cumsum(drift + 1e-3 * np.random.default_rng(2).standard_normal(600)))
    regime, _ = values(close, "trend_regime_60", "trend_strength_60")
    assert (regime[61:300] == 1.0).mean() > 0.99
    assert (regime[365:] == -1.0).mean() > 0.99


@pytest.mark.parametrize("n", [2, 14, 60])
def test_equal_steps_are_the_strongest_trend_there_is(n):
    """t is at most sqrt(n), by Cauchy and Schwarz."""
    close = 2.0 ** -np.arange(100.0)
    strength, regime, efficiency = values(close, f"trend_strength_{n}", f"trend_regime_{n}", f"efficiency_ratio_{n}")
    np.testing.assert_allclose(strength[n:], -math.sqrt(n), rtol=1e-14)
    assert (regime[n:] == -1.0).all()
    np.testing.assert_allclose(efficiency[n:], 1.0, rtol=1e-14)


def test_efficiency_ratio_by_hand():
    (value,) = values([10.0, 11.0, 13.0, 12.0, 12.0, 9.0, 9.0, 9.0, 9.0, 9.0], "efficiency_ratio_4")
    expected = [math.nan] * 4 + [2 / 4, 2 / 6, 4 / 4, 3 / 3, 3 / 3, 0.0]
    np.testing.assert_allclose(value, expected, rtol=1e-15)


def test_the_variance_ratio_of_a_walk_is_one_and_its_regime_none_two_thirds_of_the_time():
    sigma = 1e-3 * np.exp(np.sin(np.arange(40_000) / 300.0))
    ratio, regime = values(walk(sigma, seed=4), "variance_ratio_120_5", "structure_regime_120_5")
    assert np.nanmean(ratio) == pytest.approx(1.0, abs=0.02)
    assert shares(regime)[1] == pytest.approx(0.68, abs=0.04)


@pytest.mark.parametrize(("rho", "code"), [(0.5, 1.0), (-0.5, -1.0)])
def test_the_variance_ratio_knows_persistence_from_reversal(rho, code):
    """VR(2) of a first-order autoregression is 1 + rho."""
    shocks = np.random.default_rng(5).standard_normal(20_000) * 1e-3
    returns = np.zeros(20_000)
    for t in range(1, 20_000):
        returns[t] = rho * returns[t - 1] + shocks[t]
    ratio, regime = values(50.0 * np.exp(np.cumsum(returns)), "variance_ratio_240_2", "structure_regime_240_2")
    assert np.nanmean(ratio) == pytest.approx(1.0 + rho, abs=0.02)
    assert (regime[240:] == code).mean() > 0.99


def test_composite_codes_are_ordered_by_volatility_and_then_by_trend():
    volatility, trend = (codes.ravel() for codes in np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing="ij"))
    np.testing.assert_array_equal(regimes.composite_regime.run((), volatility, trend)[0], np.arange(-4.0, 5.0))
    late = regimes.composite_regime.run((), np.array([np.nan, 1.0, np.nan, 1.0]), np.array([np.nan, np.nan, 0.0, 0.0]))[0]
    np.testing.assert_array_equal(late, [np.nan, np.nan, np.nan, 3.0])


def test_where_nothing_moves_every_regime_is_the_usual_one():
    names = ["volatility_percentile_20_60", "volatility_regime_20_60", "trend_strength_20", "trend_regime_20", "efficiency_ratio_10"]
    names += ["variance_ratio_60_5", "structure_regime_60_5", "composite_regime(volatility_regime_20_60,trend_regime_20)"]
    for name, column, neutral in zip(names, values(np.full(200, 64.0), *names), [0.5, 0, 0, 0, 0, 1, 0, 0], strict=True):
        assert (column[80:] == neutral).all(), name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("variance_ratio_9_5", "window must be at least twice span"),
        ("volatility_regime_20_20000", r"history: is 20000; expected less than or equal to 10000"),
        ("hmm_probability_2_2(log_return_1)", "state must be below states"),
        ("hmm_expected_state_1(log_return_1)", "greater than or equal to 2"),
        ("composite_regime(trend_regime_20)", "1 features as arguments; expected 2"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(name, message):
    with pytest.raises(RecipeError, match=message):
        parse_feature(name, MINUTE)


@pytest.mark.parametrize(
    "path",
    ["crypto/FILUSDT_um_1m_2024-02.parquet", "futures/ES_5m_2024-12_2025-10.parquet", "fx/EURUSD_1m_2018.parquet"],
)
def test_real_markets_have_every_regime(real_data, path):
    bars = Bars.read(real_data / path)
    bars = bars.slice(0, min(len(bars), 40_000))
    names = ("volatility_regime_20_480", "trend_regime_20", "structure_regime_120_5")
    plan = FeaturePlan(bars.timeframe, tuple(parse_feature(name, bars.timeframe) for name in names))
    table = plan.compute(bars)
    assert np.isfinite(table.values[plan.warmup_bars :]).all()
    for column in table.values.T:
        found = shares(column)
        assert min(found) > 0.02
        assert sum(found) == pytest.approx(1.0)
