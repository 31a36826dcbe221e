"""Tables that go to a file chunk by chunk."""

import numpy as np
import polars as pl
import pytest

from barmill.errors import InputError, SchemaError
from barmill.features import FeaturePlan, computing, writing

PLAN = FeaturePlan.build(timeframes=("1m", "5m"))


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 700)
    monkeypatch.setattr(computing, "CHUNK", 300)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_file_holds_what_compute_gives_whatever_the_chunks(bars, tmp_path, dtype):
    table = PLAN.compute(bars, dtype=dtype)
    written = PLAN.write(bars, tmp_path / "f.parquet", dtype=dtype)
    np.testing.assert_array_equal(written.ready, table.ready)
    frame = pl.read_parquet(written.path)
    assert frame.columns == ["open_time", "close_time", *PLAN.names]
    np.testing.assert_array_equal(frame["close_time"].to_numpy(), bars.close_time)
    np.testing.assert_array_equal(frame.drop("open_time", "close_time").to_numpy(), table.values)
    assert frame[PLAN.names[0]].dtype == (pl.Float32 if dtype == "float32" else pl.Float64)
    PLAN.write(bars, tmp_path / "f.npy", dtype=dtype)
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    assert mapped.dtype == dtype
    np.testing.assert_array_equal(mapped, table.values)


def test_no_bars_make_an_empty_file(bars, tmp_path):
    for name in ("f.parquet", "f.npy"):
        assert PLAN.write(bars.slice(0, 0), tmp_path / name).ready.size == 0
    assert np.load(tmp_path / "f.npy").shape == (0, len(PLAN.names))
    assert pl.read_parquet(tmp_path / "f.parquet").height == 0


def test_a_file_that_breaks_off_leaves_the_old_one(bars, tmp_path, monkeypatch):
    path = tmp_path / "f.npy"
    path.write_bytes(b"old")
    advanced = []

    def break_off(*given, **named):
        advanced.append(given)
        if len(advanced) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(writing, "advance_over", break_off)
    with pytest.raises(KeyboardInterrupt):
        PLAN.write(bars, path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["f.npy"]


def test_what_cannot_be_written_is_refused_before_any_work(bars, tmp_path):
    with pytest.raises(InputError, match=r"a '.csv' file; expected .parquet or .npy"):
        PLAN.write(bars, tmp_path / "f.csv")
    with pytest.raises(SchemaError, match="timeframe 1m; expected 5m"):
        FeaturePlan.build(base="5m", timeframes=("5m",)).write(bars, tmp_path / "f.npy")
    assert not list(tmp_path.iterdir())
