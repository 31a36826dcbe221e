"""The Open Inference Protocol over gRPC gives the bits that the bundle gives, and refuses by code and field."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import grpc
import numpy as np
import pytest

from barmill.bundles import Bundle
from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.grpc.protocol.inference_pb2_grpc import GRPCInferenceServiceStub
from barmill.serving.signature import signature_of

Request = pb.ModelInferRequest


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    return GRPCInferenceServiceStub(channel)


@pytest.fixture(scope="module")
def features(load: Callable[..., Bundle]) -> np.ndarray:
    bundle = load("logistic")
    table = bundle.plan.compute(bundle.golden_bars.bars)
    columns = [table.names.index(name) for name in signature_of(bundle).features]
    return np.ascontiguousarray(table.values[np.flatnonzero(table.ready)[-3:]][:, columns])


def request_of(raw: bool, *, outputs: tuple[str, ...] = (), **tensors: np.ndarray) -> Request:
    request = Request(model_name="logistic", id="id-7")
    for name, data in tensors.items():
        floats = data.dtype == np.float64
        tensor = request.inputs.add(name=name, datatype="FP64" if floats else "INT64", shape=data.shape)
        if raw:
            request.raw_input_contents.append(data.tobytes())
        else:
            getattr(tensor.contents, "fp64_contents" if floats else "int64_contents").extend(data.ravel().tolist())
    for name in outputs:
        request.outputs.add(name=name)
    return request


def columns_of(reply: pb.ModelInferResponse) -> dict[str, np.ndarray]:
    found = {}
    for number, output in enumerate(reply.outputs):
        dtype = {"FP64": np.float64, "INT64": np.int64}[output.datatype]
        if reply.raw_output_contents:
            data = np.frombuffer(reply.raw_output_contents[number], dtype)
        else:
            data = np.array(getattr(output.contents, "fp64_contents" if dtype is np.float64 else "int64_contents"), dtype)
        found[output.name] = data.reshape(tuple(output.shape))
    return found


@pytest.mark.parametrize("raw", [True, False])
def test_features_come_back_as_the_bundle_forecasts_them(stub: Any, load: Callable[..., Bundle], features: np.ndarray, raw: bool) -> None:
    reply = stub.ModelInfer(request_of(raw, features=features))
    bundle = load("logistic")
    expected = bundle.pipeline.run(features, np.arange(3), place="test")
    found = columns_of(reply)
    assert list(found) == list(bundle.outputs)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert (reply.id, reply.model_name, reply.model_version) == ("id-7", "logistic", "1.2.3")
    assert reply.parameters["digest"].string_param == bundle.digest
    assert reply.parameters["degraded"].bool_param is False


@pytest.mark.parametrize("raw", [True, False])
def test_bars_come_back_as_the_bundle_forecasts_them(stub: Any, load: Callable[..., Bundle], making: ModuleType, raw: bool) -> None:
    bundle, bars = load("logistic"), making.walk(900, seed=11)
    values = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    request = request_of(raw, bars=values, open_time=np.array(bars.open_time), outputs=("known_at", "p_up", "open_time"))
    request.parameters["last"].int64_param = 4
    reply = stub.ModelInfer(request)
    expected = bundle.forecast(bars).frame.tail(4)
    found = columns_of(reply)
    assert list(found) == ["known_at", "p_up", "open_time"]
    for name, column in found.items():
        np.testing.assert_array_equal(column, expected[name].to_numpy())
    assert reply.parameters["known_at"].int64_param == expected["known_at"][-1]


Change = Callable[[Request], Any]


def _set(request: Request, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(request.inputs[0], name, value)


def _reshape(request: Request, *shape: int) -> None:
    request.inputs[0].shape[:] = shape


RAW: dict[str, tuple[Change, str, str]] = {
    "bytes too few": (lambda r: r.raw_input_contents.__setitem__(0, r.raw_input_contents[0][:-1]), "INVALID_ARGUMENT", "wrong_length"),
    "contents beside raw": (lambda r: r.inputs[0].contents.fp64_contents.append(1.0), "INVALID_ARGUMENT", "wrong_contents"),
    "an entry too many": (lambda r: r.raw_input_contents.append(b""), "INVALID_ARGUMENT", "wrong_contents"),
    "a huge shape": (lambda r: _reshape(r, 2**40, 4), "INVALID_ARGUMENT", "wrong_shape"),
    "a large shape": (lambda r: _reshape(r, 2**30, 2**30), "INVALID_ARGUMENT", "wrong_length"),
    "a negative shape": (lambda r: _reshape(r, -1, 47), "INVALID_ARGUMENT", "wrong_shape"),
    "a feature less": (lambda r: _reshape(r, 47, 3), "INVALID_ARGUMENT", "wrong_shape"),
    "an unknown data type": (lambda r: _set(r, datatype="BF16"), "INVALID_ARGUMENT", "unknown_datatype"),
    "half precision": (lambda r: (_set(r, datatype="FP16"), _reshape(r, 4 * 3, 47)), "INVALID_ARGUMENT", "wrong_datatype"),
    "integers": (lambda r: _set(r, datatype="INT64"), "INVALID_ARGUMENT", "wrong_datatype"),
    "a misspelt input": (lambda r: _set(r, name="feature"), "INVALID_ARGUMENT", "unknown_input"),
    "a misspelt output": (lambda r: r.outputs.add(name="p_upp"), "INVALID_ARGUMENT", "unknown_output"),
    "a misspelt parameter": (lambda r: r.parameters["streem"].SetInParent(), "INVALID_ARGUMENT", "wrong_parameter"),
    "an unknown parameter": (lambda r: setattr(r.parameters["streem"], "string_param", "s"), "INVALID_ARGUMENT", "unknown_parameter"),
    "a parameter of an input": (
        lambda r: setattr(r.inputs[0].parameters["x"], "bool_param", True),
        "INVALID_ARGUMENT",
        "unknown_parameter",
    ),
    "another model": (lambda r: setattr(r, "model_name", "logistics"), "NOT_FOUND", "unknown_model"),
    "another version": (lambda r: setattr(r, "model_version", "9.9.9"), "NOT_FOUND", "unknown_version"),
    "not a number": (
        lambda r: r.raw_input_contents.__setitem__(0, np.full((3, 47), np.nan).tobytes()),
        "INVALID_ARGUMENT",
        "not_finite",
    ),
    "too many inputs": (lambda r: [r.inputs.add() for _ in range(20)], "RESOURCE_EXHAUSTED", "too_many_inputs"),
}
TYPED: dict[str, tuple[Change, str, str]] = {
    "values too few": (lambda r: r.inputs[0].contents.fp64_contents.pop(), "INVALID_ARGUMENT", "shape_mismatch"),
    "two kinds of values": (lambda r: r.inputs[0].contents.int_contents.append(1), "INVALID_ARGUMENT", "wrong_contents"),
    "no contents": (lambda r: r.inputs[0].ClearField("contents"), "INVALID_ARGUMENT", "wrong_contents"),
    "half precision": (lambda r: _set(r, datatype="FP16"), "INVALID_ARGUMENT", "wrong_contents"),
}


@pytest.mark.parametrize(("raw", "case"), [*((True, case) for case in RAW), *((False, case) for case in TYPED)])
def test_what_is_wrong_is_refused_by_code_and_field(stub: Any, features: np.ndarray, raw: bool, case: str) -> None:
    change, status, code = (RAW if raw else TYPED)[case]
    request = request_of(raw, features=features)
    change(request)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request)
    assert refused.value.code() is grpc.StatusCode[status]
    assert dict(refused.value.trailing_metadata())["barmill-code"] == code


def test_small_integers_are_held_to_their_type(stub: Any) -> None:
    request = Request(model_name="logistic")
    request.inputs.add(name="features", datatype="INT8", shape=[1]).contents.int_contents.append(200)
    with pytest.raises(grpc.RpcError, match="value 0 is 200"):
        stub.ModelInfer(request)


def test_a_message_above_the_limit_is_refused_before_it_is_read(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(Request(raw_input_contents=[bytes(8 * 2**20)]))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_compressed_messages_are_not_unfolded(server: Any) -> None:
    with grpc.insecure_channel(server.address, compression=grpc.Compression.Gzip) as channel, pytest.raises(grpc.RpcError) as refused:
        GRPCInferenceServiceStub(channel).ModelInfer(Request(raw_input_contents=[bytes(2**20)]))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_that_has_passed_is_told_as_one(stub: Any, features: np.ndarray) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request_of(True, features=features), timeout=-1.0)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_request_keeps_its_id_and_gets_one_if_it_has_none(channel: grpc.Channel) -> None:
    live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
    _, call = live.with_call(b"", metadata=[("x-request-id", "trade-17")])
    assert dict(call.trailing_metadata())["x-request-id"] == "trade-17"
    _, call = live.with_call(b"", metadata=[("x-request-id", "bad id")])
    assert len(dict(call.trailing_metadata())["x-request-id"]) == 32


def test_live_ready_metadata_and_index(stub: Any) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="logistic")).ready
    assert not stub.ModelReady(pb.ModelReadyRequest(name="logistic", version="9.9.9")).ready
    assert not stub.ModelReady(pb.ModelReadyRequest(name="other")).ready
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "barmill"
    found = stub.ModelMetadata(pb.ModelMetadataRequest(name="logistic"))
    assert (found.name, list(found.versions), found.platform) == ("logistic", ["1.2.3"], "barmill_bundle")
    assert [list(one.shape) for one in found.inputs] == [[-1, 47], [-1, 5], [-1]]
    (entry,) = stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True)).models
    assert (entry.name, entry.version, entry.state) == ("logistic", "1.2.3", "READY")
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelMetadata(pb.ModelMetadataRequest(name="other"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
