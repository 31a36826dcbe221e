"""Bars as .npz: the same bars come back, plain NumPy reads them without pickle, and nothing that executes is read."""

from dataclasses import replace

import numpy as np
import pytest

import barmill as bm
from barmill.errors import DataError
from barmill.market import Bars, Instrument, read_npz, resample, write_bars_npz
from barmill.market.npz_file import write_npz


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(900, seed=4).bars


def test_the_bars_that_come_back_are_the_same(bars, tmp_path):
    write_bars_npz(bars, tmp_path / "unnamed.npz")
    again = Bars.read(tmp_path / "unnamed.npz")
    assert again == bars
    assert again.fingerprint == bars.fingerprint
    assert again.frame.schema == bars.frame.schema


def test_bars_that_begin_with_the_session_stay_so(tmp_path):
    minutes = replace(bm.simulate(3_000, seed=1, symbol="ES").bars, instrument=Instrument.builtin("ES"))
    longer = resample(minutes, "25m", anchor="session")
    assert longer.anchor == "session"
    write_bars_npz(longer, tmp_path / "x.npz")
    again = Bars.read(tmp_path / "x.npz")
    assert (again.anchor, again.fingerprint) == ("session", longer.fingerprint)


def test_plain_numpy_reads_it_without_pickle(bars, tmp_path):
    write_bars_npz(bars, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["open_time"], bars.open_time)
        np.testing.assert_array_equal(stored["close"], bars.close)
        assert '"symbol":"SIM"' in stored["metadata"].item()


def test_the_same_bars_give_the_same_bytes(bars, tmp_path):
    for name in ("a.npz", "b.npz"):
        write_bars_npz(bars, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_objects_are_neither_written_nor_read(tmp_path):
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(DataError, match="an array of objects"):
        write_npz(tmp_path / "x.npz", {"evil": objects}, {})
    assert not (tmp_path / "x.npz").exists()
    np.savez(tmp_path / "y.npz", evil=objects)
    for read in (read_npz, Bars.read):
        with pytest.raises(DataError, match="npz file"):
            read(tmp_path / "y.npz")


@pytest.mark.parametrize("told", [np.array("{"), np.array("[1]"), np.array([1.0]), np.array(b"{}")])
def test_a_metadata_that_is_no_json_is_refused(told, tmp_path):
    np.savez(tmp_path / "x.npz", metadata=told, close=np.ones(3))
    with pytest.raises(DataError, match="metadata"):
        read_npz(tmp_path / "x.npz")


def test_a_column_that_was_lost_is_named(bars, tmp_path):
    write_bars_npz(bars, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as stored:
        kept = {name: stored[name] for name in stored.files if name != "high"}
    np.savez(tmp_path / "x.npz", **kept)
    with pytest.raises(DataError, match="there is no array high"):
        Bars.read(tmp_path / "x.npz")
