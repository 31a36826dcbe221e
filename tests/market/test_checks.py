"""Each check has a case that it catches, with its message, and a case that it leaves alone."""

import time
from collections.abc import Callable

import polars as pl
import pytest

from barmill.errors import DataError
from barmill.market import Bars, Calendar, Finding, Timeframe, check_frame
from barmill.market.findings import CODES

Table = Callable[..., pl.DataFrame]
ALWAYS = Calendar.named("24/7")
PRICES = ("open", "high", "low", "close")
MINUTE = Timeframe.parse("1m")


def found(frame: pl.DataFrame, code: str, calendar: Calendar = ALWAYS, timeframe: Timeframe | None = MINUTE) -> Finding:
    findings = [each for each in check_frame(frame, timeframe, calendar) if each.code == code]
    assert len(findings) == 1, f"{code} not among {check_frame(frame, timeframe, calendar)}"
    return findings[0]


def codes(frame: pl.DataFrame, calendar: Calendar = ALWAYS, timeframe: Timeframe | None = MINUTE) -> set[str]:
    return {each.code for each in check_frame(frame, timeframe, calendar)}


def put(frame: pl.DataFrame, column: str, row: int, value: float | None) -> pl.DataFrame:
    values = frame[column].to_list()
    values[row] = value
    return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))


def flat(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    rows = pl.int_range(pl.len()).is_between(first, last)
    return frame.with_columns([pl.when(rows).then(100.0).otherwise(pl.col(name)).alias(name) for name in PRICES])


def test_sound_bars_have_no_findings(table: Table) -> None:
    assert check_frame(table(200), MINUTE, ALWAYS) == ()


@pytest.mark.parametrize(
    ("column", "value", "code", "message"),
    [
        ("high", 99.0, "D005", "row 7 (2023-03-14 14:37 UTC): high 99 is below low {low}"),
        ("low", 100.99, "D005", "row 7 (2023-03-14 14:37 UTC): high {high} is below low 100.99"),
        ("close", 105.0, "D005", "row 7 (2023-03-14 14:37 UTC): high {high} is below close 105"),
        ("open", 105.0, "D005", "row 7 (2023-03-14 14:37 UTC): high {high} is below open 105"),
        ("open", 95.0, "D005", "row 7 (2023-03-14 14:37 UTC): low {low} is above open 95"),
        ("close", 95.0, "D005", "row 7 (2023-03-14 14:37 UTC): low {low} is above close 95"),
        ("low", -1.0, "D007", "row 7 (2023-03-14 14:37 UTC): low is -1, and prices must be above 0"),
        ("volume", -3.5, "D006", "row 7 (2023-03-14 14:37 UTC): volume -3.5 is negative"),
        ("close", float("nan"), "D002", "row 7 (2023-03-14 14:37 UTC): close is missing"),
        ("volume", None, "D002", "row 7 (2023-03-14 14:37 UTC): volume is missing"),
        ("high", float("inf"), "D002", "row 7 (2023-03-14 14:37 UTC): high is inf"),
        ("open_time", None, "D002", "row 7: open_time is empty or no time"),
    ],
)
def test_a_wrong_value_is_named_with_row_time_and_value(table: Table, column: str, value: float | None, code: str, message: str) -> None:
    frame = table()
    row = {name: f"{frame[name][7]:.10g}" for name in ("high", "low")}
    finding = found(put(frame, column, 7, value), code)
    assert (finding.severity, finding.count, finding.first_row) == ("error", 1, 7)
    assert finding.message == message.format(**row)
    assert finding.mend


def test_an_empty_table(table: Table) -> None:
    assert found(table(0), "D015").severity == "error"


def test_a_single_bar(table: Table) -> None:
    assert found(table(1), "D016").message == "(2023-03-14 14:30 UTC): there is one bar only"
    assert "D016" not in codes(table(2))


def test_missing_columns_name_those_that_are_there(table: Table) -> None:
    frame = table().drop("high", "close")
    assert found(frame, "D001").message == "no column high, close (the columns are open_time, open, low, volume)"


def test_bid_and_ask_bars_ask_for_a_side(table: Table) -> None:
    frame = table().rename({name: f"bid_{name}" for name in ("open", "high", "low", "close")})
    assert "choose a side" in found(frame, "D001").mend


def test_unsorted_rows(table: Table) -> None:
    frame = table()
    swapped = pl.concat([frame[:10], frame[11:12], frame[10:11], frame[12:]])
    assert found(swapped, "D003").message == "row 11 (2023-03-14 14:40 UTC): the bar lies before the one above it (2023-03-14 14:41 UTC)"


def test_duplicated_rows_even_when_unsorted(table: Table) -> None:
    frame = table()
    doubled = pl.concat([frame[:10], frame[9:], frame[:2]])
    finding = found(doubled, "D004")
    assert (finding.first_row, finding.count) == (10, 3)
    assert finding.message == "row 10 (2023-03-14 14:39 UTC): the same open time as an earlier bar (and 2 more rows)"
    assert "D003" in codes(doubled)


@pytest.mark.parametrize("scale", [1e6, -1.0])
def test_times_of_a_wrong_unit(table: Table, scale: float) -> None:
    frame = table().with_columns((pl.col("open_time") * scale).cast(pl.Int64))
    assert "D008" in codes(frame)


@pytest.mark.parametrize(("minutes", "bars"), [(5, 40), (1, 40)])
def test_mixed_timeframes(table: Table, minutes: int, bars: int) -> None:
    usual = 1 if minutes == 5 else 5
    first = table(100, step=usual * 60_000)
    second = table(bars, step=minutes * 60_000, first=int(first["open_time"][-1]) + usual * 60_000)
    finding = found(pl.concat([first, second]), "D009", timeframe=Timeframe(usual))
    assert finding.first_row == 100
    assert f"from here {bars - 1} bars are {minutes}m apart, in a file of {usual}m bars" in finding.message


def test_every_other_bar_missing_for_a_while_is_a_gap(table: Table) -> None:
    frame = table(300)
    thin = pl.concat([frame[:100], frame[100:130:2], frame[130:]])
    assert codes(thin) == {"D011"}


def test_bars_off_the_grid(table: Table) -> None:
    frame = put(table(), "open_time", 9, 1_678_804_200_000 + 9 * 60_000 + 1500)
    finding = found(frame, "D010")
    assert (finding.severity, finding.first_row) == ("error", 9)


def test_a_common_offset_is_a_warning(table: Table) -> None:
    frame = table(step=3_600_000)  # hours from 14:30
    finding = found(frame, "D010", timeframe=Timeframe.parse("1h"))
    assert finding.severity == "warning"
    assert "bars open 30m after the grid of 1h in UTC" in finding.message


def test_gaps_are_counted_against_the_calendar(table: Table) -> None:
    frame = table(200)
    holes = pl.concat([frame[:10], frame[12:100], frame[150:]])
    message = found(holes, "D011").message
    assert message == (
        "row 10 (2023-03-14 14:40 UTC): 52 bars that the calendar 24/7 expects are absent, in 2 gaps; "
        "the longest lasts 50 bars, from 2023-03-14 16:10 UTC"
    )


def test_bars_of_a_closed_market(table: Table) -> None:
    saturday = table(30, first=1_678_536_000_000)
    assert found(saturday, "D020", Calendar.named("forex")).count == 30
    assert "D020" not in codes(table(30), Calendar.named("forex"))


def test_a_slipped_digit_is_an_outlier(table: Table) -> None:
    frame = table(500)
    scaled = frame.with_columns([pl.when(pl.int_range(pl.len()) == 300).then(pl.col(n) * 10).otherwise(pl.col(n)) for n in PRICES])
    finding = found(scaled, "D012")
    assert (finding.severity, finding.first_row, finding.count) == ("warning", 300, 2)


def test_a_price_that_stands_still(table: Table) -> None:
    frame = table(300)
    still = flat(frame, 100, 180)
    assert "for 80 bars" in found(still, "D021").message
    assert found(still, "D013").count == 81
    assert "D021" not in codes(flat(frame, 100, 120))


def test_zero_volume_somewhere_and_everywhere(table: Table) -> None:
    assert found(put(table(), "volume", 3, 0.0), "D014").severity == "info"
    nowhere = found(table().with_columns(volume=0.0), "D014")
    assert (nowhere.severity, nowhere.message) == ("warning", "volume is 0 in every bar; features of volume say nothing")


def test_no_volume_column(table: Table) -> None:
    assert found(table().drop("volume"), "D019").severity == "warning"


def test_takers_cannot_buy_more_than_was_traded(table: Table) -> None:
    frame = table().with_columns(taker_buy_base=pl.col("volume") / 2)
    assert "D017" not in codes(frame)
    message = found(put(frame, "taker_buy_base", 4, 1e6), "D017").message
    assert message.startswith("row 4 (2023-03-14 14:34 UTC): taker_buy_base 1000000 is above volume ")


@pytest.mark.parametrize(("late", "fits"), [(60_000, True), (59_999, True), (60_001, False), (300_000, False)])
def test_close_time_must_be_a_bar_later(table: Table, late: int, fits: bool) -> None:
    assert ("D018" not in codes(table().with_columns(close_time=pl.col("open_time") + late))) is fits


def test_an_extra_column_with_holes(table: Table) -> None:
    frame = table().with_columns(trades=pl.lit(5.0))
    assert "D022" not in codes(frame)
    assert found(put(frame, "trades", 2, None), "D022").severity == "warning"


def test_all_problems_are_told_at_once(table: Table) -> None:
    frame = put(put(table(), "volume", 2, -1.0), "high", 5, 1.0)
    with pytest.raises(DataError) as caught:
        Bars.read(frame, symbol="SIM")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("the frame row 5 (2023-03-14 14:35 UTC): high 1 is below low")
    assert lines[1].startswith("the frame row 2 (2023-03-14 14:32 UTC): volume -1 is negative. Correct the file")


def test_every_code_has_one_name() -> None:
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize("calendar", ["24/7", "forex"])
def test_a_million_bars_are_checked_in_under_a_second(table: Table, calendar: str) -> None:
    frame = table(1_000_000).with_columns(pl.col("open", "high", "low", "close") + 500.0)
    named = Calendar.named(calendar)
    began = time.process_time()
    findings = check_frame(frame, MINUTE, named)
    assert time.process_time() - began < 1.5  # 0.2 s on an idle core; the room is for a busy one
    assert all(each.severity != "error" for each in findings)


def test_a_timeframe_that_the_bars_do_not_have(table: Table) -> None:
    with pytest.raises(DataError, match=r"row 0 \(2023-03-14 14:30 UTC\): from here 49 bars are 1m apart, in a file of 5m bars"):
        Bars.read(table(), symbol="SIM", timeframe="5m")
