"""Daily bands by hand: what a day is on each calendar, what is known of it, and the levels of the day before."""

import numpy as np
import pytest

from barmill.features import FeaturePlan, FeatureStream, parse_feature
from barmill.features.kernels import bands
from barmill.market import Bars, Instrument, Timeframe

HOUR = 3_600_000
DAY = 24 * HOUR
MONDAY = 1_704_067_200_000  # 2024-01-01 00:00 UTC


def bars_of(open_time, high, low, close, volume=None, timeframe="1h", open=None) -> Bars:
    close = np.asarray(close, dtype=np.float64)
    volume = np.ones(len(close)) if volume is None else volume
    opened = np.concatenate([close[:1], close[:-1]]) if open is None else open
    return Bars.from_columns(Instrument.builtin("SIM"), timeframe, open_time, opened, high, low, close, volume)


def values_of(name: str, bars: Bars, calendar: str = "24/7") -> np.ndarray:
    plan = FeaturePlan(bars.timeframe, (parse_feature(name, bars.timeframe),), calendar=calendar)
    return plan.compute(bars).values[:, 0]


def hours(close, high=None, low=None, volume=None, first=MONDAY) -> Bars:
    close = np.asarray(close, dtype=np.float64)
    high, low = close if high is None else high, close if low is None else low
    return bars_of(first + HOUR * np.arange(len(close)), high, low, close, volume)


def test_the_range_of_the_day_grows_with_it_and_starts_again_at_midnight():
    close = np.full(27, 10.0)
    high, low = close + 0.0, close - 0.0
    high[3], low[5] = 14.0, 8.0
    high[24], low[24], close[24] = 12.0, 10.0, 11.5
    position, reach = (values_of(name, hours(close, high, low)) for name in ("day_range_position", "day_range"))
    np.testing.assert_allclose(position[[0, 2, 3, 5, 23]], [0.5, 0.5, 0.0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(reach[[0, 2, 3, 5, 23]], [0.0, 0.0, 0.4, 0.6, 0.6])
    np.testing.assert_allclose(position[24:26], [0.75, 0.0])
    assert reach[24] == 2.0 / 10.0


def test_the_return_of_the_day_starts_from_its_first_open():
    close = 10.0 + np.arange(30.0)
    day_return = values_of("day_return", hours(close))
    assert day_return[0] == 0.0
    assert day_return[23] == 33.0 / 10.0 - 1.0
    assert day_return[24] == 34.0 / 33.0 - 1.0  # its first bar opens at the close before


def test_the_vwap_of_three_bars_on_paper():
    """Typical prices 10, 12, 12 with volumes 1, 3, 0: VWAP 11.5, variance (1·2.25 + 3·0.25)/4."""
    bars = hours([10.0, 12.0, 12.0], volume=[1.0, 3.0, 0.0])
    np.testing.assert_allclose(values_of("day_vwap_distance", bars), [0.0, 12 / 11.5 - 1, 12 / 11.5 - 1])
    np.testing.assert_allclose(values_of("day_vwap_position", bars), [0.0, 0.5 / np.sqrt(0.75), 0.5 / np.sqrt(0.75)])


def test_a_day_without_trades_or_with_one_price_has_neutral_bands():
    still = hours(np.full(50, 7.3))
    assert set(values_of("day_range_position", still)) == {0.5}
    for name in ("day_return", "day_range", "day_vwap_position"):
        assert set(values_of(name, still)) == {0.0}
    silent = hours(7.0 + np.arange(50.0), volume=np.zeros(50))
    for name in ("day_vwap_distance", "day_vwap_position"):
        assert set(values_of(name, silent)) == {0.0}


def test_yesterday_is_a_whole_day_and_is_known_from_its_last_close_on():
    close = np.concatenate([np.full(24, 10.0), np.full(24, 11.0), np.full(2, 12.0)])
    high, low = close + 0.0, close - 0.0
    high[3], low[20], high[30], low[30] = 14.0, 6.0, 16.0, 8.0
    bars = hours(close, high, low)
    position = values_of("band_position(high@1d,low@1d)", bars)
    assert np.isnan(position[:23]).all()
    np.testing.assert_allclose(position[23:47], [0.5, *np.full(23, (11 - 6) / (14 - 6))])  # today's own high of 16 is not in it
    np.testing.assert_allclose(position[47:], [(11 - 8) / (16 - 8), 0.5, 0.5])
    distance = values_of("pivot_distance(high@1d,low@1d,close@1d)", bars)
    np.testing.assert_allclose(distance[30], 11.0 / ((14.0 + 6.0 + 10.0) / 3.0) - 1.0)


@pytest.mark.parametrize(
    ("close", "zone"),
    [(1.5, -3.0), (2.0, -3.0), (5.0, -2.0), (6.0, -2.0), (9.9, -1.0), (10.0, 1.0), (13.9, 1.0), (14.0, 2.0), (17.9, 2.0), (18.0, 3.0)],
)
def test_the_zone_counts_the_levels_that_the_close_has_reached(close, zone):
    """High 14, low 6, close 10: P 10, R1 14, R2 18, S1 6, S2 2."""
    before = np.full(24, 10.0)
    high, low = before + 0.0, before - 0.0
    high[3], low[20] = 14.0, 6.0
    bars = hours(np.append(before, close), np.append(high, close), np.append(low, close))
    assert values_of("pivot_zone(high@1d,low@1d,close@1d)", bars)[-1] == zone


def test_levels_that_are_one_have_neutral_places():
    still = hours(np.full(60, 7.5))
    assert set(values_of("band_position(high@1d,low@1d)", still)[23:]) == {0.5}
    assert set(values_of("pivot_zone(high@1d,low@1d,close@1d)", still)[23:]) == {0.0}
    assert set(values_of("pivot_distance(high@1d,low@1d,close@1d)", still)[23:]) == {0.0}


def minutes_of_sessions(sessions, step=30 * 60_000):
    """Open times of half hours within [first, end) of each session."""
    return np.concatenate([np.arange(first, end, step) for first, end in sessions])


def test_on_a_futures_calendar_the_day_is_the_session_that_opens_in_the_evening():
    """CME equity futures: Sunday 17:00 Chicago (23:00 UTC in winter) to Monday 16:00; midnight UTC ends nothing."""
    sunday = MONDAY + 6 * DAY + 23 * HOUR  # 2024-01-07 23:00 UTC
    times = minutes_of_sessions([(sunday, sunday + 23 * HOUR), (sunday + DAY, sunday + DAY + 23 * HOUR)])
    close = 100.0 + np.arange(len(times))
    day_return = values_of("day_return", bars_of(times, close, close, close, timeframe="30m", open=close), "CMES")
    np.testing.assert_allclose(day_return[:46], close[:46] / 100.0 - 1.0)
    np.testing.assert_allclose(day_return[46:], close[46:] / 146.0 - 1.0)


def test_a_midday_break_ends_no_day():
    """Hong Kong trades 01:30 to 04:00 and 05:00 to 08:00 UTC."""
    tuesday = MONDAY + DAY
    spans = [
        (tuesday + d * DAY + start * HOUR // 2, tuesday + d * DAY + end * HOUR // 2) for d in (0, 1) for start, end in ((3, 8), (10, 16))
    ]
    times = minutes_of_sessions(spans)
    close = 100.0 + np.arange(len(times))
    day_return = values_of("day_return", bars_of(times, close, close, close, timeframe="30m", open=close), "XHKG")
    np.testing.assert_allclose(day_return[:11], close[:11] / 100.0 - 1.0)
    np.testing.assert_allclose(day_return[11:], close[11:] / 111.0 - 1.0)


def test_a_session_that_opens_within_half_a_day_of_the_first_belongs_to_its_day():
    opened = np.array([0.0, 0.0, 3.5, 3.5, 24.0, 24.0]) * HOUR  # a morning, an afternoon, the next morning
    price = np.array([10.0, 11.0, 12.0, 13.0, 20.0, 21.0])
    volume = np.ones(6)
    day_return = bands.day_so_far.run((), opened, open=price, high=price, low=price, close=price, volume=volume)[1]
    np.testing.assert_allclose(day_return, price / np.array([10.0, 10.0, 10.0, 10.0, 20.0, 20.0]) - 1.0)


def test_live_bars_over_two_midnights_give_the_bits_of_the_history(make_bars):
    bars = make_bars(3_500, seed=4, gaps=False)
    names = ("day_range_position", "day_vwap_position", "band_position(high@1d,low@1d)", "pivot_zone(high@1d,low@1d,close@1d)")
    plan = FeaturePlan(bars.timeframe, tuple(parse_feature(name, bars.timeframe) for name in names))
    stream = FeatureStream(plan)
    parts = [stream.extend(bars.slice(0, 1_430)).values, *(stream.push(bars.bar(i))[None] for i in range(1_430, 1_450))]
    parts.append(FeatureStream.restore(plan, stream.state()).extend(bars.slice(1_450, 3_500)).values)
    np.testing.assert_array_equal(np.vstack(parts), plan.compute(bars).values)


def test_real_bars_have_finite_bands_that_agree_with_their_own_days(real_data):
    path = real_data / "futures" / "ES_5m_2024-12_2025-10.parquet"
    if not path.exists():
        pytest.skip(f"no {path.name} in {real_data}: set BARMILL_DATA")
    bars = Bars.read(path).slice(0, 20_000)
    names = ("day_range_position", "day_return", "day_vwap_position", "band_position(high@1d,low@1d)")
    features = tuple(parse_feature(name, Timeframe.parse("5m")) for name in names)
    table = FeaturePlan(bars.timeframe, features, calendar="CMES", anchor="session").compute(bars).values
    assert np.isfinite(table[2_000:]).all()
    assert table[:, 0].min() >= 0.0
    assert table[:, 0].max() <= 1.0
    sessions = bars.calendar.open_intervals(int(bars.open_time[0]), int(bars.open_time[-1]))[:, 0]
    session = np.searchsorted(sessions, bars.open_time, side="right")
    first = np.flatnonzero(np.diff(session, prepend=-1))
    assert len(first) > 70
    opened = np.repeat(bars.open[first], np.diff(np.append(first, len(bars))))
    scheduled = bars.calendar.is_open(bars.open_time)  # what is traded while the calendar says closed is a day of its own
    assert scheduled.mean() > 0.98
    np.testing.assert_array_equal(table[scheduled, 1], (bars.close / opened - 1.0)[scheduled])
