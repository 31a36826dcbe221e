"""One series in several files: put together it is the whole, and what does not follow is refused by the name of its file."""

import pytest

import barmill as bm
from barmill.errors import DataError
from barmill.market import read_in_order, resample


@pytest.fixture(scope="module")
def whole():
    return bm.simulate(600, seed=3).bars


@pytest.fixture
def written(whole, tmp_path):
    """`written(first, stop)`: a file of these bars."""

    def write(first, stop, bars=whole):
        path = tmp_path / f"{first}-{stop}.parquet"
        bars.slice(first, stop).write(path)
        return path

    return write


def test_the_parts_in_order_are_the_whole(whole, written):
    found = read_in_order([written(0, 200), written(200, 450), written(450, 600)])
    assert found == whole
    assert found.notes[0] == "0-200.parquet: 200 bars of 1m"
    assert len(found.notes) == 3
    assert found.findings == whole.checked("whole").findings


def test_a_hole_between_two_files_is_found_as_any_other(whole, written):
    found = read_in_order([written(0, 200), written(210, 600)])
    (missing,) = [finding.message for finding in found.findings if "are absent" in finding.message]
    assert "10 bars that the calendar 24/7 expects" in missing


@pytest.mark.parametrize(("first", "second"), [((0, 200), (150, 400)), ((200, 400), (0, 200)), ((0, 200), (0, 200))])
def test_files_that_overlap_or_come_out_of_order_are_named(written, first, second):
    one, other = written(*first), written(*second)
    with pytest.raises(DataError) as error:
        read_in_order([one, other])
    assert error.value.place == str(other)
    assert f"not after the end of {one}" in error.value.found


def test_bars_of_another_length_are_named(whole, written):
    one, other = written(0, 200), written(40, 80, resample(whole, "5m"))
    with pytest.raises(DataError, match=r"40-80\.parquet: SIM 5m to append, after .*0-200\.parquet"):
        read_in_order([one, other])


def test_no_file_is_refused():
    with pytest.raises(DataError, match="no file is named"):
        read_in_order([])
