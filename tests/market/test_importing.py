from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from barmill.errors import DataError, StorageError
from barmill.market import REPAIRS, Bars, Calendar, check_frame, import_bars, repairs_for

Table = Callable[..., pl.DataFrame]


def put(frame: pl.DataFrame, column: str, row: int, value: float | None) -> pl.DataFrame:
    values = frame[column].to_list()
    values[row] = value
    return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))


def spoilt(frame: pl.DataFrame, repair: str) -> pl.DataFrame:
    """`frame` with what `repair` is for, in one row or two."""
    with_taker = frame.with_columns(taker_buy_base=pl.col("volume") / 2)
    return {
        "drop-nan": put(frame, "close", 5, None),
        "sort": pl.concat([frame[:10], frame[11:12], frame[10:11], frame[12:]]),
        "drop-duplicates": pl.concat([frame[:10], frame[9:]]),
        "drop-invalid-ohlc": put(frame, "high", 5, 1.0),
        "drop-non-positive-prices": put(frame, "low", 5, -1.0),
        "drop-negative-volume": put(frame, "volume", 5, -2.0),
        "clip-negative-volume": put(frame, "volume", 5, -2.0),
        "drop-invalid-taker": put(with_taker, "taker_buy_base", 5, 1e9),
        "drop-off-grid": put(frame, "open_time", 5, frame["open_time"][5] + 1234),
        "drop-closed": frame,
    }[repair]


@pytest.mark.parametrize("repair", [name for name in REPAIRS if name != "drop-closed"])
def test_an_error_is_refused_until_its_repair_is_named(table: Table, tmp_path: Path, repair: str) -> None:
    bad, out = spoilt(table(), repair), tmp_path / "out.parquet"
    with pytest.raises(DataError):
        import_bars(bad, out, symbol="SIM")
    others = [name for name in REPAIRS if name != repair and "negative-volume" not in name]
    if repair != "drop-off-grid":
        with pytest.raises(DataError):
            import_bars(bad, out, others, symbol="SIM")
    assert list(tmp_path.iterdir()) == []  # nothing half-written
    report = import_bars(bad, out, [repair], symbol="SIM")
    assert Bars.read(out) == report.bars
    assert len(report.bars) == bad.height - sum(report.set_aside.values())
    assert report.rows_read == bad.height
    assert (report.quarantine is None) == (repair == "sort")


def test_sound_bars_come_through_unchanged_and_without_a_quarantine(table: Table, tmp_path: Path) -> None:
    frame = table()
    report = import_bars(frame, tmp_path / "out.parquet", symbol="SIM")
    assert report.bars == Bars.read(frame, symbol="SIM")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_all_repairs_leave_sound_bars_as_they_are(table: Table, tmp_path: Path) -> None:
    frame = table()
    every = [name for name in REPAIRS if name != "clip-negative-volume"]
    report = import_bars(frame, tmp_path / "out.parquet", every, symbol="SIM")
    assert (report.bars, report.set_aside, report.changed) == (Bars.read(frame, symbol="SIM"), {}, {})


def test_the_quarantine_keeps_every_row_with_its_reason(table: Table, tmp_path: Path) -> None:
    frame = table()
    bad = put(put(pl.concat([frame[:10], frame[9:], frame[20:21].with_columns(volume=99.0)]), "high", 3, 1.0), "volume", 7, -2.0)
    report = import_bars(
        bad, tmp_path / "out.parquet", ["clip-negative-volume", "drop-duplicates", "sort", "drop-invalid-ohlc"], symbol="SIM"
    )
    assert report.set_aside == {"drop-duplicates": 2, "drop-invalid-ohlc": 1}
    assert report.changed == {"sort": 30, "clip-negative-volume": 1}
    assert report.quarantine == tmp_path / "out.quarantine.csv"
    kept = pl.read_csv(report.quarantine)
    assert kept.columns[:4] == ["repair", "reason", "time", "source_row"]
    found = {row["source_row"]: (row["repair"], row["reason"], row["time"]) for row in kept.iter_rows(named=True)}
    assert found[10] == ("drop-duplicates", "a further row of this time, identical", "2023-03-14 14:39 UTC")
    assert found[51] == ("drop-duplicates", "a further row of this time, with other values", "2023-03-14 14:50 UTC")
    assert found[7] == ("clip-negative-volume", "volume -2 taken as 0; the row stays", "2023-03-14 14:37 UTC")
    assert found[3][0] == "drop-invalid-ohlc"
    assert "high 1, " in found[3][1]
    assert report.bars.volume[6] == 0.0  # row 7 of the source, one row before it being gone
    assert report.rows_read == len(report.bars) + sum(report.set_aside.values())


def test_a_quarantine_may_be_parquet(table: Table, tmp_path: Path) -> None:
    bad = put(table(), "close", 5, None)
    report = import_bars(bad, tmp_path / "out.parquet", ["drop-nan"], symbol="SIM", quarantine=tmp_path / "aside.parquet")
    assert pl.read_parquet(tmp_path / "aside.parquet")["reason"].to_list() == ["close is no number"]
    assert report.to_json()["quarantine"] == str(tmp_path / "aside.parquet")


def test_errors_that_remain_are_told_together(table: Table, tmp_path: Path) -> None:
    bad = put(put(table(), "volume", 5, -2.0), "high", 3, 1.0)
    with pytest.raises(DataError) as caught:
        import_bars(bad, tmp_path / "out.parquet", ["sort"], symbol="SIM")
    assert len(str(caught.value).splitlines()) == 2


def test_bars_of_a_closed_market_can_be_set_aside(table: Table, tmp_path: Path) -> None:
    friday = table(180, first=1_678_482_000_000 - 60 * 60_000)  # from 20:00 UTC on a Friday in winter; the week ends at 22:00
    report = import_bars(friday, tmp_path / "out.parquet", ["drop-closed"], symbol="EURUSD")
    assert report.set_aside == {"drop-closed": 60}
    assert report.bars.findings == ()


def test_the_repairs_that_help_are_named(table: Table) -> None:
    bad = put(put(table(), "close", 5, None), "volume", 3, -1.0)
    findings = check_frame(bad, None, Calendar.named("24/7"))
    assert repairs_for(findings) == ("drop-nan", "clip-negative-volume")


def test_wrong_requests_are_refused(table: Table, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(DataError, match=r"repair 'drop-nans': there is no such repair\. Did you mean 'drop-nan'"):
        import_bars(table(), out, ["drop-nans"], symbol="SIM")
    with pytest.raises(DataError, match="exclude each other"):
        import_bars(table(), out, ["drop-negative-volume", "clip-negative-volume"], symbol="SIM")
    with pytest.raises(DataError, match=r"expected a name ending in \.parquet"):
        import_bars(table(), tmp_path / "out.csv", symbol="SIM")
    table().write_parquet(out)
    with pytest.raises(DataError, match="never overwrites what it reads"):
        import_bars(out, out, symbol="SIM")


def test_a_place_that_cannot_be_written_is_named(table: Table, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        import_bars(table(), tmp_path / "file" / "out.parquet", symbol="SIM")
