"""Features of sessions where markets close: half days, breaks, weekends, summer time. Where they never do: `oracles/session.py`."""

import numpy as np
import pytest

from barmill.features import FEATURES, FeaturePlan, parse_feature, usual_feature
from barmill.market import Bars, Instrument, Timeframe
from oracles.session import ORACLES

MINUTE = Timeframe.parse("1m")


def minutes(calendar: str, first: str, n_bars: int = 2, step: int = 1) -> Bars:
    """Minutes at one price from `first`, `step` minutes apart, under that calendar."""
    instrument = Instrument.builtin("SIM").model_copy(update={"calendar": calendar})
    times = np.datetime64(first, "ms").astype(np.int64) + step * MINUTE.ms * np.arange(n_bars)
    return Bars.from_columns(instrument, MINUTE, times, *np.ones((5, n_bars)))


def values_of(name: str, bars: Bars) -> np.ndarray:
    plan = FeaturePlan(MINUTE, (parse_feature(name, MINUTE),), calendar=bars.instrument.calendar)
    return plan.compute(bars).values[:, 0]


@pytest.mark.parametrize(
    ("calendar", "bar", "expected"),
    [
        # the half day after Thanksgiving: Globex from 17:00 to noon in Chicago
        ("CMES", "2023-11-24T17:58", {"minutes_to_close": 1, "minutes_since_open": 1_139, "near_close_30": 1, "holiday_eve": 1}),
        ("CMES", "2023-11-24T17:59", {"minutes_to_close": 0, "session_progress": 1, "closed_ahead": 53 * 60}),
        (
            "CMES",
            "2023-11-24T18:00",
            {"minutes_to_close": 0, "session_progress": 0, "near_open_30": 0, "closed_ahead": 0, "day_of_week": 0},
        ),
        # a usual day
        ("CMES", "2024-07-10T20:29", {"minutes_to_close": 30, "near_close_30": 0, "closed_ahead": 60, "holiday_eve": 0}),
        ("CMES", "2024-07-10T20:30", {"minutes_to_close": 29, "near_close_30": 1}),
        ("CMES", "2024-07-10T22:29", {"minutes_since_open": 30, "near_open_30": 1, "day_of_week": 3}),  # Thursday's session
        ("CMES", "2024-07-10T22:30", {"minutes_since_open": 31, "near_open_30": 0}),
        # a day of New York's is as long in the week after its clocks were changed, and starts an hour earlier in UTC
        ("forex", "2018-03-09T21:59", {"minutes_to_close": 0, "session_progress": 1, "closed_ahead": 47 * 60, "holiday_eve": 0}),
        ("forex", "2018-03-11T21:00", {"minutes_since_open": 1, "minutes_to_close": 1_439, "day_of_week": 0}),
        ("forex", "2018-11-02T20:59", {"closed_ahead": 49 * 60, "holiday_eve": 0}),
        # an exchange with a midday break, which ends no session
        ("XHKG", "2024-05-20T04:29", {"minutes_since_open": 180, "minutes_to_close": 210}),
        # months
        ("XNYS", "2024-03-28T15:00", {"days_to_month_end": 0, "holiday_eve": 1}),  # Good Friday is the 29th
        ("XNYS", "2024-03-27T15:00", {"days_to_month_end": 1, "holiday_eve": 0}),
        ("24/7", "2024-02-10T15:00", {"days_to_month_end": 19, "day_of_week": 5}),
        # London's summer time begins on 2024-03-31, New York's on the 10th, Tokyo has none
        ("24/7", "2024-03-28T07:58", {"london_session": 0, "asia_session": 1}),
        ("24/7", "2024-03-28T07:59", {"london_session": 1}),
        ("24/7", "2024-03-28T08:58", {"asia_session": 1}),
        ("24/7", "2024-03-28T08:59", {"asia_session": 0}),
        ("24/7", "2024-04-02T06:59", {"london_session": 1}),
        ("24/7", "2024-03-28T11:59", {"new_york_session": 1, "london_new_york_overlap": 1}),
        ("24/7", "2024-03-28T16:59", {"london_session": 0, "new_york_session": 1, "london_new_york_overlap": 0}),
        ("24/7", "2024-03-30T12:00", {"asia_session": 0, "london_session": 0, "new_york_session": 0}),  # a Saturday
    ],
)
def test_what_is_known_at_the_close_of(calendar, bar, expected):
    bars = minutes(calendar, bar)
    assert {name: values_of(name, bars)[0] for name in expected} == expected


def test_a_bar_after_a_pause_knows_how_long_it_was():
    bars = minutes("CMES", "2024-07-10T20:58", 4)
    times = bars.open_time + np.array([0, 0, 60, 60]) * MINUTE.ms
    bars = Bars.from_columns(bars.instrument, MINUTE, times, *np.ones((5, 4)))
    np.testing.assert_array_equal(values_of("minutes_since_last_bar", bars), [np.nan, 0, 60, 0])
    np.testing.assert_array_equal(values_of("after_break", bars), [np.nan, 0, 1, 0])


@pytest.mark.parametrize("name", ORACLES)
def test_ten_days_around_a_new_year_and_a_change_of_clocks(name):
    """The slow version at every seventh minute; the year's end is in it, where one table of the calendar ends."""
    feature = usual_feature(FEATURES[name])
    for first in ("2023-12-27", "2024-03-27"):
        bars = minutes("24/7", first, 2_000, step=7)
        np.testing.assert_allclose(values_of(feature.name, bars), ORACLES[name](bars, feature.params), rtol=1e-12, atol=1e-9)


def test_a_schedule_ends_nothing_early_on_real_bars(real_data):
    """Of Globex bars each session's last one has nothing left to the close, unless its minutes were thin."""
    bars = Bars.read(real_data / "futures/ES_1m_2025-07_2025-10.parquet")
    left = values_of("minutes_to_close", bars)
    assert (left >= 0).all()
    last = np.flatnonzero(values_of("after_break", bars)[1:] == 1)
    long_pause = last[values_of("minutes_since_last_bar", bars)[1:][last] >= 60]
    assert np.count_nonzero(left[long_pause] == 0) >= 56
    assert left[long_pause].max() <= 1
