"""A second series is seen at a bar once it is known, and not before: properties, refusals, real files."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from barmill.errors import DataError
from barmill.market import Bars, Instrument, KnownSeries, SeriesSource, join_series, read_series

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC
SIM = Instrument.builtin("SIM")


def minutes(n_bars: int, first: int = START, **extra: np.ndarray) -> Bars:
    close = 100.0 + np.arange(n_bars) % 7
    return Bars.from_columns(SIM, "1m", first + MINUTE * np.arange(n_bars), close, close + 1, close - 1, close, close, **extra)


def series(known_at, **columns) -> KnownSeries:
    made = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return KnownSeries("series x.csv", np.asarray(known_at, dtype=np.int64), made)


def write(path: Path, **columns) -> str:
    pl.DataFrame(columns).write_parquet(path)
    return path.name


def bars_file(folder: Path, n_bars: int = 10, step: int = 30 * MINUTE) -> str:
    close = 1.0 + np.arange(n_bars)
    times = START + step * np.arange(n_bars)
    return write(folder / "BTC.parquet", open_time=times, open=close, high=close, low=close, close=close, volume=close)


# ---- when a value is seen


def test_a_value_is_seen_at_the_bar_that_closes_as_it_becomes_known_and_stands_until_the_next():
    joined = join_series(minutes(5), series([START + 2 * MINUTE, START + 4 * MINUTE], mvrv=[1.5, 2.5]))
    np.testing.assert_array_equal(joined.column("mvrv"), [np.nan, 1.5, 1.5, 2.5, 2.5])


def test_a_value_that_becomes_known_a_millisecond_after_the_close_waits_for_the_next_bar():
    joined = join_series(minutes(3), series([START + MINUTE + 1], mvrv=[1.5]))
    np.testing.assert_array_equal(joined.column("mvrv"), [np.nan, 1.5, 1.5])


steps = st.lists(st.integers(1, 200), min_size=1, max_size=40)


@given(steps, st.integers(-20, 20), st.integers(0, 60), st.lists(st.booleans(), min_size=60, max_size=60))
def test_it_equals_the_slow_search_whatever_the_gaps(gaps, offset, later, there):
    """At each bar the last row known at its close; and known times moved later never let a value appear earlier."""
    whole = minutes(60)
    kept = np.flatnonzero(there)
    bars = Bars(SIM, whole.timeframe, whole.frame[kept.tolist()])
    known = START + offset * MINUTE + 20_000 * np.cumsum(gaps)
    values = np.arange(len(gaps), dtype=np.float64)
    seen = join_series(bars, series(known, mvrv=values)).column("mvrv")
    slow = [max((v for k, v in zip(known, values, strict=True) if k <= close), default=np.nan) for close in bars.close_time]
    np.testing.assert_array_equal(seen, slow)
    delayed = join_series(bars, series(known + later * MINUTE, mvrv=values)).column("mvrv")
    assert (np.nan_to_num(delayed, nan=-1.0) <= np.nan_to_num(seen, nan=-1.0)).all()


@given(steps, st.integers(1, 59))
def test_what_comes_later_in_the_series_or_in_the_bars_changes_nothing_before(gaps, cut):
    bars, known = minutes(60), START + 20_000 * np.cumsum(gaps)
    values = np.arange(len(gaps), dtype=np.float64)
    whole = join_series(bars, series(known, mvrv=values)).column("mvrv")
    until = known <= bars.close_time[cut - 1]
    if until.any():
        np.testing.assert_array_equal(join_series(bars, series(known[until], mvrv=values[until])).column("mvrv")[:cut], whole[:cut])
    np.testing.assert_array_equal(join_series(bars.slice(0, cut), series(known, mvrv=values)).column("mvrv"), whole[:cut])


def test_several_series_and_columns_keep_the_bars_and_say_how_they_were_joined():
    bars = minutes(4).with_notes("timeframe 1m")
    other = KnownSeries("series d.csv", np.array([START]), {"nupl": np.array([0.5])}, "1d after their label")
    joined = join_series(bars, series([START + 2 * MINUTE], mvrv=[1.0], asopr=[2.0]), other)
    assert joined.frame.columns == [*bars.frame.columns, "mvrv", "asopr", "nupl"]
    assert joined.frame.select(bars.frame.columns).equals(bars.frame)
    assert joined.notes == (
        "timeframe 1m",
        "series x.csv: mvrv, asopr as known then, 2024-01-01 00:02 UTC to 2024-01-01 00:02 UTC; 1 bars come before it",
        "series d.csv: nupl as known 1d after their label, 2024-01-01 00:00 UTC to 2024-01-01 00:00 UTC",
    )
    assert joined.bar(3).extra == {"mvrv": 1.0, "asopr": 2.0, "nupl": 0.5}


def test_a_million_bars_are_joined_well_within_a_second():
    bars = minutes(1_000_000)
    known = START + 30 * MINUTE * np.arange(1, 33_000)
    values = np.arange(len(known), dtype=np.float64)
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        joined = join_series(bars, series(known, mvrv=values))
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.5
    assert len(joined) == 1_000_000


# ---- when a row is known


def test_bars_are_known_at_their_close(tmp_path):
    name = bars_file(tmp_path)
    source = SeriesSource(file=name, columns={"reference_close": "close"}, known="close", timeframe="30m")
    known = read_series(source, tmp_path)
    np.testing.assert_array_equal(known.known_at, START + 30 * MINUTE * np.arange(1, 11))
    detected = read_series(source.model_copy(update={"timeframe": None}), tmp_path)
    np.testing.assert_array_equal(detected.known_at, known.known_at)
    assert known.rule == "at the close of its 30m bars"
    joined = join_series(minutes(61), known).column("reference_close")
    np.testing.assert_array_equal(joined[[28, 29, 58, 59]], [np.nan, 1.0, 1.0, 2.0])


@pytest.mark.parametrize("dates", [["2024-01-01", "2024-01-02", "2024-01-04"], [START, START + DAY, START + 3 * DAY]])
def test_a_daily_figure_is_known_so_long_after_the_start_of_its_day(tmp_path, dates):
    name = write(tmp_path / "chain.parquet", date=dates, value=[1.0, 2.0, 3.0])
    known = read_series(SeriesSource(file=name, columns={"mvrv": "value"}, known="36h"), tmp_path)
    np.testing.assert_array_equal(known.known_at, START + np.array([0, DAY, 3 * DAY]) + 36 * HOUR)
    assert known.rule == "36h after their label"


def test_a_settlement_is_known_at_its_stamp(tmp_path):
    name = write(tmp_path / "funding.parquet", funding_time=[START, START + 8 * HOUR], rate=[1e-4, -1e-4])
    source = SeriesSource(file=name, columns={"funding_rate": "rate"}, known="label", time="funding_time")
    np.testing.assert_array_equal(read_series(source, tmp_path).known_at, [START, START + 8 * HOUR])


@pytest.mark.parametrize("known", ["label", "1m", "29m"])
def test_bars_joined_at_their_label_or_before_their_close_are_refused(tmp_path, known):
    name = bars_file(tmp_path)
    source = SeriesSource(file=name, columns={"reference_close": "close"}, known=known)
    with pytest.raises(DataError, match=r"series BTC\.parquet: bars, known .* before their close; expected known: close\."):
        read_series(source, tmp_path)


def test_bars_said_to_be_shorter_than_they_are_are_refused(tmp_path):
    source = SeriesSource(file=bars_file(tmp_path), columns={"reference_close": "close"}, known="close", timeframe="1m")
    with pytest.raises(DataError, match=r"bars of 1m at least 30m apart\. Give their own length"):
        read_series(source, tmp_path)


@pytest.mark.parametrize("known", ["label", "1h", "23h"])
def test_a_date_is_not_known_before_its_day_has_ended(tmp_path, known):
    name = write(tmp_path / "chain.parquet", date=["2024-01-01", "2024-01-02"], value=[1.0, 2.0])
    with pytest.raises(DataError, match="before the day has ended; expected a delay of 1d or more"):
        read_series(SeriesSource(file=name, columns={"mvrv": "value"}, known=known), tmp_path)


def test_a_join_by_label_date_sees_the_day_that_is_still_running(tmp_path):
    """The planted fault: the day's own figure, shown from its label on, foretells the day's return; as known, it does not."""
    rng = np.random.default_rng(5)
    n_days = 60
    drift = rng.normal(0.0, 0.05, n_days)
    close = 100.0 * np.exp(np.cumsum(np.repeat(drift / 24, 24)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    bars = Bars.from_columns(SIM, "1h", START + HOUR * np.arange(24 * n_days), opened, high, low, close, close)
    days = START + DAY * np.arange(n_days)
    by_label = join_series(bars, series(days, mvrv=drift)).column("mvrv")
    source = SeriesSource(file=write(tmp_path / "chain.parquet", date=days, value=drift), columns={"mvrv": "value"}, known="1d")
    as_known = join_series(bars, read_series(source, tmp_path)).column("mvrv")
    ahead = np.log(close[1:] / close[:-1])
    assert np.corrcoef(by_label[24:-1], ahead[24:])[0, 1] > 0.9
    assert abs(np.corrcoef(as_known[24:-1], ahead[24:])[0, 1]) < 0.3


# ---- what is refused


def test_times_out_of_order_and_times_twice_are_refused_with_their_row():
    with pytest.raises(DataError, match=r"series x\.csv row 2: 2024-01-01 00:00 UTC is not after 2024-01-01 00:01 UTC\. Sort"):
        series([START - MINUTE, START + MINUTE, START], mvrv=[1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"row 1: 2024-01-01 00:00 UTC is there twice"):
        series([START, START], mvrv=[1.0, 2.0])


@pytest.mark.parametrize("values", [[1.0, np.nan, 2.0], [np.nan, np.nan, np.nan], [1.0, 2.0, np.nan], [np.inf, 1.0, 2.0]])
def test_a_hole_is_refused(values):
    with pytest.raises(DataError, match=r"mvrv is (nan|inf), known at 2024.*; expected a finite number"):
        series(START + DAY * np.arange(3), mvrv=values)


def test_a_column_may_begin_late():
    joined = join_series(minutes(3), series(START + MINUTE * np.arange(1, 4), mvrv=[np.nan, 1.0, 2.0]))
    np.testing.assert_array_equal(joined.column("mvrv"), [np.nan, 1.0, 2.0])


@pytest.mark.parametrize("name", ["close", "volume", "open_time", "close_time", "trades"])
def test_a_column_that_the_bars_have_is_refused(name):
    bars = minutes(3, trades=np.ones(3))
    with pytest.raises(DataError, match=f"the bars have a column '{name}' already"):
        join_series(bars, series([START], **{name: [1.0]}))


def test_a_column_that_two_series_bring_is_refused():
    with pytest.raises(DataError, match="column 'mvrv' already"):
        join_series(minutes(3), series([START], mvrv=[1.0]), series([START], mvrv=[1.0]))


def test_a_column_that_the_file_lacks_is_refused_with_the_nearest(tmp_path):
    name = write(tmp_path / "chain.parquet", date=["2024-01-01"], mvrv_ratio=[1.0])
    with pytest.raises(DataError, match=r"no column 'mvrv_rato' \(for mvrv\)\. Did you mean 'mvrv_ratio'\?"):
        read_series(SeriesSource(file=name, columns={"mvrv": "mvrv_rato"}, known="1d"), tmp_path)


def test_a_column_of_words_and_a_file_without_times_are_refused(tmp_path):
    words = write(tmp_path / "words.parquet", date=["2024-01-01"], mood=["good"])
    with pytest.raises(DataError, match="the column for mvrv holds no numbers"):
        read_series(SeriesSource(file=words, columns={"mvrv": "mood"}, known="1d"), tmp_path)
    timeless = write(tmp_path / "timeless.parquet", mood=[1.0])
    with pytest.raises(DataError, match="no column of times; expected one of mood"):
        read_series(SeriesSource(file=timeless, columns={"mvrv": "mood"}, known="1d"), tmp_path)


def test_a_value_older_than_allowed_is_refused_with_the_bar(tmp_path):
    name = write(tmp_path / "funding.parquet", time=[START + 1, START + HOUR], rate=[1e-4, 2e-4])
    source = SeriesSource(file=name, columns={"funding_rate": "rate"}, known="label", max_age="1h")
    known = read_series(source, tmp_path)
    assert len(join_series(minutes(120), known)) == 120
    with pytest.raises(DataError, match=r"the last value at 2024-01-01 02:01 UTC is of 2024-01-01 01:00 UTC; 2 bars have one older"):
        join_series(minutes(122), known)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"known": "soon"}, "'soon' is not 'close', 'label', or a delay"),
        ({"known": "0d"}, "is not"),
        ({"known": "1d", "timeframe": "1h"}, "timeframe belongs to known: close"),
        ({"known": "close", "timeframe": "hourly"}, "'hourly' is not a number and a unit"),
        ({"known": "1d", "max_age": "old"}, "'old' is not a number and a unit"),
        ({"known": "1d", "columns": {}}, "at least 1 item"),
        ({"known": "1d", "columns": {"mvrv": "x", "nupl": "x"}}, "two columns are taken from one"),
        ({"known": "1d", "colums": {}}, "Extra inputs are not permitted"),
        ({}, "Field required"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused_when_it_is_read(wrong, message):
    with pytest.raises(ValidationError, match=message):
        SeriesSource.model_validate({"file": "x.csv", "columns": {"mvrv": "value"}} | wrong)


# ---- real files

Real = Callable[[str], Path]


def test_bitcoin_of_half_an_hour_beside_minutes_of_filecoin(real: Real):
    """At each minute the half hour of Bitcoin shown is the last that has closed, as Bitcoin's own file has it."""
    bars = Bars.read(real("crypto/FILUSDT_um_1m_2023-08_2023-11.parquet")).slice(0, 20_000)
    path = real("crypto/BTCUSDT_um_30m_2023-01_2025-03.parquet")
    source = SeriesSource(file=path.name, columns={"reference_close": "close"}, known="close", timeframe="30m")
    joined = join_series(bars, read_series(source, path.parent)).column("reference_close")
    bitcoin = dict(pl.read_parquet(path).select("open_time", "close").iter_rows())
    last_closed = bars.close_time // (30 * MINUTE) * (30 * MINUTE) - 30 * MINUTE
    np.testing.assert_array_equal(joined, [bitcoin[t] for t in last_closed.tolist()])


def test_one_symbol_of_a_panel(real: Real):
    path = real("crypto/um_1h_panel_19_2023-01_2025-03.parquet")
    source = SeriesSource(file=path.name, columns={"reference_close": "close"}, known="close", symbol="ETHUSDT")
    known = read_series(source, path.parent)
    assert known.rule == "at the close of its 1h bars"
    assert 1_000.0 < known.columns["reference_close"].min() < known.columns["reference_close"].max() < 5_000.0
    with pytest.raises(DataError, match="19 symbols"):
        read_series(source.model_copy(update={"symbol": None}), path.parent)


def test_funding_and_the_volatility_index_are_known_at_their_stamps(real: Real):
    path = real("crypto/BTCUSDT_um_funding_8h_2024-10_2025-02.parquet")
    source = SeriesSource(file=path.name, columns={"funding_rate": "funding_rate"}, known="label", time="funding_time", max_age="9h")
    assert len(read_series(source, path.parent).known_at) == 423
    path = real("options/india_vix_daily_2024-06_2026-02.parquet")
    vix = SeriesSource(file=path.name, columns={"volatility_index": "vix"}, known="1h", time="snapshot_time")
    known = read_series(vix, path.parent)
    assert known.known_at[0] == 1_717_408_800_000 + HOUR
