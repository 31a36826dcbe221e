"""Between the messages of the Open Inference Protocol and what `inference` reads and writes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.inference import TENSOR_PARAMETERS, InferReply, InferRequest, Parameter, check_parameters
from barmill.serving.refusals import Refusal
from barmill.serving.tensors import BYTES, Tensor, dtype_of, n_elements

MAX_INPUTS = 16
MAX_OUTPUTS = 1024
MAX_PARAMETERS = 64

_FIELDS: Mapping[str, str] = MappingProxyType(  # of InferTensorContents; FP16 has none and goes raw
    {
        "BOOL": "bool_contents",
        **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
        "INT64": "int64_contents",
        **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
        "UINT64": "uint64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        BYTES: "bytes_contents",
    }
)
_CARRIED = {"int_contents": np.int64, "uint_contents": np.int64}  # wide enough to see that a value is too large for its type


def request_of(message: pb.ModelInferRequest) -> InferRequest:
    """The request in `message`, each tensor checked by itself. Raises Refusal naming the field."""
    for place, n, most in (("inputs", len(message.inputs), MAX_INPUTS), ("outputs", len(message.outputs), MAX_OUTPUTS)):
        if n > most:
            raise Refusal("too_large", f"too_many_{place}", place, f"are {n}", expected=f"at most {most}")
    for number, output in enumerate(message.outputs):
        place = f"outputs[{number}].parameters"
        check_parameters(place, _parameters(place, output.parameters), {})
    return InferRequest(
        model=message.model_name or None,
        version=message.model_version or None,
        inputs=_raw_inputs(message) if message.raw_input_contents else _typed_inputs(message),
        outputs=tuple(output.name for output in message.outputs),
        id=message.id,
        parameters=_parameters("parameters", message.parameters),
    )


def reply_of(reply: InferReply, *, raw: bool) -> pb.ModelInferResponse:
    """The message that says `reply`: its outputs as bytes, or each in the field of its type."""
    message = pb.ModelInferResponse(model_name=reply.model, model_version=reply.version, id=reply.id)
    for name, value in reply.parameters.items():
        _set(message.parameters[name], value)
    for tensor in reply.outputs:
        output = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if raw:
            message.raw_output_contents.append(tensor.to_raw())
        else:
            getattr(output.contents, _FIELDS[tensor.datatype]).extend(tensor.data.ravel().tolist())
    return message


def _raw_inputs(message: pb.ModelInferRequest) -> tuple[Tensor, ...]:
    contents = message.raw_input_contents
    if len(contents) != len(message.inputs):
        expected = f"{len(message.inputs)}, one for each input"
        raise Refusal("invalid", "wrong_contents", "raw_input_contents", f"has {len(contents)} entries", expected=expected)
    return tuple(_raw(number, tensor, raw) for number, (tensor, raw) in enumerate(zip(message.inputs, contents, strict=True)))


def _raw(number: int, tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes) -> Tensor:
    place = _checked_place(number, tensor)
    if tensor.HasField("contents"):
        raise Refusal("invalid", "wrong_contents", f"{place}.contents", "is given beside raw_input_contents", expected="one of the two")
    return Tensor.of_raw(place, tensor.name, tensor.datatype, tuple(tensor.shape), raw)


def _typed_inputs(message: pb.ModelInferRequest) -> tuple[Tensor, ...]:
    return tuple(_typed(_checked_place(number, tensor), tensor) for number, tensor in enumerate(message.inputs))


def _checked_place(number: int, tensor: pb.ModelInferRequest.InferInputTensor) -> str:
    """What an error calls the input, once its parameters are looked at."""
    place = f"inputs[{number}]"
    check_parameters(f"{place}.parameters", _parameters(f"{place}.parameters", tensor.parameters), TENSOR_PARAMETERS)
    return place


def _typed(place: str, tensor: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    dtype, n = dtype_of(place, tensor.datatype), n_elements(place, tuple(tensor.shape))
    field = _FIELDS.get(tensor.datatype)
    if field is None:
        raise Refusal(
            "invalid", "wrong_contents", f"{place}.contents", f"has no field for {tensor.datatype}", expected="raw_input_contents"
        )
    given = [descriptor.name for descriptor, _ in tensor.contents.ListFields()]
    if given != [field]:
        found = f"holds {', '.join(given) or 'nothing'}"
        raise Refusal("invalid", "wrong_contents", f"{place}.contents", found, expected=f"{field}, for {tensor.datatype}")
    values: Any = getattr(tensor.contents, field)
    if len(values) != n:
        found, expected = f"has {len(values)} values", f"{n}, as the shape {list(tensor.shape)} says"
        raise Refusal("invalid", "shape_mismatch", f"{place}.contents.{field}", found, expected=expected)
    carried = np.fromiter(values, _CARRIED.get(field, dtype), n)
    data = carried.astype(dtype, copy=False)
    if field in _CARRIED and not np.array_equal(data, carried):
        at = int(np.argmax(data != carried))
        raise Refusal("invalid", "out_of_range", f"{place}.contents.{field}", f"value {at} is {carried[at]}", expected=tensor.datatype)
    return Tensor(tensor.name, tensor.datatype, tuple(tensor.shape), data.reshape(tuple(tensor.shape)))


def _parameters(place: str, given: Mapping[str, pb.InferParameter]) -> dict[str, Parameter]:
    if len(given) > MAX_PARAMETERS:
        raise Refusal("too_large", "too_many_parameters", place, f"are {len(given)}", expected=f"at most {MAX_PARAMETERS}")
    found: dict[str, Parameter] = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise Refusal("invalid", "wrong_parameter", f"{place}.{name[:40]}", "has no value", expected="one")
        found[name] = getattr(parameter, choice)
    return found


def _set(parameter: pb.InferParameter, value: Parameter) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value


__all__ = ["MAX_INPUTS", "MAX_OUTPUTS", "MAX_PARAMETERS", "reply_of", "request_of"]
