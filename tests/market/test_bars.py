import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from barmill.errors import DataError, InstrumentError, ShapeError
from barmill.market import BAR_COLUMNS, Bar, Bars, Instrument, Timeframe

Table = Callable[..., pl.DataFrame]
SIM = Instrument.builtin("SIM")


def bars_of(frame: pl.DataFrame) -> Bars:
    return Bars.read(frame, symbol="SIM")


def save(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame.columns})
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    return path


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".npz", ".arrow", ".feather"])
def test_the_fingerprint_is_of_the_content_not_of_the_file(table: Table, tmp_path: Path, ending: str) -> None:
    frame = table().with_columns(close_time=pl.col("open_time") + 59_999, trades=pl.lit(7), quote_volume=pl.col("volume") * 100)
    expected = bars_of(frame)
    read = Bars.read(save(frame, tmp_path / f"SIM_1m{ending}"))
    assert read.fingerprint == expected.fingerprint
    assert read == expected
    assert read.frame.equals(expected.frame)


def test_frames_of_other_libraries_give_the_same_bars(table: Table) -> None:
    frame = table()
    expected = bars_of(frame).fingerprint
    assert Bars.read(frame.to_arrow(), symbol="SIM").fingerprint == expected
    assert Bars.read(frame.to_pandas(), symbol="SIM").fingerprint == expected
    indexed = frame.to_pandas().set_index(pd.to_datetime(frame["open_time"].to_list(), unit="ms", utc=True)).drop(columns="open_time")
    assert Bars.read(indexed, symbol="SIM").fingerprint == expected


def test_the_fingerprint_sees_every_change(table: Table) -> None:
    frame = table()
    seen = {bars_of(frame).fingerprint}
    seen.add(Bars.read(frame, symbol="BTC-PERP").fingerprint)
    seen.add(Bars.read(frame, symbol="SIM", timeframe="1m").slice(0, 49).fingerprint)
    seen.add(bars_of(frame.with_columns(volume=pl.col("volume") + 1e-9)).fingerprint)
    seen.add(bars_of(frame.with_columns(trades=pl.lit(1.0))).fingerprint)
    seen.add(bars_of(frame.with_columns(other=pl.lit(1.0))).fingerprint)
    assert len(seen) == 6


def test_bars_cannot_be_changed(table: Table) -> None:
    bars = bars_of(table())
    for values in (bars.open_time, bars.close_time, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.column("close")):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    with pytest.raises(AttributeError):
        bars.timeframe = Timeframe.parse("5m")  # type: ignore[misc]


def test_bars_do_not_follow_the_arrays_they_came_from() -> None:
    times, close = np.array([0, 60_000]), np.array([1.0, 2.0])
    bars = Bars.from_columns(SIM, "1m", times, close, close + 1, close / 2, close, close)
    times[0], close[0] = 5, 99.0
    assert (bars.bar(0).open_time, bars.bar(0).close) == (0, 1.0)


def test_a_bar_carries_its_further_columns(table: Table) -> None:
    bars = bars_of(table().with_columns(trades=pl.lit(3.0)))
    assert bars.bar(1).extra == {"trades": 3.0}
    assert bars_of(table()).bar(1).extra == {}
    assert all(hasattr(bars, name) for name in BAR_COLUMNS)


def test_a_bar_is_known_at_its_close(table: Table) -> None:
    bars = bars_of(table())
    assert (bars.close_time - bars.open_time == 60_000).all()


def test_one_bar_by_position(table: Table) -> None:
    frame = table()
    bars = bars_of(frame)
    assert bars.bar(3) == Bar(*frame.row(3))
    assert bars.bar(-1) == Bar(*frame.row(-1))


def test_slices_join_to_the_whole(table: Table) -> None:
    bars = bars_of(table())
    assert bars.slice(0, 20).append(bars.slice(20)) == bars
    assert len(bars.slice(40, 10)) == 0
    assert bars.slice(-5) == bars.slice(45, 50)


def test_append_refuses_what_does_not_follow(table: Table) -> None:
    bars = bars_of(table())
    with pytest.raises(DataError, match="2023-03-14 14:40 UTC to append is not after the last bar, 2023-03-14 14:49 UTC"):
        bars.slice(0, 20).append(bars.slice(10))
    with pytest.raises(DataError, match="columns"):
        bars.slice(0, 20).append(bars_of(table().with_columns(trades=pl.lit(1.0))).slice(20))
    with pytest.raises(DataError, match="BTC-PERP 1m to append; expected SIM 1m"):
        bars.slice(0, 20).append(Bars.read(table(), symbol="BTC-PERP").slice(20))


def test_writing_and_reading_gives_the_same_bars_whatever_the_name(table: Table, tmp_path: Path) -> None:
    bars = bars_of(table().with_columns(trades=pl.lit(3.0)))
    path = tmp_path / "bars.parquet"
    bars.write(path)
    assert Bars.read(path) == bars
    written = path.read_bytes()
    bars.write(path)
    assert path.read_bytes() == written


def test_bars_travel_between_processes(table: Table) -> None:
    bars = bars_of(table())
    assert bars.close.size  # what is cached stays behind
    assert pickle.loads(pickle.dumps(bars)) == bars  # noqa: S301 (our own bytes, as multiprocessing moves them)


def test_columns_of_unequal_length_and_disorder_are_refused() -> None:
    two = [1.0, 1.0]
    with pytest.raises(ShapeError, match="bars:volume"):
        Bars.from_columns(SIM, "1m", [0, 60_000], two, two, two, two, [1.0])
    with pytest.raises(DataError, match="bars row 1: 1970-01-01 00:00 UTC is not after the bar before it"):
        Bars.from_columns(SIM, "1m", [60_000, 0], two, two, two, two, two)


def test_volume_may_be_absent(table: Table) -> None:
    bars = bars_of(table().drop("volume"))
    assert not bars.has_volume
    assert (bars.volume == 0).all()
    assert "no volume column; volume is 0" in bars.notes
    assert [each.code for each in bars.findings] == ["D019"]
    assert bars_of(table()).has_volume


@pytest.mark.parametrize(
    ("stem", "symbol"),
    [("BTC-PERP_ftx_1m", "BTC-PERP"), ("6EH4_1m", "6E"), ("esz25", "ES"), ("ES_1m", "ES"), ("btcusdt-1m", None), ("bars", None)],
)
def test_the_symbol_is_read_off_the_name(table: Table, tmp_path: Path, stem: str, symbol: str | None) -> None:
    path = save(table(), tmp_path / f"{stem}.parquet")
    if symbol:
        assert Bars.read(path).instrument.symbol == symbol
    else:
        with pytest.raises(DataError, match=f"the name '{stem}' starts with no built-in symbol. Say what it is with symbol"):
            Bars.read(path)


def test_a_frame_must_be_told_its_symbol(table: Table) -> None:
    with pytest.raises(DataError, match="a frame names no symbol"):
        Bars.read(table())
    with pytest.raises(InstrumentError, match="Did you mean 'SIM'"):
        Bars.read(table(), symbol="SIMM")
    with pytest.raises(InstrumentError, match="the instrument given is SIM"):
        Bars.read(table(), symbol="ES", instrument=SIM)


def test_rows_of_one_symbol_are_taken_from_many(table: Table) -> None:
    frame = table()
    both = pl.concat([frame.with_columns(symbol=pl.lit("BTCUSDT")), frame.with_columns(pl.col("close"), symbol=pl.lit("ETHUSDT"))])
    assert len(Bars.read(both, symbol="ETHUSDT")) == 50
    with pytest.raises(DataError, match=r"bars of 2 symbols: BTCUSDT, ETHUSDT\. Choose one with symbol"):
        Bars.read(both)
    with pytest.raises(DataError, match="no rows of symbol 'SIM'; expected one of BTCUSDT, ETHUSDT"):
        Bars.read(both, symbol="SIM")
    assert Bars.read(both[:50]).instrument.symbol == "BTCUSDT"


def test_the_most_common_step_is_the_timeframe(table: Table) -> None:
    frame = table(60, step=300_000)
    thin = pl.concat([frame[:20], frame[22:40], frame[45:]])
    bars = Bars.read(thin, symbol="SIM")
    assert str(bars.timeframe) == "5m"
    assert "timeframe 5m, the most common step" in bars.notes
    assert "timeframe" not in " ".join(Bars.read(thin, symbol="SIM", timeframe="5m").notes)
    with pytest.raises(DataError, match="no whole number of minutes"):
        Bars.read(table(step=30_500), symbol="SIM")
