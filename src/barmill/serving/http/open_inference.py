"""The routes of /v2: the Open Inference Protocol, in JSON and with tensors as bytes after it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from barmill.serving.contract import Forecasting
from barmill.serving.http.forecasts import Ready
from barmill.serving.http.limits import Limits
from barmill.serving.http.replies import headers_of, json_reply, listed
from barmill.serving.http.routing import Endpoint, Request, Routes, Work
from barmill.serving.http.statuses import Reply
from barmill.serving.http.strict_json import StrictJson
from barmill.serving.inference import InferReply, InferRequest, Parameter, infer, model_metadata, server_metadata
from barmill.serving.refusals import Refusal
from barmill.serving.tensors import Tensor

BINARY_SIZE, BINARY, ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"
_LENGTH_HEADER = b"inference-header-content-length"
_OCTETS = (b"content-type", b"application/octet-stream")
_STATES = {"ready": "READY", "loading": "LOADING", "draining": "UNLOADING", "unavailable": "UNAVAILABLE"}

Parameters = dict[str, bool | int | float | str]


class InputBody(msgspec.Struct, forbid_unknown_fields=True):
    """A tensor; `data` is left out where its bytes follow the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters | UnsetType | None = UNSET
    data: list[Any] | UnsetType = UNSET


class OutputBody(msgspec.Struct, forbid_unknown_fields=True):
    """An output that is wanted."""

    name: str
    parameters: Parameters | UnsetType | None = UNSET


class InferBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request for inference."""

    inputs: list[InputBody]
    id: str | UnsetType | None = UNSET
    parameters: Parameters | UnsetType | None = UNSET
    outputs: list[OutputBody] | UnsetType | None = UNSET


class IndexBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request for the index of the repository."""

    ready: bool | UnsetType = UNSET


class _Parsed(NamedTuple):
    """binary : names of the outputs that go out as bytes; None for all"""

    request: InferRequest
    binary: frozenset[str] | None


def _of(parameters: "Parameters | UnsetType | None") -> Parameters:
    return parameters or {}


def _infer_keys(body: InferBody) -> int:
    keys = 1 + (body.id is not UNSET) + (body.parameters is not UNSET) + (body.outputs is not UNSET) + len(_of(body.parameters))
    for tensor in body.inputs:
        keys += 3 + (tensor.parameters is not UNSET) + (tensor.data is not UNSET) + len(_of(tensor.parameters))
    for output in body.outputs or ():
        keys += 1 + (output.parameters is not UNSET) + len(_of(output.parameters))
    return keys


class OpenInference:
    """Answers /v2 over a plane."""

    def __init__(self, plane: Forecasting, limits: Limits, readiness: Ready) -> None:
        self._plane = plane
        self._readiness = readiness
        self._decode = StrictJson[InferBody](InferBody, _infer_keys, limits.max_depth).decode
        self._decode_index = StrictJson[IndexBody](IndexBody, lambda body: int(body.ready is not UNSET), limits.max_depth).decode

    @property
    def routes(self) -> Routes:
        """Endpoints by pattern and method."""
        return {
            "/v2": {"GET": Endpoint(self._server)},
            "/v2/health/live": {"GET": Endpoint(lambda _: Work(True, lambda: json_reply({"live": True})))},
            "/v2/health/ready": {"GET": Endpoint(self._ready)},
            "/v2/models/*": {"GET": Endpoint(self._model, "read")},
            "/v2/models/*/ready": {"GET": Endpoint(self._model_ready, "read")},
            "/v2/models/*/infer": {"POST": Endpoint(self._infer, "forecast", body=True)},
            "/v2/predict": {"POST": Endpoint(self._infer, "forecast", body=True)},
            "/v2/repository/index": {"POST": Endpoint(self._index, "read", body=True)},
        }

    def _server(self, request: Request) -> Work:
        del request
        metadata = server_metadata()
        said = {"name": metadata.name, "version": metadata.version, "extensions": metadata.extensions}
        return Work(True, lambda: json_reply(said))

    def _ready(self, request: Request) -> Work:
        del request
        ready = self._readiness(None, None).ready
        return Work(True, lambda: json_reply({"ready": ready, "live": True}, 200 if ready else 503))

    def _model_ready(self, request: Request) -> Work:
        with self._plane.lease(request.ask):  # a model that there is not is told apart from one that is not ready
            pass
        ready = self._readiness(request.model, request.version).ready
        return Work(True, lambda: json_reply({"name": request.model, "ready": ready}, 200 if ready else 503))

    def _model(self, request: Request) -> Work:
        found = model_metadata(self._plane, request.ask)
        tensors = {
            kind: [{"name": one.name, "datatype": one.datatype, "shape": one.shape} for one in listed_tensors]
            for kind, listed_tensors in (("inputs", found.inputs), ("outputs", found.outputs))
        }
        said = {"name": request.model or found.name, "versions": found.versions, "platform": found.platform, **tensors}
        return Work(True, lambda: json_reply(said))

    def _index(self, request: Request) -> Work:
        only_ready = bool(request.body) and self._decode_index(request.body).ready is True
        index = [
            {"name": status.model, "version": status.version, "state": _STATES[status.state], "reason": status.reason}
            for status in self._plane.index()
            if status.state == "ready" or not only_ready
        ]
        return Work(True, lambda: json_reply(index))

    def _infer(self, request: Request) -> Work:
        parsed = self._parsed(request)
        if "stream" in parsed.request.parameters and "stream" not in request.principal.scopes:
            raise Refusal("forbidden", "no_scope", "authorization", "may not stream", mend="Ask for a key with that scope.")
        ask = request.ask

        inline = False
        if parsed.request.n_rows == 1 and "bars" not in {tensor.name for tensor in parsed.request.inputs}:
            with self._plane.lease(ask) as served:
                inline = served.inline
        return Work(inline, lambda: _reply(infer(self._plane, ask, parsed.request), parsed.binary))

    def _parsed(self, request: Request) -> _Parsed:
        header, rest = _split(request.body, request.headers.binary_length)
        body = self._decode(header)
        tensors, at = [], 0
        for number, tensor in enumerate(body.inputs):
            place, size = f"inputs[{number}]", _binary_size(number, tensor)
            if size is None:
                values = tensor.data if isinstance(tensor.data, list) else []
                tensors.append(Tensor.of_values(place, tensor.name, tensor.datatype, tensor.shape, values))
            else:
                if at + size > len(rest):
                    found = f"{size} bytes, of which {len(rest) - at} are there"
                    raise Refusal("malformed", "wrong_binary_size", f"{place}.parameters.{BINARY_SIZE}", found)
                tensors.append(Tensor.of_raw(place, tensor.name, tensor.datatype, tensor.shape, rest[at : at + size]))
                at += size
        if at != len(rest):
            raise Refusal("malformed", "wrong_binary_size", "body", f"{len(rest) - at} bytes more than the tensors have")
        parameters = dict(_of(body.parameters))
        outputs = tuple(output.name for output in body.outputs or ())
        binary = _binary_outputs(body, parameters)
        return _Parsed(InferRequest(request.model, request.version, tensors, outputs, body.id or "", parameters), binary)


def _split(body: bytes, binary_length: str | None) -> tuple[bytes, memoryview]:
    """JSON, and the bytes after it."""
    if binary_length is None:
        return body, memoryview(b"")
    if not binary_length.isascii() or not binary_length.isdigit() or int(binary_length[:18]) > len(body):
        expected = f"the bytes of JSON before the tensors, at most {len(body)}"
        raise Refusal("malformed", "bad_length", _LENGTH_HEADER.decode(), f"is {binary_length[:24]}", expected=expected)
    length = int(binary_length)
    return body[:length], memoryview(body)[length:]


def _binary_size(number: int, tensor: InputBody) -> int | None:
    """Bytes of a tensor that follow the JSON; None where its values stand in it."""
    place, parameters = f"inputs[{number}]", _of(tensor.parameters)
    size = parameters.pop(BINARY_SIZE, None)
    for name in parameters:
        if name != "content_type":
            raise Refusal("invalid", "unknown_parameter", f"{place}.parameters.{name[:40]}", "means nothing here")
    if (size is None) == (tensor.data is UNSET):
        expected = f"data, or the parameter {BINARY_SIZE}"
        raise Refusal("invalid", "wrong_data", f"{place}.data", "is missing, or is given twice", expected=expected)
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise Refusal("invalid", "wrong_parameter", f"{place}.parameters.{BINARY_SIZE}", "is no number of bytes")
    return size


def _binary_outputs(body: InferBody, parameters: Parameters) -> frozenset[str] | None:
    """Which outputs go out as bytes; None for all. What an output says goes before what the request says of all."""
    of_all = _flag(parameters.pop(ALL_BINARY, False), f"parameters.{ALL_BINARY}")
    if not body.outputs:
        return None if of_all else frozenset()
    names: set[str] = set()
    for number, output in enumerate(body.outputs):
        place, given = f"outputs[{number}].parameters", _of(output.parameters)
        unknown = [name for name in given if name != BINARY]
        if unknown:
            raise Refusal("invalid", "unknown_parameter", f"{place}.{unknown[0][:40]}", "means nothing here", expected=BINARY)
        if _flag(given.get(BINARY, of_all), f"{place}.{BINARY}"):
            names.add(output.name)
    return frozenset(names)


def _flag(value: Any, place: str) -> bool:
    if type(value) is not bool:
        raise Refusal("invalid", "wrong_parameter", place, "is neither true nor false")
    return value


def _reply(reply: InferReply, binary: frozenset[str] | None) -> Reply:
    outputs: list[dict[str, Any]] = []
    raw: list[bytes] = []
    plain = listed({tensor.name: tensor.data for tensor in reply.outputs})  # finite, whichever form they go out in
    for tensor in reply.outputs:
        said: dict[str, Any] = {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype}
        if binary is None or tensor.name in binary:
            raw.append(tensor.to_raw())
            said["parameters"] = {BINARY_SIZE: len(raw[-1])}
        else:
            said["data"] = plain[tensor.name]
        outputs.append(said)
    head = orjson.dumps(_head(reply, reply.parameters) | {"outputs": outputs})
    digest = str(reply.parameters["digest"])
    if not raw:
        return Reply(200, head, headers_of(digest))
    return Reply(200, b"".join((head, *raw)), (*headers_of(digest, _OCTETS), (_LENGTH_HEADER, b"%d" % len(head))))


def _head(reply: InferReply, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    said: dict[str, Any] = {"model_name": reply.model, "model_version": reply.version, "parameters": parameters}
    return said | {"id": reply.id} if reply.id else said


__all__ = ["IndexBody", "InferBody", "InputBody", "OpenInference", "OutputBody"]
