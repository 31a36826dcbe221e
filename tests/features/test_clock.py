"""Calendar columns: what a bar is given live is what the history gives it, and both are what the calendar and the clocks say."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.features import COLUMNS
from barmill.features.clock import CENTRES, Clock
from barmill.market import Calendar

MINUTE_MS = 60_000
NAMES = [name for name, column in COLUMNS.items() if column.calendar]
# around new years, half days, summer time
STARTS = [np.datetime64(day, "ms").astype(np.int64) for day in ("2022-12-30", "2023-11-22", "2024-03-08", "2024-03-29", "2024-10-25")]
CALENDARS = st.sampled_from(["24/7", "forex", "CMES", "XHKG"])


def written(calendar: str, times: np.ndarray, names=NAMES) -> dict[str, np.ndarray]:
    out = np.empty((len(names), len(times)))
    Clock(calendar, names).write(times, out)
    return dict(zip(names, out, strict=True))


@st.composite
def minutes(draw: st.DrawFn) -> np.ndarray:
    """Up to 60 open times, some of them days apart."""
    steps = draw(st.lists(st.sampled_from([1, 1, 7, 60, 1_440, 4_000]), min_size=1, max_size=60))
    return draw(st.sampled_from(STARTS)) + MINUTE_MS * np.cumsum(steps)


@given(CALENDARS, minutes(), st.integers(0, 60))
def test_one_bar_at_a_time_and_all_at_once_are_the_same(calendar, times, cut):
    whole = np.array(list(written(calendar, times).values()))
    clock, parts = Clock(calendar, NAMES), []
    for part in (times[:cut], *times[cut:, None].astype(np.float64)):
        out = np.empty((len(NAMES), len(part)))
        clock.write(part, out)
        parts.append(out)
    np.testing.assert_array_equal(np.hstack(parts), whole)
    late_first = Clock(calendar, NAMES)
    for time, column in zip(times[::-1], whole.T[::-1], strict=True):  # whatever it was asked before
        late_first.write(np.array([time]), out := np.empty((len(NAMES), 1)))
        np.testing.assert_array_equal(out[:, 0], column)


@pytest.mark.parametrize("calendar", ["24/7", "forex", "CMES", "XHKG"])
@pytest.mark.parametrize("start", STARTS)
def test_minute_by_minute_nothing_is_held_too_long(calendar, start):
    """Three days: over sessions' ends, midnights, new year and office hours."""
    times = start + MINUTE_MS * np.arange(3 * 1_440)
    clock, live = Clock(calendar, NAMES), np.empty((len(NAMES), len(times)))
    for row, time in enumerate(times):
        clock.write(np.array([time]), live[:, row : row + 1])
    np.testing.assert_array_equal(live, np.array(list(written(calendar, times).values())))


@given(CALENDARS, minutes())
def test_the_sessions_columns_are_the_calendars(calendar, times):
    market, found = Calendar.named(calendar), written(calendar, times)
    starts, ends = market.session_bounds(times)
    np.testing.assert_array_equal(found["session_open"], starts)
    np.testing.assert_array_equal(found["session_close"], ends)
    sessions = market.sessions(int(times[0]), int(times[-1]))
    for row, time in enumerate(times):
        inside = np.flatnonzero((sessions.open <= time) & (time < sessions.close))
        last = np.flatnonzero(sessions.open <= time)[-1]
        day = last if inside.size else last + 1
        assert found["in_session"][row] == inside.size
        assert found["next_session_open"][row] == sessions.next_open[last]
        assert found["usual_next_open"][row] == sessions.usual_next_open[last]
        assert found["session_day"][row] == sessions.day[day]
        assert found["month_end_day"][row] == sessions.month_end[day]


def office_day(centre, time_ms) -> tuple[int, int]:
    """The first weekday's hours that have not ended, looked for on the city's own calendar."""
    opens, closes, zone = CENTRES[centre]
    day = datetime.fromtimestamp(int(time_ms) / 1000, UTC).date() - timedelta(days=1)
    while True:
        begin, end = (int(datetime.combine(day, clock, zone).timestamp() * 1000) for clock in (opens, closes))
        if day.weekday() < 5 and time_ms < end:
            return begin, end
        day += timedelta(days=1)


@given(minutes())
def test_the_cities_keep_their_own_clocks(times):
    found = written("24/7", times)
    for centre in CENTRES:
        expected = np.array([office_day(centre, time) for time in times])
        np.testing.assert_array_equal(np.column_stack([found[f"{centre}_open"], found[f"{centre}_close"]]), expected)


def test_london_and_new_york_change_their_clocks_on_different_days():
    """On 2024-03-13 New York is four hours behind London, not five."""
    found = written("24/7", np.array([np.datetime64("2024-03-13T12:00", "ms").astype(np.int64)]))
    assert found["new_york_open"][0] - found["london_open"][0] == 4 * 3_600_000
    assert datetime.fromtimestamp(found["new_york_open"][0] / 1000, ZoneInfo("America/New_York")).hour == 8


def test_a_live_bar_does_not_look_at_the_calendar(monkeypatch):
    clock, times = Clock("CMES", NAMES), STARTS[1] + MINUTE_MS * np.arange(10_000.0)
    out = np.empty((len(NAMES), 1))
    clock.write(times[:1], out)

    def refuse(*_):
        raise AssertionError("the calendar was asked")

    monkeypatch.setattr(Calendar, "sessions", refuse)
    for time in times[1:, None]:
        clock.write(time, out)


def test_only_the_columns_asked_for_are_written_in_their_order():
    times = STARTS[0] + MINUTE_MS * np.arange(3)
    both = written("CMES", times, ["session_close", "london_open"])
    whole = written("CMES", times)
    for name, values in both.items():
        np.testing.assert_array_equal(values, whole[name])


@pytest.mark.parametrize("n_bars", [0, 1, 2])
def test_few_bars(n_bars):
    assert written("forex", STARTS[0] + MINUTE_MS * np.arange(n_bars))["in_session"].size == n_bars
