"""The scan's higher timeframes against bars that were resampled and aligned, over the whole ladder, both anchors, real and drawn gaps."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import InstrumentError
from barmill.features import FeaturePlan, FeatureStream, parse_feature
from barmill.market import Bars, Calendar, Instrument, Timeframe, mtf_align, resample

LADDER = ("5m", "7m", "10m", "15m", "20m", "25m", "30m", "45m", "1h", "90m", "4h", "1d")
PARTS = ("open", "high", "low", "close", "volume")
MINUTE = Timeframe.parse("1m")
MINUTE_MS = MINUTE.ms

# days on which hours are unlike the usual: begin and length in days
DAYS = {
    "24/7": [("2024-02-28", 3)],
    "forex": [("2018-03-08", 5), ("2018-11-01", 5)],  # summer time begins and ends
    "CMES": [("2023-11-22", 6), ("2024-03-08", 4), ("2025-01-17", 4)],  # Thanksgiving, summer time, Martin Luther King Day
    "XHKG": [("2024-02-08", 6)],  # midday breaks, half day of New Year's eve, days closed
}
MARKETS = [(calendar, day, length) for calendar, days in DAYS.items() for day, length in days]


def ms(day: str) -> int:
    return int(np.datetime64(day, "ms").astype(np.int64))


def minutes_of(calendar: str, day: str, length: int, *, seed: int = 0, drop: float = 0.2, stray: float = 0.02) -> Bars:
    """Minutes at which the market is open, some left out, and a few at which the calendar says that it is closed."""
    rng = np.random.default_rng(seed)
    times = ms(day) + MINUTE_MS * np.arange(length * 1440)
    shut = ~Calendar.named(calendar).is_open(times)
    times = times[rng.random(times.size) > np.where(shut, 1.0 - stray, drop)]
    quiet = np.cumsum(rng.random(times.size) < 0.01) % 7 == 3  # and now and then an hour without a bar
    times = times[~quiet]
    close = 100.0 + np.cumsum(rng.normal(0.0, 0.01, times.size))
    open_ = close + rng.normal(0.0, 0.01, times.size)
    reach = rng.exponential(0.01, (2, times.size))
    instrument = Instrument.builtin("SIM").model_copy(update={"calendar": calendar})
    high, low = np.maximum(open_, close) + reach[0], np.minimum(open_, close) - reach[1]
    return Bars.from_columns(instrument, MINUTE, times, open_, high, low, close, rng.exponential(5.0, times.size))


def plan_of(bars: Bars, timeframe: str, anchor: str) -> FeaturePlan:
    features = tuple(parse_feature(f"{part}@{timeframe}", bars.timeframe) for part in PARTS)
    return FeaturePlan(bars.timeframe, features, calendar=bars.instrument.calendar, anchor=anchor)


def aligned(bars: Bars, timeframe: str, anchor: str) -> np.ndarray:
    longer = resample(bars, timeframe, anchor)
    return np.column_stack([mtf_align(bars.close_time, longer.close_time, getattr(longer, part)) for part in PARTS])


@pytest.mark.parametrize("anchor", ["epoch", "session"])
@pytest.mark.parametrize("timeframe", LADDER)
@pytest.mark.parametrize("market", MARKETS, ids=lambda market: f"{market[0]} {market[1]}")
def test_the_scan_shows_the_resampled_bars_to_the_bit(market, timeframe, anchor):
    bars = minutes_of(*market)
    np.testing.assert_array_equal(plan_of(bars, timeframe, anchor).compute(bars).values, aligned(bars, timeframe, anchor))


@settings(max_examples=40)
@given(
    market=st.sampled_from(MARKETS),
    timeframe=st.sampled_from(LADDER),
    seed=st.integers(0, 1_000),
    drop=st.sampled_from([0.0, 0.5, 0.98]),
    stray=st.sampled_from([0.0, 0.5]),
    cuts=st.lists(st.integers(0, 4_000), max_size=3),
)
def test_whatever_is_missing_and_however_the_bars_are_cut(market, timeframe, seed, drop, stray, cuts):
    """`stray` bars fill the hours at which the calendar says that the market is closed."""
    bars = minutes_of(*market, seed=seed, drop=drop, stray=stray)
    plan, edges = plan_of(bars, timeframe, "session"), sorted({0, len(bars), *(cut % (len(bars) + 1) for cut in cuts)})
    stream = FeatureStream(plan)
    parts = [stream.extend(bars.slice(first, last)).values for first, last in pairwise(edges)]
    np.testing.assert_array_equal(np.vstack(parts), aligned(bars, timeframe, "session"))


@pytest.mark.parametrize("timeframe", ["7m", "45m", "4h"])
def test_bar_by_bar_over_the_end_of_a_session(timeframe):
    bars = minutes_of("CMES", "2023-11-24", 1, seed=3)
    plan = plan_of(bars, timeframe, "session")
    stream = FeatureStream(plan)
    live = np.vstack([stream.push(bars.bar(row)) for row in range(len(bars))])
    np.testing.assert_array_equal(live, plan.compute(bars).values)


@pytest.mark.parametrize("anchor", ["epoch", "session"])
def test_no_bar_is_shown_before_its_close(anchor):
    """Each close in turn is changed: nothing moves at a base bar that closes before the bucket of that close ends."""
    bars = minutes_of("CMES", "2023-11-24", 1, seed=4)
    plan, ends = plan_of(bars, "45m", anchor).only(["close@45m"]), resample(bars, "45m", anchor).close_time
    shown, changed = np.nan_to_num(plan.compute(bars).values[:, 0]), 0
    for row in range(0, len(bars), 7):
        columns = {part: getattr(bars, part).copy() for part in PARTS}
        for part in ("high", "low", "close"):
            columns[part][row] = 200.0
        other = Bars.from_columns(bars.instrument, MINUTE, bars.open_time, **columns)
        moved = np.flatnonzero(np.nan_to_num(plan.compute(other).values[:, 0]) != shown)
        later = ends[ends > bars.open_time[row]]
        assert moved.size == 0 or bars.close_time[moved[0]] >= later[0]
        changed += moved.size > 0
    assert changed >= 2  # a close that is the last of its bucket shows


@pytest.mark.parametrize("calendar", ["24/7", "forex", "CMES"])
def test_quarter_hours_are_the_same_under_both_anchors(calendar):
    bars = minutes_of(calendar, *DAYS[calendar][0], stray=0.0)
    session, epoch = (resample(bars, "15m", anchor) for anchor in ("session", "epoch"))
    assert session == epoch
    assert session.anchor == "epoch"


def test_a_bar_of_several_days_has_no_session():
    bars = minutes_of("CMES", "2024-03-08", 1)
    with pytest.raises(InstrumentError, match="timeframe 2d: no session lasts so long; expected at most 1d"):
        plan_of(bars, "2d", "session").compute(bars)
    with pytest.raises(InstrumentError, match="no session lasts so long"):
        resample(bars, "2d", "session")


REAL = [
    ("futures/ES_1m_2025-07_2025-10.parquet", ("5m", "7m", "45m", "4h", "1d")),
    ("futures/6EH4_1m_2024-01.parquet", ("7m", "25m", "90m", "1d")),
    ("futures/CL_5m_2023-10_2024-12.parquet", ("15m", "25m", "35m", "4h", "1d")),
    ("futures/NQ_5m_2024-12_2025-10.parquet", ("20m", "45m", "90m", "1d")),
    ("futures/NQ_1h_2017_2022.parquet", ("3h", "4h", "7h", "1d")),
    ("fx/EURUSD_1m_2018.parquet", ("7m", "25m", "4h", "1d")),
    ("crypto/FILUSDT_um_1m_2024-02.parquet", ("7m", "25m", "4h")),
]


@pytest.mark.parametrize(
    ("name", "timeframes"), REAL, ids=lambda value: value.split("/")[1].split(".")[0] if isinstance(value, str) else ""
)
def test_real_bars_on_their_ladder(name, timeframes, real_data: Path):
    bars = Bars.read(real_data / name)
    for timeframe in timeframes:
        for anchor in ("epoch", "session"):
            np.testing.assert_array_equal(plan_of(bars, timeframe, anchor).compute(bars).values, aligned(bars, timeframe, anchor))
