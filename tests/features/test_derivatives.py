"""Funding and basis by hand, and beside real funding rates."""

import numpy as np
import pytest

from barmill.features import FeaturePlan, parse_feature
from barmill.features.kernels import derivatives
from barmill.market import Bars, SeriesSource, Timeframe, join_series, read_series

HOUR = 3_600_000


def test_the_basis_is_the_close_above_the_spot_price():
    bps = derivatives.beside.run((), np.array([100.0, 100.0, 0.0]), close=np.array([100.5, 99.0, 5.0]))[0]
    np.testing.assert_allclose(bps, [50.0, -100.0, 0.0])


@pytest.mark.parametrize(
    ("hours", "left"), [(8.0, [0.875, 0.125, 1.0, 0.5]), (1.0, [1.0, 1.0, 1.0, 1.0]), (24.0, [23 / 24, 17 / 24, 2 / 3, 1 / 6])]
)
def test_the_time_to_funding_runs_down_and_starts_again_at_the_settlement(hours, left):
    close_time = HOUR * np.array([1.0, 7.0, 8.0, 20.0])
    np.testing.assert_allclose(derivatives.time_to_settlement.run((hours,), close_time=close_time)[0], left)


def test_funding_is_shown_from_its_settlement_on_and_changes_with_each(real_data):
    """Real funding of 8 hours beside half hours of the same market: the rate in force is the last settled at each close."""
    rates = real_data / "crypto" / "BTCUSDT_um_funding_8h_2024-10_2025-02.parquet"
    market = real_data / "crypto" / "BTCUSDT_um_30m_2023-01_2025-03.parquet"
    if not rates.exists() or not market.exists():
        pytest.skip(f"no {rates.name} or {market.name} in {real_data}: set BARMILL_DATA")
    source = SeriesSource(file=rates.name, columns={"funding_rate": "funding_rate"}, known="label", time="funding_time")
    bars = join_series(Bars.read(market), read_series(source, rates.parent))
    half_hour = Timeframe.parse("30m")
    names = ("funding_rate", "change_1(funding_rate)@8h", "zscore_21(funding_rate)@8h", "time_to_funding_8")
    plan = FeaturePlan(half_hour, tuple(parse_feature(name, half_hour) for name in names))
    values = plan.compute(bars).values
    level, change, zscore, left = values[np.isfinite(values).all(axis=1)].T
    assert len(level) > 8_000
    settled = left == 1.0
    moved = np.append(False, np.diff(level) != 0.0)
    assert moved.sum() > 200
    assert settled[moved].all()
    np.testing.assert_allclose(change[moved & settled], np.diff(level, prepend=np.nan)[moved & settled])
    assert np.abs(zscore).max() <= np.sqrt(20.0) + 1e-9
