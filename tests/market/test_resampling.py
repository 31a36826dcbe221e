import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InstrumentError, ShapeError
from barmill.features import COLUMNS
from barmill.market import BAR_COLUMNS, Bars, Instrument, Timeframe, mtf_align, resample, resample_ohlcv, simulate
from barmill.market.resampling import SUMMED

Table = Callable[..., pl.DataFrame]
MINUTE = 60_000
START = 1_678_804_200_000


def slowly(bars: Bars, minutes: int) -> list[tuple[float, ...]]:
    """The definition, bucket by bucket."""
    step, made = minutes * MINUTE, []
    for bucket in sorted({int(t) // step for t in bars.open_time}):
        rows = [i for i, t in enumerate(bars.open_time) if t // step == bucket]
        if bars.close_time[-1] >= (bucket + 1) * step:
            volume = float(np.add.reduce(bars.volume[rows[0] : rows[-1] + 1]))
            first, last = rows[0], rows[-1]
            made.append((bucket * step, bars.open[first], bars.high[rows].max(), bars.low[rows].min(), bars.close[last], volume))
    return made


@st.composite
def minute_bars(draw: st.DrawFn) -> Bars:
    """Up to 120 minutes with gaps, from any minute."""
    offsets = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=120)))
    random = np.random.default_rng(draw(st.integers(0, 100)))
    close = 100 + np.cumsum(random.normal(0, 1e-2, len(offsets)))
    spread = random.uniform(0, 0.1, (2, len(offsets)))
    opened = close + random.normal(0, 1e-2, len(offsets))
    times = START + draw(st.integers(0, 30)) * MINUTE + np.array(offsets) * MINUTE
    high, low = np.maximum(opened, close) + spread[0], np.minimum(opened, close) - spread[1]
    return Bars.from_columns(Instrument.builtin("SIM"), "1m", times, opened, high, low, close, random.exponential(5.0, len(offsets)))


MINUTES = st.sampled_from([1, 3, 5, 15, 25, 60])


@given(minute_bars(), MINUTES)
def test_it_is_what_the_definition_says(bars: Bars, minutes: int) -> None:
    longer = resample(bars, Timeframe(minutes))
    found = [tuple(row[:6]) for row in longer.frame.rows()]
    assert len(found) == len(slowly(bars, minutes))
    for row, expected in zip(found, slowly(bars, minutes), strict=True):
        assert row[:5] == expected[:5]
        assert row[5] == pytest.approx(expected[5], rel=1e-12)


@given(minute_bars(), MINUTES, st.data())
def test_a_prefix_gives_the_first_bars_to_the_bit(bars: Bars, minutes: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(bars)))
    whole, part = resample(bars, Timeframe(minutes)), resample(bars.slice(0, cut), Timeframe(minutes))
    assert part.frame.equals(whole.frame[: len(part)])
    assert all(part.close_time <= bars.close_time[cut - 1])


@given(minute_bars(), MINUTES, st.data())
def test_buckets_do_not_move_with_the_first_row(bars: Bars, minutes: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(bars) - 1))
    whole, part = resample(bars, Timeframe(minutes)), resample(bars.slice(cut), Timeframe(minutes))
    assert (part.open_time % (minutes * MINUTE) == 0).all()
    later = part.open_time[part.open_time >= bars.open_time[cut]]
    rows = np.searchsorted(whole.open_time, later)
    kept = np.searchsorted(part.open_time, later)
    assert part.frame[kept].equals(whole.frame[rows])


@given(minute_bars())
@settings(max_examples=30)
def test_resampling_in_two_steps_is_resampling_in_one(bars: Bars) -> None:
    direct, stepwise = resample(bars, "30m"), resample(resample(bars, "5m"), "30m")
    n = len(stepwise)  # the last buckets may still be unfinished seen from 5m bars
    assert n <= len(direct)
    assert stepwise.frame.drop("volume").equals(direct.frame.drop("volume")[:n])


def test_an_unfinished_bucket_is_not_emitted(table: Table) -> None:
    frame = table(15, first=START)  # 14:30 to 14:44
    bars = Bars.read(frame, symbol="SIM")
    assert len(resample(bars, "15m")) == 1
    assert len(resample(bars.slice(0, 14), "15m")) == 0
    assert resample(bars.slice(0, 14), "15m").frame.columns == frame.columns


def test_a_gap_at_the_end_of_a_bucket_closes_it_with_the_next_bar(table: Table) -> None:
    frame = table(20, first=START)
    without_the_last = pl.concat([frame[:14], frame[15:16]])
    bars = Bars.read(without_the_last, symbol="SIM")
    assert len(resample(bars.slice(0, 14), "15m")) == 0
    assert len(resample(bars, "15m")) == 1


def test_extras_are_summed() -> None:
    bars = simulate(600, seed=1).bars
    hours = resample(bars, "1h")
    for name in ("quote_volume", "trades", "taker_buy_base", "taker_buy_quote"):
        assert hours.column(name).sum() == pytest.approx(bars.column(name).sum())


def test_lengths_must_divide_and_bars_must_fit(table: Table) -> None:
    bars = Bars.read(table(step=5 * MINUTE), symbol="SIM")
    with pytest.raises(InstrumentError, match="resampling to 7m: the bars are of 5m; expected a multiple of 5m"):
        resample(bars, "7m")
    with pytest.raises(InstrumentError, match="resampling to 1m"):
        resample(bars, "1m")
    late = Bars.read(table(step=60 * MINUTE), symbol="SIM")  # hours from 14:30
    with pytest.raises(DataError, match="a bar of 1h reaches over the end of a bucket of 4h"):
        resample(late, "4h")


def test_the_named_signature(table: Table) -> None:
    frame = table(10, first=START)
    made = resample_ohlcv(*(frame[name].to_numpy() for name in frame.columns), minutes=5)
    assert (made.close_time - made.open_time).tolist() == [300_000, 300_000]
    assert made.close.tolist() == [frame["close"][4], frame["close"][9]]
    with pytest.raises(DataError, match="not after the one before it"):
        resample_ohlcv([60_000, 0], [1, 1], [1, 1], [1, 1], [1, 1], [0, 0], 5)


def test_real_minutes_resample_to_the_real_hours(real: Callable[[str], Path]) -> None:
    minutes = Bars.read(real("crypto/FILUSDT_um_1m_2023-08_2023-11.parquet"))
    hours = Bars.read(real("crypto/FILUSDT_um_1h_2023-08_2023-11.parquet"))
    made = resample(minutes, "1h")
    for name in ("open_time", "open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(made, name), getattr(hours, name))
    different = np.flatnonzero(np.abs(made.volume - hours.volume) > 1e-6 * hours.volume)
    assert different.size == 1  # one hour of November 2023, as the file's README says


def test_real_near_hours(real: Callable[[str], Path]) -> None:
    made = resample(Bars.read(real("crypto/NEARUSDT_um_1m_2023-08_2023-10.parquet")), "1h")
    hours = Bars.read(real("crypto/NEARUSDT_um_1h_2023-08_2023-10.parquet"))
    for name in BAR_COLUMNS:
        np.testing.assert_allclose(getattr(made, name), getattr(hours, name), rtol=1e-12)


def slowly_by_session(bars: Bars, minutes: int) -> list[tuple[float, ...]]:
    """Minute by minute: a bucket begins with a session or a closed stretch, or when the last one is full."""
    calendar, step = bars.calendar, minutes * MINUTE
    first = int(calendar.session_bounds(bars.open_time[:1])[0][0])
    begins, state = [], None
    for t in range(first, int(bars.close_time[-1]) + 2 * 86_400_000, MINUTE):
        now = calendar.session_bounds([t])[0][0]
        if now != state or t - begins[-1] == step:
            begins.append(t)
        state = now
    made = []
    for start, end in pairwise(begins):
        rows = np.flatnonzero((bars.open_time >= start) & (bars.open_time < end))
        if rows.size and bars.close_time[-1] >= end:
            prices = bars.open[rows[0]], bars.high[rows].max(), bars.low[rows].min(), bars.close[rows[-1]]
            made.append((start, end, *prices, sum(bars.volume[rows].tolist())))
    return made


SESSION_STARTS = {
    "CMES": 1_700_848_800_000 - 100 * MINUTE,  # before noon in Chicago on 2023-11-24, when Globex closes for the weekend
    "forex": 1_541_192_400_000 - 100 * MINUTE,  # before 17:00 in New York on 2018-11-02, the last day of summer time but one
    "24/7": 1_709_164_800_000 - 100 * MINUTE,
}


@settings(max_examples=15)
@given(minute_bars(), MINUTES, st.sampled_from(sorted(SESSION_STARTS)))
def test_anchored_to_sessions_it_is_what_the_definition_says(bars: Bars, minutes: int, calendar: str) -> None:
    instrument = bars.instrument.model_copy(update={"calendar": calendar})
    times = bars.open_time - START + SESSION_STARTS[calendar]
    moved = Bars.from_columns(instrument, "1m", times, bars.open, bars.high, bars.low, bars.close, bars.volume)
    longer = resample(moved, Timeframe(minutes), "session")
    rows = zip(longer.open_time, longer.close_time, longer.open, longer.high, longer.low, longer.close, longer.volume, strict=True)
    assert list(rows) == slowly_by_session(moved, minutes)


@pytest.mark.parametrize("timeframe", ["7m", "25m", "45m", "4h", "1d"])
@pytest.mark.parametrize("name", ["futures/CL_5m_2023-10_2024-12.parquet", "fx/EURUSD_1m_2018.parquet"])
def test_real_slices_have_the_bars_of_the_whole(name: str, timeframe: str, real: Callable[[str], Path]) -> None:
    bars = Bars.read(real(name))
    if Timeframe.parse(timeframe).minutes % bars.timeframe.minutes:
        return
    for anchor in ("epoch", "session"):
        whole = resample(bars, timeframe, anchor)
        for start, stop in ((1_234, 9_876), (40_001, 70_000), (60_000, 60_500)):
            part = resample(bars.slice(start, stop), timeframe, anchor)
            known = (whole.open_time >= bars.open_time[start]) & (whole.close_time <= bars.close_time[stop - 1])
            known &= whole.open_time <= bars.open_time[stop - 1]
            kept = part.frame.filter(pl.Series(part.open_time >= bars.open_time[start]))
            assert kept.equals(whole.frame.filter(pl.Series(known)))


def test_globex_bars_end_with_the_session(real: Callable[[str], Path]) -> None:
    made = resample(Bars.read(real("futures/CL_5m_2023-10_2024-12.parquet")), "4h", "session")
    lengths = made.close_time - made.open_time
    assert lengths.max() == 240 * MINUTE
    noon = made.open_time == 1_700_848_800_000 - 180 * MINUTE  # 15:00 UTC on the half day after Thanksgiving
    assert lengths[noon].tolist() == [180 * MINUTE]
    assert (made.close_time[:-1] <= made.open_time[1:]).all()


def test_bars_of_sessions_are_read_back_as_they_were_written(tmp_path: Path, table: Table) -> None:
    instrument = Instrument.builtin("ES")
    bars = Bars.read(table(3_000), instrument=instrument)
    made = resample(bars, "45m", "session")
    made.write(tmp_path / "bars.parquet")
    again = Bars.read(tmp_path / "bars.parquet", instrument=instrument)
    assert (again, again.anchor) == (made, "session")
    assert again.close_time.tolist() == made.close_time.tolist()
    assert copy.copy(again).close_time.tolist() == made.close_time.tolist()
    with pytest.raises(DataError, match=r"row 0 .*: no bar of 45m that is counted from the open of a session begins here"):
        Bars.read(tmp_path / "bars.parquet", instrument=Instrument.builtin("EURUSD"))  # whose sessions open at other times
    with pytest.raises(DataError, match="bars anchored to the epoch to append; expected to the session"):
        made.slice(0, 2).append(resample(bars, "45m").slice(5, 6))


def test_columns_are_gathered_as_the_features_say() -> None:
    assert set(SUMMED) == {name for name, column in COLUMNS.items() if column.gather == "sum"}


def test_sums_are_taken_bar_after_bar() -> None:
    """1 + 2^53 is 2^53 in float64: another order gives another sum."""
    volume = np.array([2.0**53, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    times = np.arange(12) * MINUTE
    made = resample_ohlcv(times, *np.ones((4, 12)), volume, 12)
    assert made.volume.tolist() == [2.0**53]


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 50), unique=True).map(sorted))
def test_aligned_is_the_last_value_that_has_closed(base: list[int], higher: list[int]) -> None:
    values = np.arange(len(higher)) + 0.5
    expected = [next((values[i] for i in range(len(higher) - 1, -1, -1) if higher[i] <= t), np.nan) for t in base]
    np.testing.assert_array_equal(mtf_align(base, higher, values), expected)


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(DataError, match=r"mtf_align: htf_close_time row 1 .* is not after the one before it"):
        mtf_align([3], [2, 1], [0.0, 0.0])
    with pytest.raises(ShapeError, match="mtf_align"):
        mtf_align([3], [1, 2], [0.0])
