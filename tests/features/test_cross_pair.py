"""Beside a reference market: planted betas, leads and residuals, by hand and by property."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.features import FeaturePlan, parse_feature
from barmill.features.kernels import cross_pair
from barmill.market import Bars, Instrument, SeriesSource, Timeframe, join_series, read_series

MINUTE = Timeframe.parse("1m")


def pair(close, other, window, lag=0):
    return cross_pair.pair.run((window, lag, cross_pair.LOG_RETURN), np.asarray(other), close=np.asarray(close))


def prices(returns):
    return 100.0 * np.exp(np.cumsum(returns))


def test_a_market_that_moves_twice_as_far_has_a_beta_of_two_and_nothing_left_over():
    returns = np.random.default_rng(1).normal(0.0, 1e-3, 300)
    beta, correlation, residual, zscore = pair(prices(2.0 * returns), prices(returns), 60)
    np.testing.assert_allclose(beta[60:], 2.0, rtol=1e-9)
    np.testing.assert_allclose(correlation[60:], 1.0)
    np.testing.assert_allclose(residual[60:], 0.0, atol=1e-15)
    assert set(zscore[60:]) == {0.0}


def test_a_move_of_its_own_stands_out_in_the_residual():
    rng = np.random.default_rng(2)
    returns, own = rng.normal(0.0, 1e-3, 300), rng.normal(0.0, 1e-4, 300)
    own[250] = 2e-3
    _, _, residual, zscore = pair(prices(0.5 * returns + own), prices(returns), 60)
    assert int(np.nanargmax(zscore)) == 250
    assert zscore[250] > 5.0
    assert residual[250] == pytest.approx(2e-3, rel=0.1)


def test_a_reference_that_leads_by_a_bar_is_found_at_that_lag_alone():
    returns = np.random.default_rng(3).normal(0.0, 1e-3, 400)
    follower = np.append(0.0, returns[:-1])
    for lag, least, most in ((0, -0.3, 0.3), (1, 0.999, 1.0), (2, -0.3, 0.3)):
        correlation = pair(prices(follower), prices(returns), 120, lag)[1]
        assert int(np.argmax(np.isfinite(correlation))) == 120 + lag
        assert least <= correlation[250:].min() <= correlation[250:].max() <= most + 1e-12


@given(st.integers(2, 40), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_it_equals_numpy_on_each_window(window, lag, seed):
    rng = np.random.default_rng(seed)
    close, other = prices(rng.normal(0.0, 1e-2, 80)), prices(rng.normal(0.0, 1e-2, 80))
    correlation = pair(close, other, window, lag)[1]
    own, lagged = np.diff(np.log(close)), np.diff(np.log(other))
    assert np.isnan(correlation[: window + lag]).all()
    for t in range(window + lag, 80):
        slow = np.corrcoef(own[t - window : t], lagged[t - window - lag : t - lag])[0, 1]
        assert correlation[t] == pytest.approx(slow, abs=1e-7)


@pytest.mark.parametrize("still", ["close", "other", "both"])
def test_what_does_not_vary_explains_nothing(still):
    moving, flat = prices(np.random.default_rng(4).normal(0.0, 1e-3, 100)), np.full(100, 0.1 + 0.2)
    close, other = flat if still in ("close", "both") else moving, flat if still in ("other", "both") else moving
    beta, correlation, residual, zscore = pair(close, other, 20)
    assert set(beta[20:]) == set(correlation[20:]) == {0.0}
    if still == "other":
        own = np.diff(np.log(close))
        assert residual[-1] == pytest.approx(own[-1] - own[-20:].mean())
        assert np.isfinite(zscore[20:]).all()
    else:
        assert set(residual[20:]) == set(zscore[20:]) == {0.0}


def test_a_reference_that_is_not_above_zero_counts_as_still():
    other = np.where(np.arange(100) % 10 == 0, 0.0, 5.0)
    values = pair(prices(np.random.default_rng(5).normal(0.0, 1e-3, 100)), other, 20)
    assert np.isfinite(values[:, 20:]).all()


def test_the_two_references_of_one_plan_are_two():
    rng = np.random.default_rng(6)
    close, first, second = (prices(rng.normal(0.0, 1e-3, 300)) for _ in range(3))
    bars = Bars.from_columns(
        Instrument.builtin("SIM"),
        "1m",
        60_000 * np.arange(300),
        *[close] * 4,
        np.ones(300),
        reference_close=first,
        second_reference_close=second,
    )
    names = ("reference_beta_60", "second_reference_beta_60", "reference_return_5", "second_reference_return_5")
    together = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names)).compute(bars).values
    alone = [FeaturePlan(MINUTE, (parse_feature(name, MINUTE),)).compute(bars).values[:, 0] for name in names]
    np.testing.assert_array_equal(together, np.column_stack(alone))
    assert not np.allclose(together[60:, 0], together[60:, 1])


def test_real_filecoin_moves_with_real_bitcoin(real_data):
    market, leader = (
        real_data / "crypto" / f"{name}.parquet" for name in ("FILUSDT_um_1m_2023-08_2023-11", "BTCUSDT_um_30m_2023-01_2025-03")
    )
    if not market.exists() or not leader.exists():
        pytest.skip(f"no {market.name} or {leader.name} in {real_data}: set BARMILL_DATA")
    source = SeriesSource(file=leader.name, columns={"reference_close": "close"}, known="close", timeframe="30m")
    bars = join_series(Bars.read(market), read_series(source, leader.parent))
    names = ("reference_correlation_96@30m", "reference_beta_96@30m", "reference_residual_zscore_96@30m", "reference_lead_96_1@30m")
    plan = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in names))
    correlation, beta, zscore, lead = plan.compute(bars).values[plan.warmup_bars :].T
    assert np.isfinite([correlation, beta, zscore, lead]).all()
    assert 0.4 < correlation.mean() < 0.95
    assert 0.5 < beta.mean() < 2.0
    assert abs(lead.mean()) < 0.2
