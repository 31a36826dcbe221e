from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from barmill.errors import DataError
from barmill.market import Bars

Table = Callable[..., pl.DataFrame]


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".npz", ".arrow"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"SIM{ending}"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"the file is empty \(0 bytes\). Give a file with bars"):
        Bars.read(path)


@pytest.mark.parametrize("ending", [".parquet", ".npz", ".arrow"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused_without_a_traceback(table: Table, tmp_path: Path, ending: str, keep: float) -> None:
    path = tmp_path / f"SIM{ending}"
    frame = table()
    if ending == ".npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame.columns})
    elif ending == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(DataError, match=rf"SIM\{ending}: not a readable"):
        Bars.read(path)


def test_a_header_without_rows(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "SIM.csv"
    table(0).write_csv(path)
    with pytest.raises(DataError, match=r"SIM.csv: there are no rows. Give a file with bars."):
        Bars.read(path)


def test_no_file_a_folder_and_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        Bars.read(tmp_path / "SIM.csv")
    (tmp_path / "SIM.parquet").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        Bars.read(tmp_path / "SIM.parquet")
    with pytest.raises(DataError, match=r"files ending in '.xlsx' are not read; expected one of .parquet .csv"):
        Bars.read(tmp_path / "SIM.xlsx")
    with pytest.raises(DataError, match="int cannot be read"):
        Bars.read(3)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_detected(table: Table, tmp_path: Path, separator: str) -> None:
    path = tmp_path / "SIM.csv"
    table().write_csv(path, separator=separator)
    assert Bars.read(path) == Bars.read(table(), symbol="SIM")


def test_csv_with_windows_line_ends_and_a_byte_order_mark(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "SIM.csv"
    path.write_bytes(b"\xef\xbb\xbf" + table().write_csv().replace("\n", "\r\n").encode())
    assert Bars.read(path) == Bars.read(table(), symbol="SIM")


def test_monthly_files_without_a_header(table: Table, tmp_path: Path) -> None:
    frame = table().with_columns(a=pl.col("open_time") + 59_999, b=pl.lit(1.5), c=pl.lit(3), d=pl.lit(0.01), e=pl.lit(0.5), f=pl.lit(0))
    path = tmp_path / "SIM-1m-2023-03.csv"
    frame.write_csv(path, include_header=False)
    bars = Bars.read(path, symbol="SIM")
    assert len(bars) == 50
    assert bars.frame.columns[-1] == "taker_buy_quote"
    assert bars.notes[0].startswith("no header; columns taken as open_time, open, high")


def test_a_headless_file_of_odd_width_is_refused(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "SIM.csv"
    table().with_columns(x=pl.lit(1.0)).write_csv(path, include_header=False)
    with pytest.raises(DataError, match="no header and 7 columns; expected 5, 6, 11 or 12 columns"):
        Bars.read(path)


def test_npz_arrays_must_be_columns(tmp_path: Path) -> None:
    path = tmp_path / "SIM.npz"
    np.savez(path, open=np.zeros(3), close=np.zeros((3, 2)))
    with pytest.raises(DataError, match="expected one-dimensional arrays of equal length"):
        Bars.read(path)
    np.savez(path, open=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="not a readable npz file"):
        Bars.read(path)
