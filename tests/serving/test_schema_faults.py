"""Each way in which columns can be wrong has a code of its own over both protocols, names the column, and is never mended by a guess."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple

import grpc
import numpy as np
import pytest

from barmill.artefacts import canonical_json
from barmill.bundles import Bundle
from barmill.bundles.manifest import PARTS
from barmill.serving.grpc.protocol import barmill_pb2 as own
from barmill.serving.grpc.protocol import inference_pb2 as oip
from barmill.serving.grpc.protocol.barmill_pb2_grpc import BarmillStub
from barmill.serving.grpc.protocol.inference_pb2_grpc import GRPCInferenceServiceStub
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.served import warm
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent

N_BARS, AGE_SECONDS = 500, 3600.0
Named = dict[str, float]


class Counting(Silent):
    """Counts what was answered."""

    answers = 0

    def answered(self, answer: Any, seconds: float) -> None:
        self.answers += 1


class Server(NamedTuple):
    """A server, the row and bars that it takes, and the clock by which these are the newest."""

    both: Any
    row: Named
    bars: dict[str, list[Any]]
    wall: Callable[[], float]
    told: Counting

    def http(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reply = self.both.client.post(f"/v1/models/lightgbm/{path}", json=body)
        return reply.status_code, reply.json()

    def grpc(self, request: own.ForecastRequest) -> tuple[str, str, str] | Any:
        """The answer, or its refusal: status, code and field."""
        try:
            return BarmillStub(self.both.channel).Forecast(request)
        except grpc.RpcError as error:
            told = dict(error.trailing_metadata())
            return error.code().name, told["barmill-code"], told["barmill-field"], error.details()


@pytest.fixture(scope="module")
def server(bundle_of: Callable[..., Bundle], making: Any, serving_both: Callable[..., AbstractContextManager[Any]]) -> Generator[Server]:
    bundle, bars, told = bundle_of("lightgbm"), making.walk(N_BARS, seed=11), Counting()
    names = bundle.plan.names
    ranges = {name: {"mean": 0.0, "std": 1.0, "quantiles": [-2e6, -1e6, 1e6, 2e6]} for name in names}
    profile = {"n_rows": 9, "levels": [0.0, 0.25, 0.75, 1.0], "features": ranges}
    bundle = replace(bundle, _files={**bundle._files, PARTS["reference_profile"]: canonical_json(profile)})
    table, ends = ModelTable(), float(bars.close_time[-1]) / 1000
    served = warm(bundle, 1)
    table.install(served, champion=True)

    def wall() -> float:
        return ends + 1.0

    plane = Plane(table, None, told, PlaneSettings(max_bar_age_seconds=AGE_SECONDS), wall=wall)
    values = bundle.plan.compute(bars).values[-1][served.schema.positions]
    columns = {name: getattr(bars, name).tolist() for name in ("open_time", "open", "high", "low", "close", "volume")}
    row = dict(zip(served.schema.names, values.tolist(), strict=True))
    with serving_both(plane, told) as both:
        yield Server(both, row, columns, wall, told)


def third(row: Named) -> str:
    return list(row)[3]


def without(row: Named) -> Named:
    return {name: value for name, value in row.items() if name != third(row)}


# What is sent; the code and field that both say; words of the message. {0} is the column at fault, {n} how many there are.
OF_NAMES: dict[str, tuple[Callable[[Named], Named], str, str, str]] = {
    "missing": (without, "missing_feature", "features.{0}", "{0} is missing"),
    "extra": (lambda row: row | {"moon_phase": 1.0}, "unknown_feature", "features.names[{n}]", "no feature is called 'moon_phase'"),
    "renamed": (
        lambda row: without(row) | {f"{third(row)}_v2": row[third(row)]},
        "renamed_feature",
        "features.names[{last}]",
        "'{0}' is missing. Did you mean '{0}'?",
    ),
}


@pytest.mark.parametrize("case", OF_NAMES)
def test_columns_that_are_not_those_of_the_schema_have_a_code_each_and_are_named(server: Server, case: str) -> None:
    make, code, field, words = OF_NAMES[case]
    sent, before = make(server.row), server.told.answers
    told = {"n": len(server.row), "last": len(server.row) - 1}
    field, words = field.format(third(server.row), **told), words.format(third(server.row))
    status, said = server.http("forecast", {"features": sent})
    assert (status, said["code"], said["field"]) == (422, code, field)
    assert words in said["error"]
    features = own.Features(names=list(sent), shape=[1, len(sent)], values=list(sent.values()))
    *refused, details = server.grpc(own.ForecastRequest(features=features))
    assert refused == ["INVALID_ARGUMENT", code, field]
    assert words in details
    assert server.told.answers == before


def test_reordered_columns_are_put_in_order_by_name_and_refused_without(server: Server) -> None:
    backwards = dict(reversed(server.row.items()))
    _, straight = server.http("forecast", {"features": server.row})
    assert server.http("forecast", {"features": backwards})[1]["forecast"] == straight["forecast"]
    features = own.Features(names=list(backwards), shape=[1, len(backwards)], values=list(backwards.values()))
    said = server.grpc(own.ForecastRequest(features=features))
    assert {one.name: list(one.values) for one in said.columns} == straight["forecast"]
    status, refused = server.http("forecast", {"features": [list(backwards.values())]})
    assert (status, refused["code"], refused["field"]) == (422, "order_unknown", "features")


def test_another_schema_is_refused_where_the_order_is_told_by_its_digest(server: Server) -> None:
    values, other = list(server.row.values()), "0" * 64
    status, said = server.http("forecast", {"features": [values], "schema_hash": other})
    assert (status, said["code"], said["field"]) == (422, "wrong_schema", "schema_hash")
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, len(values)], "data": values}
    reply = server.both.client.post("/v2/models/lightgbm/infer", json={"inputs": [tensor], "parameters": {"schema_hash": other}})
    assert (reply.status_code, reply.json()["code"], reply.json()["field"]) == (422, "wrong_schema", "parameters.schema_hash")
    assert refused_by_grpc(server, values, schema_hash=other) == ("INVALID_ARGUMENT", "wrong_schema", "parameters.schema_hash")


def refused_by_grpc(server: Server, values: list[float], datatype: str = "FP64", **parameters: str) -> tuple[str, str, str]:
    data = np.array([values], np.float64 if datatype == "FP64" else np.float32)
    request = oip.ModelInferRequest(model_name="lightgbm", raw_input_contents=[data.tobytes()])
    request.inputs.add(name="features", datatype=datatype, shape=data.shape)
    for name, value in parameters.items():
        request.parameters[name].string_param = value
    with pytest.raises(grpc.RpcError) as refused:
        GRPCInferenceServiceStub(server.both.channel).ModelInfer(request)
    told = dict(refused.value.trailing_metadata())
    return refused.value.code().name, told["barmill-code"], told["barmill-field"]


def test_another_data_type_is_refused_naming_what_it_should_be(server: Server) -> None:
    values = list(server.row.values())
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, len(values)], "data": values}
    reply = server.both.client.post("/v2/models/lightgbm/infer", json={"inputs": [tensor]})
    assert (reply.status_code, reply.json()["code"], reply.json()["field"]) == (422, "wrong_datatype", "inputs[0].datatype")
    assert "expected FP64" in reply.json()["error"]
    assert refused_by_grpc(server, values, "FP32") == ("INVALID_ARGUMENT", "wrong_datatype", "inputs[0].datatype")
    for wrong in ("0.5", True, [0.5]):
        status, said = server.http("forecast", {"features": server.row | {third(server.row): wrong}})
        assert status == 422, said
        assert said["code"] == "invalid_body"


@pytest.mark.parametrize(
    ("moved_seconds", "code", "field"), [(-AGE_SECONDS - 60, "stale_bars", N_BARS - 1), (60, "bar_not_closed", N_BARS - 1)]
)
def test_bars_of_long_ago_and_bars_to_come_are_refused_naming_the_bar(server: Server, moved_seconds: float, code: str, field: int) -> None:
    moved = server.bars | {"open_time": [time + int(1000 * moved_seconds) // 60_000 * 60_000 for time in server.bars["open_time"]]}
    status, said = server.http("forecast", {"bars": moved})
    assert (status, said["code"], said["field"]) == (422, code, f"bars[{field}].open_time")
    *refused, _ = server.grpc(own.ForecastRequest(bars=own.Bars(**moved)))
    assert refused == ["INVALID_ARGUMENT", code, f"bars[{field}].open_time"]
    assert server.http("forecast", {"bars": server.bars})[0] == 200


def test_a_feature_beyond_the_range_of_training_is_answered_and_told_by_name(server: Server) -> None:
    far = server.row | {third(server.row): 1e7}
    status, said = server.http("forecast", {"features": far})
    note = f"outside the range of training: {third(server.row)}"
    assert (status, said["source"], said["notes"]) == (200, "champion", [note])
    features = own.Features(names=list(far), shape=[1, len(far)], values=list(far.values()))
    assert list(server.grpc(own.ForecastRequest(features=features)).notes) == [note]
    assert "notes" not in server.http("forecast", {"features": server.row})[1]


def test_no_feature_has_a_default(server: Server) -> None:
    """Whichever it is, and in whatever way it is left out: nobody is asked, and nothing takes its place."""
    before = server.told.answers
    for name in server.row:
        left_out = {other: value for other, value in server.row.items() if other != name}
        status, said = server.http("forecast", {"features": left_out})
        assert (status, said["code"], said["field"]) == (422, "missing_feature", f"features.{name}")
        assert "none has a default" in said["error"]
        status, said = server.http("forecast", {"features": server.row | {name: None}})
        assert status == 422, said
        nothing = server.row | {name: float("nan")}
        features = own.Features(names=list(nothing), shape=[1, len(nothing)], values=list(nothing.values()))
        *refused, _ = server.grpc(own.ForecastRequest(features=features))
        assert refused == ["INVALID_ARGUMENT", "not_finite", f"features[0].{name}"]
    assert server.told.answers == before


@pytest.mark.parametrize("column", ["open_time", "open", "high", "low", "close", "volume"])
def test_no_column_of_a_bar_has_a_default(server: Server, column: str) -> None:
    before, left_out = server.told.answers, {name: values for name, values in server.bars.items() if name != column}
    status, said = server.http("forecast", {"bars": left_out})
    assert (status, said["code"], said["field"]) == (422, "missing_column", f"bars.{column}")
    assert server.grpc(own.ForecastRequest(bars=own.Bars(**left_out)))[0] == "INVALID_ARGUMENT"
    assert server.told.answers == before
