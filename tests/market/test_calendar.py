from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import InstrumentError
from barmill.market import Calendar, Timeframe

MINUTE = Timeframe.parse("1m")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("name", "timeframe", "expected"),
    [("24/7", "1m", 525_600), ("24/7", "1h", 8760), ("24/7", "1d", 365), ("forex", "1m", 365 * 5 / 7 * 1440), ("forex", "1d", 365 * 5 / 7)],
)
def test_periods_per_year_are_exact(name: str, timeframe: str, expected: float) -> None:
    assert Calendar.named(name).periods_per_year(Timeframe.parse(timeframe)) == expected


def test_an_exchange_year_counts_its_holidays_and_early_closes() -> None:
    new_york = Calendar.named("XNYS")
    assert 251 < new_york.periods_per_year(Timeframe.parse("1d")) < 252
    assert 251 * 389 < new_york.periods_per_year(MINUTE) < 252 * 390
    assert 5 * new_york.periods_per_year(Timeframe.parse("5m")) == pytest.approx(new_york.periods_per_year(MINUTE))


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2023-03-10 21:59", True),  # Friday, winter: New York is five hours behind
        ("2023-03-10 22:00", False),
        ("2023-03-12 20:59", False),  # Sunday, the day on which New York's summer begins
        ("2023-03-12 21:00", True),
        ("2023-03-17 20:59", True),
        ("2023-03-17 21:00", False),
        ("2023-11-05 21:59", False),  # Sunday, the day on which it ends
        ("2023-11-05 22:00", True),
    ],
)
def test_the_forex_week_follows_new_york(when: str, is_open: bool) -> None:
    assert Calendar.named("forex").is_open([ms(when)]).tolist() == [is_open]


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2025-08-26 20:59", True),
        ("2025-08-26 21:00", False),  # the daily halt, 16:00 to 17:00 in Chicago
        ("2025-08-26 21:59", False),
        ("2025-08-26 22:00", True),
        ("2025-09-01 16:59", True),  # Labor Day closes at noon
        ("2025-09-01 17:00", False),
        ("2025-01-15 21:30", True),  # winter: 15:30
        ("2025-01-15 22:30", False),
    ],
)
def test_globex_has_its_daily_halt(when: str, is_open: bool) -> None:
    assert Calendar.named("CMES").is_open([ms(when)]).tolist() == [is_open]


def test_a_midday_break_is_closed() -> None:
    hong_kong = Calendar.named("XHKG")
    assert hong_kong.is_open([ms("2024-05-20 03:59"), ms("2024-05-20 04:30"), ms("2024-05-20 05:00")]).tolist() == [True, False, True]


def test_the_halts_of_real_es_bars_are_no_gaps(real: Callable[[str], Path]) -> None:
    times = pl.read_parquet(real("futures/ES_1m_2025-07_2025-10.parquet"))["open_time"].to_numpy()
    globex = Calendar.named("CMES")
    assert globex.is_open(times).all()
    assert globex.missing(times, MINUTE).size == 31  # single minutes of thin nights; the 90 gaps less 58 halts and weekends


def test_the_weekends_of_real_forex_bars_are_no_gaps(real: Callable[[str], Path]) -> None:
    times = pl.read_parquet(real("fx/EURUSD_1m_2018.parquet"))["open_time"].to_numpy()
    forex = Calendar.named("forex")
    assert forex.is_open(times).all()
    assert forex.missing(times, MINUTE).size < 2000  # of 151,553 absent minutes


@given(st.sets(st.integers(0, 300)), st.sampled_from(["24/7", "forex", "CMES"]), st.integers(0, 6))
def test_missing_is_what_is_expected_and_not_there(dropped: set[int], name: str, day: int) -> None:
    calendar, step = Calendar.named(name), Timeframe.parse("15m")
    first = ms("2024-03-07 00:00") + day * 86_400_000
    expected = calendar.expected(first, first + 300 * step.ms, step)
    keep = np.array([i for i in range(len(expected)) if i not in dropped or i in (0, len(expected) - 1)])
    there = expected[keep]
    gone = np.setdiff1d(expected, there)
    assert calendar.missing(there, step).tolist() == gone.tolist()
    gaps = calendar.gaps(there, step)
    assert gaps[:, 2].sum() == gone.size
    assert calendar.is_open(expected).all()


def test_a_gap_over_a_weekend_is_one() -> None:
    forex, step = Calendar.named("forex"), Timeframe.parse("1h")
    there = [ms("2024-05-17 18:00"), ms("2024-05-19 23:00")]  # Friday to Sunday; the week ends and begins at 21:00
    assert forex.gaps(there, step).tolist() == [[ms("2024-05-17 19:00"), ms("2024-05-19 22:00"), 4]]


def test_an_unknown_calendar_and_an_unknown_age_are_refused() -> None:
    with pytest.raises(InstrumentError, match="there is no such calendar"):
        Calendar.named("NYSEE")
    with pytest.raises(InstrumentError, match=r"XKRX.*does not cover"):
        Calendar.named("XKRX").is_open([ms("1930-01-01 00:00")])
