"""Macro: a daily figure is read from its release on, and its changes are of days."""

import numpy as np
import polars as pl
import pytest

from barmill.features import FeaturePlan, parse_feature
from barmill.market import Bars, Instrument, SeriesSource, Timeframe, join_series, read_series

HOUR = 3_600_000
DAY = 24 * HOUR
MONDAY = 1_704_067_200_000  # 2024-01-01 00:00 UTC
ONE_HOUR = Timeframe.parse("1h")


@pytest.fixture
def hours(tmp_path) -> Bars:
    """Forty days of hours with a figure a day, released at noon of the next day."""
    n_days = 40
    close = 100.0 + np.arange(24 * n_days) % 5
    bars = Bars.from_columns(Instrument.builtin("SIM"), "1h", MONDAY + HOUR * np.arange(24 * n_days), close, close, close, close, close)
    days = pl.date_range(pl.date(2023, 12, 20), pl.date(2024, 2, 28), "1d", eager=True)
    figures = {"date": days, "ratio": 1.0 + np.arange(len(days)) / 8.0, "flow": np.where(np.arange(len(days)) % 2, 5.0, -3.0)}
    pl.DataFrame(figures).write_parquet(tmp_path / "chain.parquet")
    source = SeriesSource(file="chain.parquet", columns={"mvrv": "ratio", "exchange_netflow": "flow"}, known="36h", max_age="2d")
    return join_series(bars, read_series(source, tmp_path))


def values_of(bars: Bars, *names: str) -> np.ndarray:
    return FeaturePlan(ONE_HOUR, tuple(parse_feature(name, ONE_HOUR) for name in names)).compute(bars).values


def test_each_figure_stands_from_its_own_release_to_the_next(hours):
    (mvrv,) = values_of(hours, "mvrv").T
    released = np.flatnonzero(np.diff(mvrv)) + 1
    assert (hours.close_time[released] % DAY == 12 * HOUR).all()
    assert len(released) == 40
    day_of_figure = (hours.close_time - 36 * HOUR) // DAY - (MONDAY // DAY - 12)
    np.testing.assert_array_equal(mvrv, 1.0 + day_of_figure / 8.0)


def test_changes_and_zscores_on_daily_bars_count_releases(hours):
    change, zscore, flow = values_of(hours, "change_7(mvrv)@1d", "zscore_14(mvrv)@1d", "zscore_14(exchange_netflow)@1d").T
    np.testing.assert_array_equal(change[8 * 24 - 1 :], 7.0 / 8.0)
    line = np.arange(14.0)
    np.testing.assert_allclose(zscore[14 * 24 - 1 :], (13.0 - line.mean()) / line.std())
    np.testing.assert_allclose(np.abs(flow[14 * 24 - 1 :]), 1.0)


def test_a_later_release_never_shows_a_figure_earlier(hours, tmp_path):
    bars = Bars(hours.instrument, hours.timeframe, hours.frame.drop("mvrv", "exchange_netflow"))
    shown = []
    for known in ("1d", "36h", "3d"):
        source = SeriesSource(file="chain.parquet", columns={"mvrv": "ratio"}, known=known)
        shown.append(values_of(join_series(bars, read_series(source, tmp_path)), "mvrv")[:, 0])
    assert (shown[1] <= shown[0]).all()
    assert (shown[2] < shown[1]).all()
