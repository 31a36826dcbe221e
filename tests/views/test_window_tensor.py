"""Windows are gathered from one base array and never materialised."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.views import WindowTensor, window_ready


def base(n_bars: int, n_features: int = 3) -> np.ndarray:
    return np.random.default_rng(n_bars).normal(size=(n_bars, n_features)).astype(np.float32)


@given(n_bars=st.integers(1, 40), window=st.integers(1, 12), data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_window_holds_the_rows_up_to_its_end(n_bars: int, window: int, data: st.DataObject):
    if window > n_bars:
        assert WindowTensor(base(n_bars), np.empty(0, np.int64), window).view.shape == (0, window, 3)
        return
    ends = np.array(data.draw(st.lists(st.integers(window - 1, n_bars - 1), min_size=1)))
    tensor = WindowTensor(base(n_bars), ends, window)
    gathered = tensor.gather(slice(None))
    np.testing.assert_array_equal(gathered, np.stack([tensor.base[end - window + 1 : end + 1] for end in ends]))
    np.testing.assert_array_equal(gathered, tensor.view[tensor.starts])
    assert gathered.flags.c_contiguous
    assert gathered.dtype == np.float32


def test_the_view_is_the_base_itself():
    tensor = WindowTensor(base(100), np.arange(9, 100), 10)
    assert np.shares_memory(tensor.view, tensor.base)
    assert tensor.view.shape == (91, 10, 3)


def test_gathering_takes_the_memory_of_the_batch_alone():
    tensor = WindowTensor(base(200_000), np.arange(59, 200_000), 60)
    tracemalloc.start()
    batch = tensor.gather(np.arange(256))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * batch.nbytes


def test_torch_shares_the_view_without_a_warning():
    torch = pytest.importorskip("torch")
    tensor = WindowTensor(base(50), np.array([9, 30]), 10)
    shared = torch.from_numpy(tensor.view)
    assert shared.data_ptr() == tensor.base.ctypes.data
    np.testing.assert_array_equal(shared.index_select(0, torch.from_numpy(tensor.starts)).numpy(), tensor.gather([0, 1]))


def test_the_view_of_a_read_only_base_is_read_only():
    values = base(10)
    values.flags.writeable = False
    assert not WindowTensor(values, np.array([9]), 3).view.flags.writeable


def test_take_and_columns_keep_the_rest():
    tensor = WindowTensor(base(30), np.array([9, 20, 29]), 10)
    np.testing.assert_array_equal(tensor.take([2, 0]).gather([0, 1]), tensor.gather([2, 0]))
    assert tensor.take(slice(1, 3)).base is tensor.base
    np.testing.assert_array_equal(tensor.columns([2, 0]).gather([1]), tensor.gather([1])[:, :, [2, 0]])
    assert (len(tensor), tensor.n_features) == (3, 3)


@pytest.mark.parametrize(
    ("ends", "window", "message"),
    [
        ([8], 10, r"ends\[0\]: 8; expected a position from 9 to 19. A window of 10 bars first ends at position 9"),
        ([9, 20], 10, r"ends\[1\]: 20"),
        ([9], 0, "expected at least 1 bar"),
    ],
)
def test_a_window_outside_the_base_is_refused(ends: list[int], window: int, message: str):
    with pytest.raises(ShapeError, match=message):
        WindowTensor(base(20), np.array(ends), window)


@given(ready=st.lists(st.booleans(), max_size=30), window=st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_a_window_is_ready_when_all_of_its_rows_are(ready: list[bool], window: int):
    expected = [end >= window - 1 and all(ready[end - window + 1 : end + 1]) for end in range(len(ready))]
    assert window_ready(np.array(ready, dtype=bool), window).tolist() == expected


def test_a_window_of_no_bars_is_refused():
    with pytest.raises(ShapeError, match="at least 1 bar"):
        window_ready(np.ones(3, dtype=bool), 0)
