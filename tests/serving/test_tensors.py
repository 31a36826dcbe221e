"""Tensors say what they hold, or are refused by the name of the field."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.serving.refusals import Refusal
from barmill.serving.tensors import BYTES, DATATYPES, MAX_SIZE, Tensor

PLACE = "inputs[0]"


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """An array of any data type of the protocol, of random finite contents."""
    datatype = draw(st.sampled_from(sorted(DATATYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    n = math.prod(shape)
    if datatype == BYTES:
        data = np.empty(n, dtype=object)
        data[:] = draw(st.lists(st.binary(max_size=5), min_size=n, max_size=n))
        return datatype, data.reshape(shape)
    raw = draw(st.binary(min_size=n * DATATYPES[datatype].itemsize, max_size=n * DATATYPES[datatype].itemsize))
    data = np.frombuffer(raw, DATATYPES[datatype]) if datatype != "BOOL" else np.frombuffer(raw, np.uint8) % 2 == 1
    return datatype, np.where(np.isfinite(data), data, 0).astype(DATATYPES[datatype]).reshape(shape)


@given(arrays())
def test_what_is_written_as_bytes_is_read_to_the_bit(array: tuple[str, np.ndarray]) -> None:
    datatype, data = array
    sent = Tensor.of_array("x", data)
    read = Tensor.of_raw(PLACE, "x", sent.datatype, sent.shape, sent.to_raw())
    assert sent.datatype == datatype
    assert read.data.dtype == data.dtype
    np.testing.assert_array_equal(read.data, data)


@given(arrays())
def test_values_are_read_flat_as_nested(array: tuple[str, np.ndarray]) -> None:
    datatype, data = array
    if datatype == BYTES:
        data = np.array([b"a"] * data.size, dtype=object).reshape(data.shape)
    values = [item.decode() for item in data.ravel()] if datatype == BYTES else data.ravel().tolist()
    flat = Tensor.of_values(PLACE, "x", datatype, data.shape, values)
    np.testing.assert_array_equal(flat.data, data)
    if datatype != BYTES:
        np.testing.assert_array_equal(Tensor.of_values(PLACE, "x", datatype, data.shape, data.tolist()).data, data)


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "place", "code"),
    [
        ("FP65", [1], [1.0], "inputs[0].datatype", "unknown_datatype"),
        ("FP64", [2], [1.0], "inputs[0].data", "shape_mismatch"),
        ("FP64", [2, 2], [[1.0, 2.0], [3.0]], "inputs[0].data", "shape_mismatch"),
        ("FP64", [2, 2], [[1.0, 2.0], 3.0], "inputs[0].data", "shape_mismatch"),
        ("FP64", [2], [[1.0], [2.0]], "inputs[0].data", "wrong_value"),
        ("FP64", [1, 1], [[[1.0]]], "inputs[0].data", "wrong_value"),
        ("FP64", [2**40, 4], [1.0], "inputs[0].shape", "wrong_shape"),
        ("FP64", [MAX_SIZE] * 8, [1.0], "inputs[0].data", "shape_mismatch"),
        ("FP64", [10**5000], [1.0], "inputs[0].shape", "wrong_shape"),
        ("FP64", [-1, 4], [1.0], "inputs[0].shape", "wrong_shape"),
        ("FP64", [0], [], "inputs[0].shape", "wrong_shape"),
        ("FP64", [True], [1.0], "inputs[0].shape", "wrong_shape"),
        ("FP64", [1] * 9, [1.0], "inputs[0].shape", "wrong_shape"),
        ("FP64", [1], [None], "inputs[0].data", "wrong_value"),
        ("FP64", [1], [True], "inputs[0].data", "wrong_value"),
        ("FP64", [1], ["1.0"], "inputs[0].data", "wrong_value"),
        ("FP64", [2], [1.0, float("nan")], "inputs[0].data", "out_of_range"),
        ("FP64", [1], [10**400], "inputs[0].data", "out_of_range"),
        ("FP32", [1], [1e39], "inputs[0].data", "out_of_range"),
        ("FP16", [1], [1e6], "inputs[0].data", "out_of_range"),
        ("INT64", [1], [2**63], "inputs[0].data", "out_of_range"),
        ("INT8", [1], [200], "inputs[0].data", "out_of_range"),
        ("UINT8", [1], [-1], "inputs[0].data", "out_of_range"),
        ("INT64", [1], [1.0], "inputs[0].data", "wrong_value"),
        ("BOOL", [1], [1], "inputs[0].data", "wrong_value"),
        ("BYTES", [1], [1], "inputs[0].data", "wrong_value"),
    ],
)
def test_values_that_are_none_are_refused_by_the_field(
    datatype: str, shape: list[int], values: list[object], place: str, code: str
) -> None:
    with pytest.raises(Refusal) as refused:
        Tensor.of_values(PLACE, "x", datatype, shape, values)
    assert (refused.value.kind, refused.value.code, refused.value.place) == ("invalid", code, place)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "code"),
    [
        ("FP64", [2], bytes(15), "wrong_length"),
        ("FP64", [2], bytes(17), "wrong_length"),
        ("FP64", [2**31 - 1, 2**31 - 1], bytes(8), "wrong_length"),
        ("BOOL", [2], b"\x01\x02", "wrong_value"),
        ("BYTES", [1], b"\x05\x00\x00\x00abc", "wrong_length"),
        ("BYTES", [1], b"\x05\x00", "wrong_length"),
        ("BYTES", [2], b"\x01\x00\x00\x00a", "wrong_length"),
        ("BYTES", [1], b"\x00\x00\x00\x00\x00\x00\x00\x00", "wrong_length"),
    ],
)
def test_bytes_of_another_length_are_refused(datatype: str, shape: list[int], raw: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        Tensor.of_raw(PLACE, "x", datatype, shape, raw)
    assert (refused.value.kind, refused.value.code) == ("invalid", code)


def test_bytes_that_lie_askew_are_read_as_well() -> None:
    askew = memoryview(b"x" + np.arange(3.0).tobytes())[1:]
    data = Tensor.of_raw(PLACE, "x", "FP64", [3], askew).data
    assert data.flags.aligned
    np.testing.assert_array_equal(data, [0.0, 1.0, 2.0])
