"""HTTP and gRPC over one plane: the same bits for the same request, one table of refusals for both, and Triton's clients unchanged."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import grpc
import httpx
import numpy as np
import orjson
import pytest

from barmill.bundles import Bundle
from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.grpc.protocol.inference_pb2_grpc import GRPCInferenceServiceStub
from barmill.serving.http.application import Application, Rim
from barmill.serving.http.keys import Keys, add_key
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Kind, Refusal
from barmill.serving.served import warm
from barmill.serving.signature import signature_of
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.streams import Streams

HTTP_FIELDS = {
    "BOOL": "bool_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


@pytest.fixture(scope="module")
def bundle(bundle_of: Callable[..., Bundle]) -> Bundle:
    return bundle_of("logistic")


@pytest.fixture(scope="module")
def both(bundle: Bundle, serving_both: Callable[..., AbstractContextManager[Any]]) -> Generator[Any]:
    table = ModelTable()
    table.install(warm(bundle, 1), champion=True)
    with serving_both(Plane(table, Streams(settings=StreamSettings()))) as found:
        yield found


@pytest.fixture(scope="module")
def inputs(bundle: Bundle, making: ModuleType) -> dict[str, np.ndarray]:
    bars = making.walk(700, seed=11)
    table = bundle.plan.compute(bars)
    columns = [table.names.index(name) for name in signature_of(bundle).features]
    return {
        "features": np.ascontiguousarray(table.values[-3:][:, columns]),
        "bars": np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume]),
        "open_time": bars.open_time.copy(),
    }


def body_of(*tensors: tuple[str, str, np.ndarray], outputs: tuple[str, ...] = (), **parameters: Any) -> dict[str, Any]:
    """A request as JSON says it: the one form from which the others are made."""
    found: dict[str, Any] = {
        "id": "id-7",
        "inputs": [
            {"name": name, "datatype": kind, "shape": list(data.shape), "data": data.ravel().tolist()} for name, kind, data in tensors
        ],
    }
    if outputs:
        found["outputs"] = [{"name": name} for name in outputs]
    return found | ({"parameters": parameters} if parameters else {})


def message_of(model: str, body: dict[str, Any]) -> pb.ModelInferRequest:
    """The same for gRPC, values in the fields of their types."""
    name, _, version = model.partition("/versions/")
    message = pb.ModelInferRequest(model_name=name, model_version=version, id=body["id"])
    for key, value in body.get("parameters", {}).items():
        field = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}[type(value)]
        setattr(message.parameters[key], field, value)
    for one in body["inputs"]:
        tensor = message.inputs.add(name=one["name"], datatype=one["datatype"], shape=one["shape"])
        getattr(tensor.contents, HTTP_FIELDS.get(one["datatype"], "fp64_contents")).extend(one["data"])
    for one in body.get("outputs", ()):
        message.outputs.add(name=one["name"])
    return message


def answered_by_http(both: Any, model: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = both.client.post(f"/v2/models/{model}/infer", json=body)
    said = reply.json()
    if reply.status_code != 200:
        return {"status": reply.status_code, "code": said["code"], "field": said["field"]}
    return {**said, "outputs": {one["name"]: (one["datatype"], one["shape"], one["data"]) for one in said["outputs"]}}


def answered_by_grpc(both: Any, model: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        said = GRPCInferenceServiceStub(both.channel).ModelInfer(message_of(model, body))
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        return {"status": error.code().name, "code": trailers["barmill-code"], "field": trailers["barmill-field"]}
    outputs = {one.name: (one.datatype, list(one.shape), list(getattr(one.contents, HTTP_FIELDS[one.datatype]))) for one in said.outputs}
    parameters = {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in said.parameters.items()}
    return {"model_name": said.model_name, "model_version": said.model_version, "id": said.id, "parameters": parameters, "outputs": outputs}


Making = Callable[[dict[str, np.ndarray]], dict[str, Any]]

GOOD: dict[str, tuple[str, Making]] = {
    "features": ("logistic", lambda x: body_of(("features", "FP64", x["features"]))),
    "one row": ("logistic", lambda x: body_of(("features", "FP64", x["features"][:1]))),
    "a version": ("logistic/versions/1.2.3", lambda x: body_of(("features", "FP64", x["features"]))),
    "the latest": ("logistic/versions/latest", lambda x: body_of(("features", "FP64", x["features"]), outputs=("q95", "p_up"))),
    "the last bar": ("logistic", lambda x: body_of(("bars", "FP64", x["bars"]), ("open_time", "INT64", x["open_time"]))),
    "some bars": (
        "logistic",
        lambda x: body_of(("open_time", "INT64", x["open_time"]), ("bars", "FP64", x["bars"]), outputs=("known_at", "q05"), last=5),
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_both_give_the_same_bits(both: Any, inputs: dict[str, np.ndarray], case: str) -> None:
    model, make = GOOD[case]
    over_http, over_grpc = answered_by_http(both, model, make(inputs)), answered_by_grpc(both, model, make(inputs))
    assert over_http == over_grpc
    assert over_http["id"] == "id-7"
    assert all(data for _, _, data in over_http["outputs"].values())


def test_a_stream_is_one_stream_for_both(both: Any, bundle: Bundle, inputs: dict[str, np.ndarray], making: ModuleType) -> None:
    history = slice(0, 690)
    body = body_of(("bars", "FP64", inputs["bars"][history]), ("open_time", "INT64", inputs["open_time"][history]), stream="both")
    answered_by_http(both, "logistic", body)
    expected = bundle.forecast(making.walk(700, seed=11)).frame.tail(10)
    for number in range(690, 700):
        ask = answered_by_grpc if number % 2 else answered_by_http
        one = slice(number, number + 1)
        body = body_of(("bars", "FP64", inputs["bars"][one]), ("open_time", "INT64", inputs["open_time"][one]), stream="both")
        said = ask(both, "logistic", body)
        assert said["parameters"]["stream_state"] == "live"
        assert {name: data for name, (_, _, data) in said["outputs"].items()} == {
            name: [expected[name][number - 690]] for name in said["outputs"]
        }


def _changed(x: dict[str, np.ndarray], **fields: Any) -> dict[str, Any]:
    body = body_of(("features", "FP64", x["features"]))
    body["inputs"][0] |= fields
    return body


# HTTP's status, gRPC's code, and what both say for programs.
BAD: dict[str, tuple[str, Making, int, str, str]] = {
    "another model": ("other", lambda x: body_of(("features", "FP64", x["features"])), 404, "NOT_FOUND", "unknown_model"),
    "another version": (
        "logistic/versions/9.9.9",
        lambda x: body_of(("features", "FP64", x["features"])),
        404,
        "NOT_FOUND",
        "unknown_version",
    ),
    "no input": ("logistic", lambda x: body_of(), 422, "INVALID_ARGUMENT", "wrong_inputs"),
    "single precision": ("logistic", lambda x: _changed(x, datatype="FP32"), 422, "INVALID_ARGUMENT", "wrong_datatype"),
    "no data type": ("logistic", lambda x: _changed(x, datatype="FP65"), 422, "INVALID_ARGUMENT", "unknown_datatype"),
    "a misspelt name": ("logistic", lambda x: _changed(x, name="feature"), 422, "INVALID_ARGUMENT", "unknown_input"),
    "another shape": ("logistic", lambda x: _changed(x, shape=[3, 46]), 422, "INVALID_ARGUMENT", "shape_mismatch"),
    "a huge shape": ("logistic", lambda x: _changed(x, shape=[2**40, 47]), 422, "INVALID_ARGUMENT", "wrong_shape"),
    "any number of rows": ("logistic", lambda x: _changed(x, shape=[-1, 47]), 422, "INVALID_ARGUMENT", "wrong_shape"),
    "a feature less": ("logistic", lambda x: body_of(("features", "FP64", np.ones((2, 46)))), 422, "INVALID_ARGUMENT", "wrong_shape"),
    "an unknown output": (
        "logistic",
        lambda x: body_of(("features", "FP64", x["features"]), outputs=("p_upp",)),
        422,
        "INVALID_ARGUMENT",
        "unknown_output",
    ),
    "an unknown parameter": (
        "logistic",
        lambda x: body_of(("features", "FP64", x["features"]), lasst=1),
        422,
        "INVALID_ARGUMENT",
        "unknown_parameter",
    ),
    "a duplicate bar": (
        "logistic",
        lambda x: body_of(("bars", "FP64", x["bars"]), ("open_time", "INT64", np.full(700, x["open_time"][0]))),
        422,
        "INVALID_ARGUMENT",
        "duplicate_bar",
    ),
    "too short a history": (
        "logistic",
        lambda x: body_of(("bars", "FP64", x["bars"][:9]), ("open_time", "INT64", x["open_time"][:9])),
        422,
        "INVALID_ARGUMENT",
        "history_too_short",
    ),
    "too many rows": (
        "logistic",
        lambda x: body_of(("features", "FP64", np.zeros((4097, 47)))),
        413,
        "RESOURCE_EXHAUSTED",
        "too_many_rows",
    ),
}


KINDS: dict[Kind, tuple[int, str]] = {
    "malformed": (400, "INVALID_ARGUMENT"),
    "unauthorised": (401, "UNAUTHENTICATED"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "conflict": (409, "FAILED_PRECONDITION"),
    "precondition": (412, "FAILED_PRECONDITION"),
    "too_large": (413, "RESOURCE_EXHAUSTED"),
    "unsupported": (415, "UNIMPLEMENTED"),
    "invalid": (422, "INVALID_ARGUMENT"),
    "too_many": (429, "RESOURCE_EXHAUSTED"),
    "unavailable": (503, "UNAVAILABLE"),
    "timed_out": (504, "DEADLINE_EXCEEDED"),
    "failed": (500, "INTERNAL"),
}


def test_each_kind_of_refusal_has_its_status_in_both_and_says_the_same(
    bundle: Bundle, inputs: dict[str, np.ndarray], serving_both: Callable[..., AbstractContextManager[Any]]
) -> None:
    table, kind = ModelTable(), "invalid"
    table.install(warm(bundle, 1), champion=True)

    class Refusing(Plane):
        def forecast(self, *_: Any) -> Any:
            raise Refusal(kind, f"a_{kind}", f"field.{kind}", "is why", expected="another", mend="Do it.", retry_after=1.5)

    said = body_of(("features", "FP64", inputs["features"]))
    assert set(KINDS) == set(get_args(Kind))
    with serving_both(Refusing(table)) as both:
        for kind, (status, code) in KINDS.items():
            reply = both.client.post("/v2/models/logistic/infer", json=said)
            told = {"error": f"field.{kind}: is why; expected another. Do it.", "code": f"a_{kind}", "field": f"field.{kind}"}
            assert (reply.status_code, reply.json(), reply.headers["retry-after"]) == (status, told, "2")
            with pytest.raises(grpc.RpcError) as refused:
                GRPCInferenceServiceStub(both.channel).ModelInfer(message_of("logistic", said))
            trailers = dict(refused.value.trailing_metadata())
            assert (refused.value.code().name, refused.value.details()) == (code, told["error"])
            assert (trailers["barmill-code"], trailers["barmill-field"]) == (told["code"], told["field"])
            assert trailers["grpc-retry-pushback-ms"] == "1500"


@pytest.mark.parametrize("case", BAD)
def test_both_refuse_by_one_table(both: Any, inputs: dict[str, np.ndarray], case: str) -> None:
    model, make, status, code, said = BAD[case]
    over_http, over_grpc = answered_by_http(both, model, make(inputs)), answered_by_grpc(both, model, make(inputs))
    assert (over_http["status"], over_http["code"]) == (status, said)
    assert (over_grpc["status"], over_grpc["code"]) == (code, said)


def test_a_bar_that_a_stream_has_is_a_conflict_for_both(both: Any, inputs: dict[str, np.ndarray]) -> None:
    body = body_of(("bars", "FP64", inputs["bars"]), ("open_time", "INT64", inputs["open_time"]), stream="again")
    answered_by_http(both, "logistic", body)
    one = body_of(("bars", "FP64", inputs["bars"][-2:-1]), ("open_time", "INT64", inputs["open_time"][-2:-1]), stream="again")
    over_http, over_grpc = answered_by_http(both, "logistic", one), answered_by_grpc(both, "logistic", one)
    assert (over_http["status"], over_grpc["status"]) == (409, "FAILED_PRECONDITION")
    assert over_http["code"] == over_grpc["code"]


def test_a_key_that_may_not_stream_does_not_stream_by_the_back_door(bundle: Bundle, inputs: dict[str, np.ndarray], tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "reader", ["forecast"])
    table = ModelTable()
    table.install(warm(bundle, 1), champion=True)
    application = Application(Plane(table, Streams()), Rim(keys=Keys.read(tmp_path / "keys.json")))
    body = body_of(("bars", "FP64", inputs["bars"][:1]), ("open_time", "INT64", inputs["open_time"][:1]), stream="mine")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/v2/models/logistic/infer", json=body, headers={"authorization": f"Bearer {key}"})

    reply = asyncio.run(ask())
    application.close()
    assert (reply.status_code, reply.json()["code"]) == (403, "no_scope")


def test_tritons_clients_work_unchanged(
    both: Any, bundle: Bundle, inputs: dict[str, np.ndarray], making: ModuleType, tmp_path: Path
) -> None:
    columns = np.array(bundle.outputs)
    np.savez(tmp_path / "cases.npz", columns=columns, **inputs)
    program = str(Path(__file__).with_name("triton_client.py"))
    ran = subprocess.run(
        [sys.executable, program, both.http, both.grpc, str(tmp_path / "cases.npz")], capture_output=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr.decode()
    told = orjson.loads(ran.stdout)
    frame = bundle.forecast(making.walk(700, seed=11)).frame
    whole = {name: frame[name].to_numpy().tobytes().hex() for name in bundle.outputs}
    last = {name: frame[name].tail(3).to_numpy().tobytes().hex() for name in bundle.outputs}
    for kind, ways in (("http", ("binary", "json")), ("grpc", ("raw",))):
        found = told[kind]
        assert [found[name] for name in ("live", "ready", "model_ready", "other_ready", "server")] == [True, True, True, False, "barmill"]
        assert found["inputs"] == [["features", "FP64", [-1, 47]], ["bars", "FP64", [-1, 5]], ["open_time", "INT64", [-1]]]
        assert found["outputs"] == [*bundle.outputs, "open_time", "known_at"]
        assert found["index"] == [["logistic", "1.2.3", "READY"]]
        for way in ways:
            assert found[way] == {"features": last, "last": last, "stream": whole}
        assert found["all"] == last["q50"]
        assert "[-1, 47]" in found["refused"]
