"""Which session an instant belongs to, against the library's own schedule and the standard library's clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import InstrumentError
from barmill.market import Calendar

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
# exchange_calendars 4.13 uses what pandas 3.1 deprecates, which is between the two of them
asks_the_library = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CALENDARS = ["24/7", "forex", "CMES", "XNYS", "XHKG", "XTKS"]


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def text(time_ms: int) -> str:
    return datetime.fromtimestamp(int(time_ms) / 1000, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("calendar", "when", "opens", "closes"),
    [
        ("24/7", "2024-02-29 23:59", "2024-02-29 00:00", "2024-03-01 00:00"),
        ("forex", "2018-03-09 12:00", "2018-03-08 22:00", "2018-03-09 22:00"),  # the last day before summer time
        ("forex", "2018-03-12 12:00", "2018-03-11 21:00", "2018-03-12 21:00"),  # the first one in it: Monday, which opens on Sunday
        ("forex", "2018-03-10 12:00", "2018-03-09 22:00", "2018-03-11 21:00"),  # the weekend between them
        ("forex", "2018-11-04 22:00", "2018-11-04 22:00", "2018-11-05 22:00"),
        ("CMES", "2024-01-10 21:59", "2024-01-09 23:00", "2024-01-10 22:00"),
        ("CMES", "2024-01-10 22:00", "2024-01-10 22:00", "2024-01-10 23:00"),  # the halt is a stretch of its own
        ("CMES", "2024-07-10 12:00", "2024-07-09 22:00", "2024-07-10 21:00"),
        ("CMES", "2023-11-24 12:00", "2023-11-23 23:00", "2023-11-24 18:00"),  # the half day after Thanksgiving
        ("XNYS", "2024-07-03 16:59", "2024-07-03 13:30", "2024-07-03 17:00"),  # the half day before Independence Day
        ("XNYS", "2024-07-04 16:00", "2024-07-03 17:00", "2024-07-05 13:30"),
        ("XHKG", "2024-05-20 04:30", "2024-05-20 01:30", "2024-05-20 08:00"),  # the midday break ends no session
    ],
)
def test_the_session_of(calendar: str, when: str, opens: str, closes: str) -> None:
    start, end = Calendar.named(calendar).session_bounds([ms(when)])
    assert (text(start[0]), text(end[0])) == (opens, closes)


@given(st.sampled_from(CALENDARS), st.lists(st.integers(ms("2004-01-01 00:00") // MINUTE, ms("2025-12-01 00:00") // MINUTE), min_size=1))
def test_every_instant_has_one_stretch_whatever_else_is_asked(name: str, minutes: list[int]) -> None:
    calendar, times = Calendar.named(name), np.array(minutes) * MINUTE
    starts, ends = calendar.session_bounds(times)
    assert ((starts <= times) & (times < ends)).all()
    for time, start, end in zip(times.tolist(), starts.tolist(), ends.tolist(), strict=True):
        assert [int(each[0]) for each in calendar.session_bounds([time])] == [start, end]
        for inside in (start, end - 1):
            assert [int(each[0]) for each in calendar.session_bounds([inside])] == [start, end]
    shut = ~calendar.is_open(times)
    if name not in ("XHKG", "XTKS"):  # where it is shut at midday within a session
        np.testing.assert_array_equal(calendar.is_open(starts), ~shut)


@asks_the_library
@pytest.mark.parametrize("name", ["XNYS", "XHKG", "XLON"])
def test_exchange_sessions_are_the_librarys(name: str) -> None:
    schedule = exchange_calendars.get_calendar(name, start="2019-01-01", end="2021-12-31").schedule["2019-03-01":"2021-10-31"]
    ours = Calendar.named(name).sessions(ms("2019-03-01 00:00"), ms("2021-10-31 00:00"))
    days = [day.value // 1_000_000 for day in schedule.index]
    kept = slice(int(np.searchsorted(ours.day, days[0])), int(np.searchsorted(ours.day, days[-1])) + 1)
    assert ours.day[kept].tolist() == days
    assert ours.open[kept].tolist() == [stamp.value // 1_000_000 for stamp in schedule["open"]]
    assert ours.close[kept].tolist() == [stamp.value // 1_000_000 for stamp in schedule["close"]]
    np.testing.assert_array_equal(ours.next_open[:-1], ours.open[1:])


def test_forex_has_five_days_a_week_of_new_york() -> None:
    days = Calendar.named("forex").sessions(ms("2018-01-01 12:00"), ms("2019-12-31 12:00"))
    here = ZoneInfo("America/New_York")
    for day, start, end in zip(days.day, days.open, days.close, strict=True):
        opened, closed = (datetime.fromtimestamp(int(time) / 1000, here) for time in (start, end))
        assert (opened.hour, closed.hour, closed.weekday() < 5) == (17, 17, True)
        assert closed.date() == datetime.fromtimestamp(int(day) / 1000, UTC).date() == opened.date() + timedelta(days=1)
    assert len(days) == len({text(day) for day in days.day}) == 524  # 522 weekdays of two years, and one at each end


def eves(calendar: str, first: str, last: str) -> list[str]:
    found = Calendar.named(calendar).sessions(ms(first), ms(last))
    late = found.next_open - found.usual_next_open > 2 * HOUR
    return [text(day)[:10] for day, is_eve in zip(found.day, late, strict=True) if is_eve and ms(first) <= day <= ms(last)]


def test_the_eve_of_a_holiday_is_known_by_the_next_open() -> None:
    """Half days are eves too: the market is then closed for longer than it usually is."""
    assert eves("XNYS", "2023-11-01 00:00", "2024-01-31 00:00") == [
        *("2023-11-22", "2023-11-24", "2023-12-22", "2023-12-29", "2024-01-12"),
    ]
    assert eves("CMES", "2023-11-01 00:00", "2023-11-30 00:00") == ["2023-11-23", "2023-11-24"]  # half days; Globex trades on Thanksgiving
    assert eves("24/7", "2023-01-01 00:00", "2023-12-31 00:00") == []


def test_summer_time_is_no_holiday() -> None:
    assert eves("forex", "2016-01-01 00:00", "2024-12-31 00:00") == []


def test_the_last_session_of_a_month() -> None:
    found = Calendar.named("XNYS").sessions(ms("2024-03-20 00:00"), ms("2024-04-10 00:00"))
    ends = {text(day)[:7]: text(end)[:10] for day, end in zip(found.day, found.month_end, strict=True)}
    assert ends == {"2024-03": "2024-03-28", "2024-04": "2024-04-30"}  # the 29th was Good Friday


@asks_the_library
def test_beyond_the_schedule_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"calendar 'XSHG': it does not cover 1980. A later exchange_calendars may cover more"):
        Calendar.named("XSHG").session_bounds([ms("1980-05-01 00:00")])
    last = exchange_calendars.get_calendar("XHKG", start="2049-01-01", end="2049-12-31").schedule["close"].iloc[-1].value // 1_000_000
    assert Calendar.named("XHKG").session_bounds([last - 30 * DAY])[1][0] < last
    with pytest.raises(InstrumentError, match="no session is known after 2049-12-31"):
        Calendar.named("XHKG").session_bounds([last + HOUR])


def test_no_times_have_no_sessions() -> None:
    for name in CALENDARS:
        assert [each.size for each in Calendar.named(name).session_bounds([])] == [0, 0]
