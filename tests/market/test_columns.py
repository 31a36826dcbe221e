from collections.abc import Callable

import polars as pl
import pytest

from barmill.errors import DataError
from barmill.market import Bars

Table = Callable[..., pl.DataFrame]


def read(frame: pl.DataFrame, **given: object) -> Bars:
    return Bars.read(frame, symbol="SIM", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1e-3), ("us", 1e3), ("ns", 1e6)])
def test_the_unit_of_integer_times_is_detected_and_said(table: Table, unit: str, factor: float) -> None:
    frame = table()
    scaled = frame.with_columns((pl.col("open_time") // 1000 if unit == "s" else pl.col("open_time") * int(factor)).alias("open_time"))
    bars = read(scaled)
    assert bars == read(frame)
    assert any("since 1970, and kept in milliseconds" in note for note in bars.notes)
    assert read(scaled, time_unit=unit) == bars


def test_a_given_unit_wins(table: Table) -> None:
    with pytest.raises(DataError, match="the time lies outside 1970 to 2100"):
        read(table(), time_unit="s")
    with pytest.raises(DataError, match="there is no unit 'm'; expected s, ms, us or ns"):
        read(table(), time_unit="m")


def test_row_numbers_are_no_times(table: Table) -> None:
    with pytest.raises(DataError, match=r"open_time 24\.5 is no time: as seconds it lies before 1980"):
        read(table().with_columns(open_time=pl.int_range(50)))


@pytest.mark.parametrize(
    "pattern",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%d %H:%M:%S+00:00",
        "%Y%m%d %H%M%S",
        "%Y.%m.%d %H:%M",
        "%d.%m.%Y %H:%M:%S.000",
        "%Y-%m-%d %H:%M UTC",
    ],
)
def test_times_as_text(table: Table, pattern: str) -> None:
    frame = table()
    text = frame.with_columns(pl.from_epoch("open_time", time_unit="ms").dt.strftime(pattern))
    assert read(text) == read(frame)


def test_times_of_another_zone_are_moved_to_utc(table: Table) -> None:
    frame = table()
    zoned = frame.with_columns(
        pl.from_epoch("open_time", time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    )
    assert read(zoned) == read(frame)
    assert "open_time converted from America/New_York to UTC" in read(zoned).notes
    offset = frame.with_columns((pl.from_epoch("open_time", time_unit="ms") + pl.duration(hours=2)).dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"))
    assert read(offset) == read(frame)


def test_a_naive_time_is_taken_as_utc_and_that_is_said(table: Table) -> None:
    naive = table().with_columns(pl.from_epoch("open_time", time_unit="ms"))
    assert "open_time has no time zone; taken as UTC" in read(naive).notes


def test_an_ambiguous_date_is_refused(table: Table) -> None:
    text = table().with_columns(pl.from_epoch("open_time", time_unit="ms").dt.strftime("%m/%d/%Y %H:%M"))
    with pytest.raises(DataError, match=r"open_time '03/14/2023 14:30' may be day/month or month/day\. Write times as ISO 8601"):
        read(text)


@pytest.mark.parametrize(
    "names",
    [
        ("Timestamp", "Open", "High", "Low", "Close", "Volume"),
        ("time", "o", "h", "l", "c", "v"),
        ("<DATETIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"),
        ("Open time", "Open price", "High price", "Low price", "Close price", "Tick volume"),
        ("openTime", "openPrice", "highPrice", "lowPrice", "closePrice", "baseVolume"),
    ],
)
def test_usual_column_names_are_known_and_said(table: Table, names: tuple[str, ...]) -> None:
    frame = table()
    renamed = frame.rename(dict(zip(frame.columns, names, strict=True)))
    assert read(renamed) == read(frame)
    assert any(note.startswith("columns read: ") and f"{names[0]} as open_time" in note for note in read(renamed).notes)


def test_date_and_time_in_two_columns(table: Table) -> None:
    frame = table()
    moment = pl.from_epoch("open_time", time_unit="ms")
    split = frame.with_columns(moment.dt.strftime("%Y.%m.%d").alias("<DATE>"), moment.dt.strftime("%H:%M:%S").alias("<TIME>")).drop(
        "open_time"
    )
    assert read(split) == read(frame)


def test_binance_names(table: Table) -> None:
    frame = table().with_columns(
        close_time=pl.col("open_time") + 59_999,
        quote_asset_volume=pl.col("volume") * 2,
        number_of_trades=pl.lit(4),
        taker_buy_base_asset_volume=pl.col("volume") / 2,
        taker_buy_quote_asset_volume=pl.col("volume"),
        ignore=pl.lit(0),
    )
    bars = read(frame)
    assert bars.frame.columns[6:] == ["close_time", "quote_volume", "trades", "taker_buy_base", "taker_buy_quote"]
    assert bars.frame.schema["close_time"] == pl.Int64


def test_columns_can_be_named(table: Table) -> None:
    frame = table().rename({name: f"bid_{name}" for name in ("open", "high", "low", "close")})
    chosen = {name: f"bid_{name}" for name in ("open", "high", "low", "close")}
    assert read(frame, columns=chosen) == read(table())
    with pytest.raises(DataError, match="there is no column 'ask_open'"):
        read(frame, columns={"open": "ask_open"})


def test_text_columns_are_left_out_and_said(table: Table) -> None:
    bars = read(table().with_columns(venue=pl.lit("X"), spread=pl.lit(0.1)))
    assert "left out, as they hold no numbers: venue" in bars.notes
    assert bars.frame.columns[6:] == ["spread"]


def test_a_price_that_is_no_number_is_found_at_its_row(table: Table) -> None:
    frame = table().with_columns(close=pl.when(pl.int_range(50) == 8).then(pl.lit("n/a")).otherwise(pl.col("close").cast(pl.String)))
    with pytest.raises(DataError, match=r"the frame row 8 \(2023-03-14 14:38 UTC\): close is missing. Correct the file, or import it"):
        read(frame)
