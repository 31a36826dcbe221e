"""The Open Inference Protocol over the plane, knowing neither HTTP nor gRPC: both parse into an `InferRequest` and write an `InferReply`.

A model takes `features`, or in their place `bars` with their `open_time`; the parameter `stream` makes the bars a push to that stream,
and `last` says how many of the last bars are to be forecast. It gives its columns, and `open_time` and `known_at` where bars came in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np

import barmill
from barmill.errors import nearest
from barmill.market import Bar
from barmill.serving.answers import Answer, Ask, RawBars
from barmill.serving.contract import Forecasting
from barmill.serving.refusals import Refusal
from barmill.serving.signature import BARS, FEATURES, KNOWN_AT, OPEN_TIME, PRICES, Signature, TensorMetadata, signature_of
from barmill.serving.tensors import Tensor

Parameter: TypeAlias = bool | int | float | str

REQUEST_PARAMETERS: Mapping[str, type] = {"content_type": str, "last": int, "schema_hash": str, "stream": str}
TENSOR_PARAMETERS: Mapping[str, type] = {"content_type": str}  # a habit of some clients, which say of each tensor that it is one
EXTENSIONS = ("binary_tensor_data", "model_repository", "parameters")


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request, of which the data types, shapes and values of each tensor alone were checked.

    model, version : None for the server's own choice, see `Ask`
    id : echoed
    outputs : names of those that are wanted, in this order; empty for all
    """

    model: str | None
    version: str | None
    inputs: Sequence[Tensor]
    outputs: Sequence[str] = ()
    id: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])

    @property
    def n_rows(self) -> int:
        """Rows or bars that came in: where it is one, and the version answers inline, an event loop may wait for the answer."""
        return max((tensor.shape[0] for tensor in self.inputs if tensor.shape), default=0)


@dataclass(frozen=True, slots=True)
class InferReply:
    """What is answered. `parameters` say who answered (`source`, `degraded`, `reason`, `digest`), and what else is worth knowing."""

    model: str
    version: str
    id: str
    parameters: Mapping[str, Parameter]
    outputs: tuple[Tensor, ...]


class ServerMetadata(NamedTuple):
    name: str
    version: str
    extensions: tuple[str, ...]


class ModelMetadata(NamedTuple):
    """`versions` are those that are ready, as `Ask.version` takes them; the first that the model has if none was named."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


def server_metadata() -> ServerMetadata:
    """Who this is."""
    return ServerMetadata("barmill", barmill.__version__, EXTENSIONS)


def model_metadata(plane: Forecasting, ask: Ask) -> ModelMetadata:
    """What a model takes and gives, and its versions that are ready. Raises Refusal for a model or version that is not served."""
    with plane.lease(ask) as served:
        name, signature = served.name, signature_of(served.bundle)
    versions = tuple(status.version for status in plane.index() if status.model == name and status.state == "ready")
    return ModelMetadata(name, versions, signature.platform, tuple(signature.inputs.values()), tuple(signature.outputs.values()))


def infer(plane: Forecasting, ask: Ask, request: InferRequest) -> InferReply:
    """Answer a request.

    Parameters
    ----------
    ask : deadline, request id and principal; the model and version are those of `request`

    Raises: Refusal naming the field, for tensors that are not the model's, parameters or outputs that there are not, and as the plane.
    """
    ask = replace(ask, model=request.model or None, version=request.version or None)
    with plane.lease(ask) as served:
        signature = signature_of(served.bundle)
    given = _given(request, signature)
    wanted = _wanted(request, signature, of_bars=BARS in given)
    _check_schema(request.parameters, signature)
    answer = _answer(plane, ask, given, request.parameters, signature)
    return InferReply(answer.model, answer.version, request.id, _said_of(answer), tuple(_output(answer, name) for name in wanted))


def check_parameters(place: str, given: Mapping[str, Parameter], known: Mapping[str, type]) -> None:
    """Refuse a parameter that means nothing here, or is of another type."""
    for name, value in given.items():
        if name not in known:
            found = f"there is no parameter '{name[:40]}'"
            raise Refusal("invalid", "unknown_parameter", f"{place}.{name[:40]}", found, mend=nearest(name[:40], known))
        if type(value) is not known[name]:
            found, expected = f"is a {type(value).__name__}", f"a {known[name].__name__}"
            raise Refusal("invalid", "wrong_parameter", f"{place}.{name}", found, expected=expected)


def _given(request: InferRequest, signature: Signature) -> dict[str, Tensor]:
    """The inputs by name: `features`, or `bars` and `open_time`, of the data types and shapes that the model takes."""
    check_parameters("parameters", request.parameters, REQUEST_PARAMETERS)
    given: dict[str, Tensor] = {}
    for number, tensor in enumerate(request.inputs):
        place = f"inputs[{number}]"
        if tensor.name not in signature.inputs:
            found, mend = f"there is no input '{tensor.name[:40]}'", nearest(tensor.name[:40], signature.inputs)
            raise Refusal("invalid", "unknown_input", f"{place}.name", found, mend=mend)
        if tensor.name in given:
            raise Refusal("invalid", "duplicate_input", f"{place}.name", f"'{tensor.name}' is given twice")
        _check_tensor(place, tensor, signature.inputs[tensor.name])
        given[tensor.name] = tensor
    if set(given) not in ({FEATURES}, {BARS, OPEN_TIME}):
        instead = f"{BARS} and {OPEN_TIME}"
        expected = f"{FEATURES}, or {instead}" if signature.features else f"{instead}: this model sees the bars themselves"
        raise Refusal("invalid", "wrong_inputs", "inputs", f"are {', '.join(given) or 'none'}", expected=expected)
    return given


def _check_tensor(place: str, tensor: Tensor, expected: TensorMetadata) -> None:
    if tensor.datatype != expected.datatype:
        raise Refusal("invalid", "wrong_datatype", f"{place}.datatype", f"'{tensor.name}' is {tensor.datatype}", expected=expected.datatype)
    agree = len(tensor.shape) == len(expected.shape) and all(
        size in (found, -1) for found, size in zip(tensor.shape, expected.shape, strict=True)
    )
    if not agree:
        columns = f": {', '.join(expected.columns)}" if expected.columns else ""
        found = f"'{tensor.name}' has the shape {list(tensor.shape)}"
        raise Refusal("invalid", "wrong_shape", f"{place}.shape", found, expected=f"{list(expected.shape)}{columns}")


def _wanted(request: InferRequest, signature: Signature, *, of_bars: bool) -> Sequence[str]:
    """Names of the outputs to give."""
    known = [name for name in signature.outputs if of_bars or name in signature.columns]
    seen: set[str] = set()
    for number, name in enumerate(request.outputs):
        place = f"outputs[{number}].name"
        if name not in known:
            found = f"there is no output '{name[:40]}'" + (" without bars" if name in signature.outputs else "")
            raise Refusal("invalid", "unknown_output", place, found, mend=nearest(name[:40], known))
        if name in seen:
            raise Refusal("invalid", "duplicate_output", place, f"'{name}' is asked for twice")
        seen.add(name)
    return request.outputs or known


def _check_schema(parameters: Mapping[str, Parameter], signature: Signature) -> None:
    """A client that says which schema its columns follow is told when the model follows another."""
    offered = parameters.get("schema_hash", signature.schema_hash)
    if offered != signature.schema_hash:
        place, found = "parameters.schema_hash", f"is {str(offered)[:64]}"
        raise Refusal("invalid", "wrong_schema", place, found, expected=signature.schema_hash, mend="Build the features of this version.")


def _answer(plane: Forecasting, ask: Ask, given: Mapping[str, Tensor], parameters: Mapping[str, Parameter], signature: Signature) -> Answer:
    if FEATURES in given:
        for name in ("last", "stream"):
            if name in parameters:
                place, found = f"parameters.{name}", "is given with features"
                raise Refusal("invalid", "wrong_parameter", place, found, expected=f"{BARS} and {OPEN_TIME} with it")
        return plane.forecast(ask, given[FEATURES].data)
    values, open_time = given[BARS].data, given[OPEN_TIME].data
    if len(values) != len(open_time):
        raise Refusal("invalid", "wrong_shape", f"{OPEN_TIME}.shape", f"{len(open_time)} times", expected=f"{len(values)}, one a bar")
    further = {name: values[:, len(PRICES) + number] for number, name in enumerate(signature.further)}
    bars = RawBars(open_time, np.ascontiguousarray(values[:, : len(PRICES)]), {name: column.copy() for name, column in further.items()})
    if "stream" not in parameters:
        return plane.forecast_bars(ask, bars, _last(parameters, len(values)))
    if "last" in parameters:
        raise Refusal("invalid", "wrong_parameter", "parameters.last", "is given with a stream", expected="one of the two")
    stream = str(parameters["stream"])
    if len(values) > 1:
        return plane.extend(ask, stream, bars)
    opened, high, low, close, volume = (float(value) for value in bars.values[0])
    extra = {name: float(column[0]) for name, column in further.items()}
    return plane.push(ask, stream, Bar(int(open_time[0]), opened, high, low, close, volume, extra))


def _last(parameters: Mapping[str, Parameter], n_bars: int) -> int:
    last = int(parameters.get("last", 1))
    if not 1 <= last <= n_bars:
        raise Refusal("invalid", "wrong_parameter", "parameters.last", f"is {last}", expected=f"1 to {n_bars}, the bars that are given")
    return last


def _said_of(answer: Answer) -> dict[str, Parameter]:
    """Who answered and why, and how the stream stands."""
    said: dict[str, Parameter] = {
        "source": answer.source,
        "degraded": answer.degraded,
        "reason": answer.reason,
        "digest": answer.digest,
    }
    if answer.known_at is not None and len(answer.known_at):
        said["known_at"] = int(answer.known_at[-1])
    if answer.notes:
        said["notes"] = "\n".join(answer.notes)
    if answer.stream is not None:
        said["stream_state"], said["missing_bars"] = answer.stream.state, answer.stream.missing_bars
    return said


def _output(answer: Answer, name: str) -> Tensor:
    times = {OPEN_TIME: answer.open_time, KNOWN_AT: answer.known_at}
    column = times[name] if name in times else answer.columns.get(name)
    if column is None:
        found = f"'{answer.model}' {answer.version}, which answered in its place, gives no '{name}'"
        raise Refusal("failed", "missing_output", f"outputs.{name}", found)
    return Tensor.of_array(name, column)


__all__ = [
    "EXTENSIONS",
    "REQUEST_PARAMETERS",
    "TENSOR_PARAMETERS",
    "InferReply",
    "InferRequest",
    "ModelMetadata",
    "Parameter",
    "ServerMetadata",
    "check_parameters",
    "infer",
    "model_metadata",
    "server_metadata",
]
