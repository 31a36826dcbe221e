"""No bytes of a client are an internal error, and none ends the server."""

import os

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.grpc.server import SERVICES
from barmill.serving.tensors import DATATYPES

METHODS = [f"/{service.name}/{method.name}" for service in SERVICES for method in service.methods] + ["/grpc.health.v1.Health/Check"]
CLIENTS_FAULT = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
EXAMPLES = int(os.environ.get("BARMILL_FUZZ_EXAMPLES", "150"))
FIXTURE_LIVES_ON = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=EXAMPLES)

names = st.sampled_from(["", "features", "bars", "open_time", "p_up", "logistic", "1.2.3", "latest", "é\n", "v1"])
numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 1, 2, 5, 47])
floats = st.floats(allow_nan=True, width=64) | st.sampled_from([0.0, 1.0])


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, pb.InferParameter]:
    found = {}
    for name in draw(st.lists(st.sampled_from(["stream", "last", "schema_hash", "content_type", "x"]), max_size=2)):
        choice = draw(st.sampled_from(["bool_param", "int64_param", "string_param", "double_param", ""]))
        values = {"bool_param": True, "int64_param": draw(numbers), "string_param": "s", "double_param": 1.5}
        found[name] = pb.InferParameter(**{choice: values[choice]} if choice else {})
    return found


@st.composite
def tensors(draw: st.DrawFn) -> pb.ModelInferRequest.InferInputTensor:
    contents = None
    if draw(st.booleans()):
        contents = pb.InferTensorContents(
            fp64_contents=draw(st.lists(floats, max_size=6)), int64_contents=draw(st.lists(numbers, max_size=3))
        )
    return pb.ModelInferRequest.InferInputTensor(
        name=draw(names),
        datatype=draw(st.sampled_from([*DATATYPES, "", "FP65"])),
        shape=draw(st.lists(numbers, max_size=4)),
        parameters=draw(parameters()),
        contents=contents,
    )


@st.composite
def requests(draw: st.DrawFn) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(
        model_name=draw(names),
        model_version=draw(names),
        id=draw(names),
        parameters=draw(parameters()),
        inputs=draw(st.lists(tensors(), max_size=3)),
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in draw(st.lists(names, max_size=3))],
        raw_input_contents=draw(st.lists(st.binary(max_size=64), max_size=3)),
    )


def _status(channel: grpc.Channel, method: str, data: bytes) -> str:
    try:
        channel.unary_unary(method)(data)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@FIXTURE_LIVES_ON
@given(data=st.binary(max_size=200))
@pytest.mark.parametrize("method", METHODS)
def test_bytes_of_any_kind_are_the_clients_fault(channel: grpc.Channel, method: str, data: bytes) -> None:
    assert _status(channel, method, data) in CLIENTS_FAULT


@FIXTURE_LIVES_ON
@given(request=requests(), cut=st.integers(0, 3))
def test_requests_of_any_shape_are_the_clients_fault(channel: grpc.Channel, request: pb.ModelInferRequest, cut: int) -> None:
    data = request.SerializeToString()
    assert _status(channel, "/inference.GRPCInferenceService/ModelInfer", data[: len(data) - cut]) in CLIENTS_FAULT
