"""Missing bars are those that the calendar misses, counted without looking up what no market has."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import InstrumentError
from barmill.market import Calendar, Timeframe
from barmill.serving import stream_gaps
from barmill.serving.stream_gaps import missing_before

FRIDAY = 1_700_254_800_000  # 2023-11-17 21:00 UTC, an hour before the forex week ends
SUNDAY = 1_700_431_200_000  # 2023-11-19 22:00 UTC, when the next one begins
HOUR = 3_600_000


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["24/7", "forex", "CMES", "XNYS"]),
    st.sampled_from(["1m", "5m", "1h", "1d"]),
    st.lists(st.integers(1, 300), min_size=1, max_size=6),
    st.integers(0, 5000),
)
def test_it_counts_what_the_checks_of_bars_count(name: str, length: str, steps: list[int], shift: int) -> None:
    calendar, timeframe = Calendar.named(name), Timeframe.parse(length)
    times = FRIDAY - shift * 60_000 + np.cumsum([0, *steps]) * timeframe.ms
    expected = [calendar.missing(pair, timeframe).size for pair in pairwise(times)]
    assert missing_before(times, calendar, timeframe).tolist() == expected


def test_a_weekend_is_no_gap_of_a_market_that_closes() -> None:
    times = np.array([FRIDAY, SUNDAY, SUNDAY + 2 * HOUR])
    assert missing_before(times, Calendar.named("forex"), Timeframe.parse("1h")).tolist() == [0, 1]
    assert missing_before(times, Calendar.named("24/7"), Timeframe.parse("1h")).tolist() == [48, 1]


def test_a_gap_of_decades_looks_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calendar, "missing", lambda *_: pytest.fail("a client made the server list every minute of a century"))
    times = np.array([0, 4_000_000_000_000 // 60_000 * 60_000])
    assert missing_before(times, Calendar.named("forex"), Timeframe.parse("1m"))[0] > stream_gaps.COUNTED


@pytest.mark.parametrize("name", ["XHKG", "XBSE"])  # one that covers few years, and one of whose holidays the library knows no rule then
def test_beyond_the_schedule_of_an_exchange_is_an_error(name: str) -> None:
    beyond = 4_000_000_000_000 // 60_000 * 60_000
    with pytest.raises(InstrumentError):
        missing_before(np.array([beyond, beyond + 120_000]), Calendar.named(name), Timeframe.parse("1m"))
