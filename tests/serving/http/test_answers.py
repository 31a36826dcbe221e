"""What the routes answer: the bits of the bundle's own forecast, in every form that a request may have."""

import json

import numpy as np
import orjson
import pytest

from barmill.serving.answers import Answer, Ask
from barmill.serving.contract import Readiness

FORECAST = "/v1/models/logistic/forecast"


def columns(bars, first, last):
    return {name: bars.frame[name][first:last].to_list() for name in ("open_time", "open", "high", "low", "close", "volume")}


def objects(bars, first, last):
    told = columns(bars, first, last)
    return [dict(zip(told, values, strict=True)) for values in zip(*told.values(), strict=True)]


@pytest.fixture(scope="module")
def bars(making):
    return making.walk(1600, 11)


@pytest.fixture(scope="module")
def expected(load, bars):
    """The bundle's forecasts of these bars, by open time."""
    return {row["open_time"]: row for row in load("logistic").forecast(bars).frame.iter_rows(named=True)}


def test_bars_in_columns_and_in_objects_give_the_bundles_own_bits(ask, bars, expected):
    for body in ({"bars": columns(bars, 0, 1600), "last": 5}, {"bars": objects(bars, 0, 1600), "last": 5}):
        told = ask.post(FORECAST, body).json
        assert told["open_time"] == bars.open_time[-5:].tolist()
        for name, values in told["forecast"].items():
            assert values == [expected[time][name] for time in told["open_time"]]
        assert (told["model"], told["version"], told["source"], told["degraded"]) == ("logistic", "1.2.3", "champion", False)
    assert len(ask.post(FORECAST, {"bars": columns(bars, 0, 1600)}).json["open_time"]) == 1


def test_features_by_name_by_position_and_as_tensors_give_the_same_bits(ask, plane, names, row):
    wanted = {
        name: values.tolist() for name, values in plane.forecast(Ask("logistic"), np.array([list(row.values())]), names).columns.items()
    }
    schema_hash = ask.get("/v1/models/logistic").json["schema_hash"]
    backwards = dict(reversed(row.items()))
    values = list(row.values())
    for body in (
        {"features": row},
        {"features": backwards},
        {"features": [row]},
        {"features": [values], "names": names},
        {"features": [values], "schema_hash": schema_hash},
        {"features": [values[::-1]], "names": names[::-1]},
    ):
        assert ask.post(FORECAST, body).json["forecast"] == wanted
    assert ask.post("/v1/models/logistic/versions/v1/forecast", {"features": row}).json["forecast"] == wanted
    for path in ("/v1/models/logistic:predict", "/v1/predict"):
        for instances in ([row], [values]):
            predictions = ask.post(path, {"instances": instances}).json["predictions"]
            assert predictions == [{name: column[0] for name, column in wanted.items()}]
    for data in (values, [values]):
        request = {"id": "7", "inputs": [{"name": "features", "shape": [1, len(names)], "datatype": "FP64", "data": data}]}
        for path in ("/v2/models/logistic/infer", "/v2/models/logistic/versions/1.2.3/infer", "/v2/predict"):
            told = ask.post(path, request).json
            assert {output["name"]: output["data"] for output in told["outputs"]} == wanted
            assert (told["id"], told["model_name"], told["model_version"]) == ("7", "logistic", "1.2.3")


def test_a_batch_gives_each_row_what_it_gets_alone(ask, row):
    rows = [{name: value * factor for name, value in row.items()} for factor in (1.0, 0.5, -0.25)]
    batch = ask.post(FORECAST, {"features": rows}).json["forecast"]
    for number, one in enumerate(rows):
        alone = ask.post(FORECAST, {"features": one}).json["forecast"]
        assert {name: values[number] for name, values in batch.items()} == {name: values[0] for name, values in alone.items()}


def binary(head, *raw):
    told = orjson.dumps(head)
    return told + b"".join(raw), [(b"inference-header-content-length", b"%d" % len(told)), (b"content-type", b"application/octet-stream")]


def test_tensors_as_bytes_go_in_and_out(ask, names, row):
    values = np.array([list(row.values())])
    plain = ask.post(FORECAST, {"features": row}).json["forecast"]
    tensor = {"name": "features", "shape": [1, len(names)], "datatype": "FP64", "parameters": {"binary_data_size": values.nbytes}}
    body, headers = binary({"inputs": [tensor], "parameters": {"binary_data_output": True}}, values.tobytes())
    answered = ask.post("/v2/models/logistic/infer", body, headers=headers)
    length = int(answered.headers["inference-header-content-length"])
    head, rest = orjson.loads(answered.body[:length]), answered.body[length:]
    for output in head["outputs"]:
        size = output["parameters"]["binary_data_size"]
        assert np.frombuffer(rest[:size]).tolist() == plain[output["name"]]
        rest = rest[size:]
    assert rest == b""
    one = {"inputs": [tensor], "outputs": [{"name": "p_up", "parameters": {"binary_data": True}}, {"name": "q50"}]}
    body, headers = binary(one, values.tobytes())
    answered = ask.post("/v2/models/logistic/infer", body, headers=headers)
    length = int(answered.headers["inference-header-content-length"])
    assert [set(output) for output in orjson.loads(answered.body[:length])["outputs"]] == [
        {"name", "shape", "datatype", "parameters"},
        {"name", "shape", "datatype", "data"},
    ]


@pytest.mark.parametrize(
    ("size", "raw", "length"),
    [
        (8, 16, None),
        (10**9, 8, None),
        (-8, 8, None),
        (True, 8, None),
        (8, 8, b"9999999"),
        (8, 8, b"-1"),
        (8, 8, b"x"),
        (8, 8, b"3"),
        (16, 8, None),
    ],
)
def test_bytes_that_are_not_those_told_are_refused(ask, size, raw, length):
    tensor = {"name": "features", "shape": [1, 1], "datatype": "FP64", "parameters": {"binary_data_size": size}}
    body, headers = binary({"inputs": [tensor]}, b"\0" * raw)
    if length is not None:
        headers[0] = (headers[0][0], length)
    answered = ask.post("/v2/models/logistic/infer", body, headers=headers)
    assert answered.status in (400, 422)
    assert set(answered.json) == {"error", "code", "field"}


def test_no_bytes_of_a_tensor_are_no_number(ask, names):
    values = np.full((1, len(names)), np.nan)
    tensor = {"name": "features", "shape": [1, len(names)], "datatype": "FP64", "parameters": {"binary_data_size": values.nbytes}}
    body, headers = binary({"inputs": [tensor]}, values.tobytes())
    answered = ask.post("/v2/models/logistic/infer", body, headers=headers)
    assert (answered.status, answered.json["code"]) == (422, "not_finite")


def test_a_stream_says_the_bundles_own_bits_bar_by_bar(ask, bars, expected):
    path = "/v1/models/logistic/streams/EURUSD:1m"
    assert ask.get(path).status == 404
    first = ask.post(f"{path}/bars", {"bars": columns(bars, 0, 1500)}).json
    assert first["stream"]["state"] == "live"
    for number, bar in enumerate(objects(bars, 1500, 1510), 1500):
        told = ask.post(f"{path}/bars", bar).json
        time = int(bars.open_time[number])
        assert told["open_time"] == [time]
        assert {name: values[0] for name, values in told["forecast"].items()} == {
            name: value for name, value in expected[time].items() if name in told["forecast"]
        }
    old = ask.post(f"{path}/bars", objects(bars, 1490, 1491)[0])
    assert (old.status, set(old.json)) == (409, {"error", "code", "field"})
    assert ask.get(path).json["bars_seen"] == 1510
    assert ask("DELETE", path).status == 200
    assert ask.get(path).status == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"high": "1"}, "high"),
        ({"high": None}, "high"),
        ({"open_time": 1.5}, "open_time"),
        ({"open_time": 2**70}, "open_time"),
        ({"open_time": True}, "open_time"),
        ({"further": [1]}, "further"),
        ({"further": {"a": 1}}, "further"),
    ],
)
def test_a_bar_that_is_none_is_refused_and_its_field_named(ask, bars, change, field):
    bar = objects(bars, 0, 1)[0]
    for body in (bar | change, {"bars": [bar, bar | change]}):
        answered = ask.post("/v1/models/logistic/streams/x/bars", json.dumps(body).encode())
        assert answered.status == 422, answered.body
        assert field in answered.json["field"]
    missing = ask.post("/v1/models/logistic/streams/x/bars", {name: value for name, value in bar.items() if name != "low"})
    assert (missing.status, missing.json["field"]) == (422, "low")


class Broken:
    """A plane whose forecasts are not numbers, or that fails otherwise."""

    def __init__(self, plane, columns=None, error=None):
        self._plane, self._columns, self._error = plane, columns, error

    def __getattr__(self, name):
        return getattr(self._plane, name)

    def forecast(self, ask, features, names=None):
        if self._error is not None:
            raise self._error
        return Answer("logistic", "1.2.3", 1, "d", self._columns)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [1, 100])
def test_a_forecast_that_is_no_number_never_goes_out(plane, asking, names, row, value, rows):
    values = np.zeros(rows)
    values[-1] = value
    ask = asking(Broken(plane, {"p_up": values, "q05": values, "q50": values, "q95": values}))
    tensor = {"inputs": [{"name": "features", "shape": [1, len(names)], "datatype": "FP64", "data": list(row.values())}]}
    for path, body in ((FORECAST, {"features": row}), ("/v2/models/logistic/infer", tensor), ("/v1/predict", {"instances": [row]})):
        for all_binary in ({}, {"parameters": {"binary_data_output": True}}) if "inputs" in body else ({},):
            answered = ask.post(path, body | all_binary)
            assert (answered.status, answered.json["code"]) == (500, "not_finite")
            assert b"null" not in answered.body


def test_an_error_of_ours_says_nothing_of_itself_and_all_to_the_log(plane, asking, row):
    from barmill.serving.http.application import Rim
    from barmill.serving.telemetry import Silent

    events = []

    class Telling(Silent):
        def event(self, name, level="info", **fields):
            events.append((name, level, fields))

    ask = asking(Broken(plane, error=RuntimeError("secret of the house")), Rim(telemetry=Telling()))
    answered = ask.post(FORECAST, {"features": row}, headers=[(b"x-request-id", b"abc-1")])
    assert (answered.status, answered.headers["x-request-id"]) == (500, "abc-1")
    assert b"secret" not in answered.body
    failed = next(fields for name, _, fields in events if name == "request_failed")
    assert failed["request_id"] == "abc-1"
    assert "secret of the house" in failed["traceback"]


def test_live_is_not_ready(plane, asking):
    class NotYet(Broken):
        def readiness(self, model=None, version=None):
            return Readiness(False, ("logistic has no champion",))

    ask = asking(NotYet(plane))
    assert {path: ask.get(path).status for path in ("/v1/health", "/v2/health/live")} == {"/v1/health": 200, "/v2/health/live": 200}
    for path in ("/v1/ready", "/v2/health/ready", "/v1/models/logistic/ready", "/v2/models/logistic/ready"):
        assert (ask.get(path).status, ask.get(path).json["ready"]) == (503, False)
    ask = asking(plane)
    assert ask.get("/v1/ready").status == 200
    ask.application.draining = True
    assert ask.get("/v2/health/ready").status == 503
    assert ask.get("/v1/health").headers["connection"] == "close"


def test_the_pages_tell_what_is_served(ask, names):
    assert ask.get("/v1/models").json == {"models": ["logistic"]}
    about = ask.get("/v1/models/logistic").json
    assert (about["name"], about["ready"], about["version"]) == ("logistic", True, "1.2.3")
    versions = ask.get("/v1/models/logistic/versions").json["versions"]
    assert [(one["version"], one["state"], "champion" in one["aliases"]) for one in versions] == [("1.2.3", "ready", True)]
    assert ask.get("/v1/models/logistic/versions/1.2.3").json == versions[0]
    schema = ask.get("/v1/models/logistic/schema").json
    assert all(feature["unit"] and feature["dtype"] == "float64" for feature in schema["features"])
    assert schema["needed_bars"] > 0
    assert ask.post("/v2/repository/index", b"").json == ask.post("/v2/repository/index", {"ready": True}).json
    assert ask.get("/metrics").status == 404
