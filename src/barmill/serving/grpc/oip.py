"""The service `inference.GRPCInferenceService`: the Open Inference Protocol, and Triton's repository index."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from google.protobuf.message import Message

from barmill.serving.grpc.method import Call, Method, Scope, Service, always, parsed
from barmill.serving.grpc.oip_messages import reply_of, request_of
from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.inference import InferRequest, infer, model_metadata, server_metadata

# A version that drains answers what it began: Triton calls that unloading.
_STATES: Mapping[str, str] = MappingProxyType(
    {"ready": "READY", "loading": "LOADING", "draining": "UNLOADING", "unavailable": "UNAVAILABLE"}
)


class _Infer(NamedTuple):
    request: InferRequest
    raw: bool


def _read_infer(data: bytes) -> _Infer:
    message = parsed(pb.ModelInferRequest, data)
    return _Infer(request_of(message), bool(message.raw_input_contents))


def _infer_scopes(asked: _Infer) -> tuple[Scope, ...]:
    return ("forecast", "stream") if "stream" in asked.request.parameters else ("forecast",)


def _infer_quick(call: Call[_Infer]) -> bool:
    request = call.request.request
    stream = str(request.parameters.get("stream", ""))
    return call.is_quick(request.model or "", request.version or "", request.n_rows, stream)


def _infer(call: Call[_Infer]) -> pb.ModelInferResponse:
    return reply_of(infer(call.plane, call.ask, call.request.request), raw=call.request.raw)


def _live(_: Call[pb.ServerLiveRequest]) -> pb.ServerLiveResponse:
    return pb.ServerLiveResponse(live=True)


def _ready(call: Call[pb.ServerReadyRequest]) -> pb.ServerReadyResponse:
    return pb.ServerReadyResponse(ready=call.plane.readiness().ready)


def _model_ready(call: Call[pb.ModelReadyRequest]) -> pb.ModelReadyResponse:
    ready = call.plane.readiness(call.request.name or None, call.request.version or None).ready
    return pb.ModelReadyResponse(ready=ready)


def _server_metadata(_: Call[pb.ServerMetadataRequest]) -> pb.ServerMetadataResponse:
    name, version, extensions = server_metadata()
    return pb.ServerMetadataResponse(name=name, version=version, extensions=extensions)


def _model_metadata(call: Call[pb.ModelMetadataRequest]) -> pb.ModelMetadataResponse:
    found = model_metadata(call.plane, call.of(call.request.name, call.request.version))
    reply = pb.ModelMetadataResponse(name=found.name, versions=found.versions, platform=found.platform)
    for tensors, said in ((found.inputs, reply.inputs), (found.outputs, reply.outputs)):
        for tensor in tensors:
            said.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    return reply


def _index(call: Call[pb.RepositoryIndexRequest]) -> pb.RepositoryIndexResponse:
    reply = pb.RepositoryIndexResponse()
    for status in call.plane.index():
        if status.state == "ready" or not call.request.ready:
            reply.models.add(name=status.model, version=status.version, state=_STATES[status.state], reason=status.reason)
    return reply


def _method(name: str, kind: type[Message], answer: Callable[[Call[Any]], Message], *scopes: Scope) -> Method[Any]:
    """A method that takes no time and is asked with a message of `kind` as it is; without scopes, by anybody."""
    return Method(name, lambda data: parsed(kind, data), lambda _: scopes, answer, always, open=not scopes)


SERVICE = Service(
    "inference.GRPCInferenceService",
    (
        _method("ServerLive", pb.ServerLiveRequest, _live),
        _method("ServerReady", pb.ServerReadyRequest, _ready),
        _method("ModelReady", pb.ModelReadyRequest, _model_ready, "read"),
        _method("ServerMetadata", pb.ServerMetadataRequest, _server_metadata),
        _method("ModelMetadata", pb.ModelMetadataRequest, _model_metadata, "read"),
        _method("RepositoryIndex", pb.RepositoryIndexRequest, _index, "read"),
        Method("ModelInfer", _read_infer, _infer_scopes, _infer, _infer_quick),
    ),
)

__all__ = ["SERVICE"]
