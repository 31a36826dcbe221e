"""Table 4.2 of hostile requests: each has its status, an answer in JSON that names the field, and no trace of a traceback."""

import gc
import json
import sys
import time

import pytest

from barmill.serving.http.application import Rim
from barmill.serving.http.limits import Limits

FORECAST, INFER = "/v1/models/logistic/forecast", "/v2/models/logistic/infer"


def features(names, *values):
    """A body of /v1 whose first features have these values, as text, so that it can hold what no JSON library writes."""
    told = [*values, *["0.5"] * (len(names) - len(values))]
    return ('{"features": {' + ", ".join(f'"{name}": {value}' for name, value in zip(names, told, strict=True)) + "}}").encode()


def tensor(names, **fields):
    wanted = {"name": "features", "shape": [1, len(names)], "datatype": "FP64", "data": [0.5] * len(names)} | fields
    return {"inputs": [wanted]}


def infer(names, text, **fields):
    """A body of /v2 whose first value is `text`."""
    return json.dumps(tensor(names, data=["@"] + [0.5] * (len(names) - 1), **fields)).replace('"@"', text).encode()


VALUES = [  # as the first feature: status, code
    ("NaN", 400, "malformed_json"),
    ("Infinity", 400, "malformed_json"),
    ("-Infinity", 400, "malformed_json"),
    ("1e999", 400, "number_out_of_range"),
    ("1" * 400, 400, "number_out_of_range"),
    ("null", 422, "invalid_body"),
    ('"abc"', 422, "invalid_body"),
    ("true", 422, "invalid_body"),
    ("[0.5]", 422, "invalid_body"),
    ("{}", 422, "invalid_body"),
    ("01", 400, "malformed_json"),
    (".5", 400, "malformed_json"),
    ("0x10", 400, "malformed_json"),
    ("1_000", 400, "malformed_json"),
]


@pytest.mark.parametrize(("value", "status", "code"), VALUES, ids=[value[:9] for value, *_ in VALUES])
def test_a_value_that_is_no_number_is_refused_and_named(ask, names, value, status, code):
    answered = ask.post(FORECAST, features(names, value))
    assert (answered.status, answered.json["code"]) == (status, code)
    assert set(answered.json) == {"error", "code", "field"}
    if status == 422:
        assert answered.json["field"] == f"features.{names[0]}"


@pytest.mark.parametrize("value", ["1e-400", "-0", "0.1e-10", "123456789", "1e300"])
def test_a_number_of_any_size_that_64_bits_hold_is_one(ask, names, value):
    answered = ask.post(FORECAST, features(names, value))
    assert answered.status == 200, answered.body
    assert all(isinstance(said, float) for column in answered.json["forecast"].values() for said in column)


@pytest.mark.parametrize(("value", "status"), [("NaN", 400), ("1e999", 400), ("9" * 99, 200), ("null", 422), ('"abc"', 422), ("true", 422)])
def test_a_value_of_a_tensor_that_is_no_number_is_refused(ask, names, value, status):
    answered = ask.post(INFER, infer(names, value))
    assert answered.status == status
    assert status == 200 or set(answered.json) == {"error", "code", "field"}


TENSORS = [
    ("shape is not that of the data", {"shape": [2, "n"]}, 422, "shape_mismatch"),
    ("shape with -1", {"shape": [-1, "n"]}, 422, "wrong_shape"),
    ("shape of 2^40 rows", {"shape": [2**40, "n"]}, 422, "wrong_shape"),
    ("shape of 2^70 rows", {"shape": [2**70, "n"]}, 422, "wrong_shape"),
    ("shape with a float", {"shape": [1.5, "n"]}, 422, "invalid_body"),
    ("shape with true", {"shape": [True, "n"]}, 422, "invalid_body"),
    ("one feature less", {"shape": [1, "n-1"], "data": "n-1"}, 422, "wrong_shape"),
    ("one feature more", {"shape": [1, "n+1"], "data": "n+1"}, 422, "wrong_shape"),
    ("another name", {"name": "x"}, 422, "unknown_input"),
    ("another type", {"datatype": "FP32"}, 422, "wrong_datatype"),
    ("bytes", {"datatype": "BYTES", "data": "bytes"}, 422, "wrong_datatype"),
    ("an unknown type", {"datatype": "FP128"}, 422, "unknown_datatype"),
    ("ragged", {"data": "ragged"}, 422, "shape_mismatch"),
    ("no data", {"data": None}, 422, "invalid_body"),
    ("a field that there is not", {"dataa": []}, 422, "invalid_body"),
    ("a parameter that there is not", {"parameters": {"binary": 1}}, 422, "unknown_parameter"),
]


@pytest.mark.parametrize(("fields", "status", "code"), [case[1:] for case in TENSORS], ids=[case[0] for case in TENSORS])
def test_a_tensor_that_is_not_the_models_is_refused(ask, names, fields, status, code):
    n = len(names)
    sizes = {"n": n, "n-1": n - 1, "n+1": n + 1}
    data = {"n-1": [0.5] * (n - 1), "n+1": [0.5] * (n + 1), "bytes": ["a"] * n, "ragged": [[0.5] * (n - 1), [0.5]]}
    made = dict(fields)
    if "shape" in made:
        made["shape"] = [sizes.get(size, size) if isinstance(size, str) else size for size in made["shape"]]
    if isinstance(made.get("data"), str):
        made["data"] = data[made["data"]]
    answered = ask.post(INFER, json.dumps(tensor(names, **made)).encode())
    assert (answered.status, answered.json["code"]) == (status, code), answered.body
    assert answered.json["field"]


def test_a_missing_and_an_unknown_feature_are_named(ask, row, names):
    missing = ask.post(FORECAST, {"features": {name: value for name, value in row.items() if name != names[3]}})
    assert (missing.status, missing.json["code"], missing.json["field"]) == (422, "missing_feature", f"features.{names[3]}")
    unknown = ask.post(FORECAST, {"features": row | {"log_retrun_1": 0.5}})
    assert (unknown.status, unknown.json["code"]) == (422, "unknown_feature")
    assert "log_return_1" in unknown.json["error"]


BODIES = [
    ("nothing", b"", 400),
    ("no JSON", b"hello", 400),
    ("half of it", b'{"features": {"a": 1', 400),
    ("more after it", b'{"features": {"a": 1}} {}', 400),
    ("a byte order mark", b'\xef\xbb\xbf{"features": {"a": 1}}', 400),
    ("UTF-16", '{"features": {"a": 1}}'.encode("utf-16"), 400),
    ("no UTF-8 in a key", b'{"features": {"\xff": 1}}', 400),
    ("no UTF-8 in a word", b'{"features": {"a": 1}, "schema_hash": "\xc3\x28"}', 400),
    ("half a surrogate", b'{"features": {"\\ud800": 1}}', 400),
    ("a key twice", b'{"features": {"a": 1, "a": 1}}', 400),
    ("a key twice, escaped", b'{"features": {"a": 1, "\\u0061": 1}}', 400),
    ("a key twice, with a colon in it", b'{"features": {"a:b": 1, "a:b": 2}}', 400),
    ("a field twice", b'{"features": {"a": 1}, "features": {"a": 1}}', 400),
    ("a field twice, of which one is wrong", b'{"last": "x", "last": 1}', 400),
    ("33 deep", b'{"features": ' + b"[" * 33 + b"]" * 33 + b"}", 400),
    ("100,000 deep", b"[" * 100_000, 400),
    ("100,000 deep in objects", b'{"a":' * 100_000, 400),
    ("deep after a string of quotes and brackets", rb'["\"]]]]\\", ' + b"[" * 40, 400),
    ("32 deep and of another kind", b'{"features": ' + b"[" * 31 + b"]" * 31 + b"}", 422),
    ("brackets in a string", b'{"schema_hash": "' + b"[" * 500 + b'", "features": {}}', 422),
    ("an array", b"[1, 2]", 422),
    ("a number", b"7", 422),
    ("null", b"null", 422),
    ("a field that there is not", b'{"features": {"a": 1}, "feature": 1}', 422),
    ("bars and features", b'{"features": {"a": 1}, "bars": []}', 422),
    ("neither", b"{}", 422),
    ("no rows", b'{"features": []}', 422),
    ("an empty row", b'{"features": {}}', 422),
    ("rows of two kinds", b'{"features": [{"a": 1}, [1]]}', 422),
    ("ragged rows", b'{"features": [[1, 2], [1]], "names": ["a", "b"]}', 422),
    ("rows without names", b'{"features": [[1, 2]]}', 422),
    ("another schema", b'{"features": [[1, 2]], "schema_hash": "0"}', 422),
    ("4,097 rows", b'{"features": [' + b",".join([b"[1]"] * 4097) + b"]}", 413),
    ("a string of 7 MB", b'{"schema_hash": "' + b"x" * 7_000_000 + b'", "features": {"a": 1}}', 422),
]


@pytest.mark.parametrize(("body", "status"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_a_body_that_says_nothing_or_something_else_is_refused(plane, asking, body, status):
    answered = asking(plane, answer_seconds=60.0).post(FORECAST, body)  # on a busy machine the largest take longer than a forecast may
    assert answered.status == status, answered.body[:300]
    assert set(answered.json) == {"error", "code", "field"}
    assert len(answered.body) < 8192  # what was sent is not sent back
    assert b"Traceback" not in answered.body


FLOODS = [
    ("400,000 keys", b'{"features": {' + b",".join(b'"%d":1' % number for number in range(400_000)) + b"}}"),
    ("empty arrays", b'{"features": [' + b"[]," * 200_000 + b"[]]}"),
    ("empty objects", b'{"bars": [' + b"{}," * 200_000 + b"{}]}"),
    ("numbers", b'{"features": [[' + b"1," * 1_100_000 + b"1]]}"),
    ("a list of a tensor", b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [' + b"1," * 1_100_000 + b"1]}]}"),
]


@pytest.mark.parametrize("body", [body for _, body in FLOODS], ids=[name for name, _ in FLOODS])
def test_more_values_than_any_model_takes_are_refused_before_they_are_built(plane, asking, body):
    path = INFER if b"inputs" in body else FORECAST
    answered = asking(plane, answer_seconds=60.0).post(path, body)
    assert (answered.status, answered.json["code"], answered.json["field"]) == (413, "too_many_values", "body")


@pytest.mark.parametrize(
    "body", [b'{"features": {"nothing": 1}}', b'{"features": [', b'{"features": [[1], 1]}', b'{"features": 1, "features": 1}']
)
@pytest.mark.parametrize("padding", [0, 100_000], ids=["on the loop", "in a thread"])
def test_a_body_that_was_refused_is_not_kept(ask, body, padding):
    """Not until a collector of cycles comes by, either: of bodies of megabytes there would be hundreds before."""
    body += b" " * padding
    ask.post(FORECAST, body)
    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(body)
        ask.post(FORECAST, body)
        deadline = time.monotonic() + 20
        while sys.getrefcount(body) > before and time.monotonic() < deadline:  # a thread lets go of it a little later
            time.sleep(0.001)
        assert sys.getrefcount(body) == before
    finally:
        gc.enable()


PATHS = [
    ("GET", "/", 404),
    ("GET", "/v1", 404),
    ("GET", "/v1/", 404),
    ("GET", "/v1/models/", 404),
    ("GET", "/v1/models/../../etc/passwd", 404),
    ("GET", "/v1/models/..", 404),
    ("GET", "/v1/models/%2e%2e", 404),
    ("GET", "/v1/models/a\0b", 404),
    ("GET", "/v1/models/ä", 404),
    ("GET", "/v1/models/none", 404),
    ("GET", "/v1/models/logistic/versions/9.9.9", 404),
    ("GET", "/v1/models/logistic/versions/..", 404),
    ("GET", "/v1/models/*/schema", 404),
    ("GET", "/v1/models/logistic/streams/*", 422),
    ("GET", "/v1/models/logistic/streams/" + "a" * 129, 422),
    ("GET", "/v1/models/logistic/" + "a/" * 2000, 414),
    ("POST", "/v1/models", 405),
    ("PUT", FORECAST, 405),
    ("GET", FORECAST, 405),
    ("BREW", "/v2", 405),
    ("GET", "/v2/models/logistic/versions/x/y/infer", 404),
    ("POST", "/v1/models/logistic/versions/1.2.3:predict", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS, ids=[f"{method} {path[:40]!r}" for method, path, _ in PATHS])
def test_a_path_that_is_none_is_refused(ask, method, path, status):
    answered = ask(method, path)
    assert answered.status == status, answered.body
    assert set(answered.json) == {"error", "code", "field"}
    if status == 405:
        assert set(answered.headers["allow"].split(", ")) <= {"GET", "POST", "DELETE"}


HEADERS = [
    ([(b"content-type", b"text/plain")], 415),
    ([(b"content-type", b"application/x-www-form-urlencoded")], 415),
    ([(b"content-type", b"multipart/form-data; boundary=x")], 415),
    ([(b"content-encoding", b"gzip")], 415),
    ([(b"content-encoding", b"br, gzip")], 415),
    ([(b"content-length", b"9000000")], 413),
    ([(b"content-length", b"99999999999999999999999")], 400),
    ([(b"content-length", b"-1")], 400),
    ([(b"content-length", "٣".encode())], 400),
    ([(b"content-length", b"5"), (b"content-length", b"6")], 400),
    ([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], 400),
    ([(b"host", b"")], 403),
    ([(b"host", b"evil.example")], 403),
    ([(b"host", b"evil.example:8080")], 403),
    ([(b"host", b"127.0.0.1.evil.example")], 403),
    ([(b"origin", b"https://evil.example")], 403),
    ([(b"origin", b"null")], 403),
    ([(b"x", b"a")] * 70, 431),
    ([(b"x", b"a" * 20_000)], 431),
    ([(b"authorization", b"a"), (b"authorization", b"b")], 400),
]


@pytest.mark.parametrize(("headers", "status"), HEADERS, ids=[str(case[0][0])[:60] for case in HEADERS])
def test_a_header_that_means_harm_is_refused(plane, asking, names, headers, status):
    ask = asking(plane, Rim(hosts={"127.0.0.1", "localhost"}))
    answered = ask.post(FORECAST, features(names), headers=headers)
    assert answered.status == status, answered.body
    assert set(answered.json) == {"error", "code", "field"}


@pytest.mark.parametrize("host", [b"127.0.0.1", b"localhost:8080", b"LOCALHOST", b"[::1]:80"])
def test_a_host_that_is_ours_is_let_in(plane, asking, names, host):
    ask = asking(plane, Rim(hosts={"127.0.0.1", "localhost", "::1"}))
    assert ask.post(FORECAST, features(names), headers=[(b"host", host)]).status == 200
    assert ask.post(FORECAST, features(names), headers=[(b"host", host), (b"origin", b"http://" + host)]).status == 200


def test_no_model_of_a_stranger_becomes_a_label(plane, asking):
    told = []

    class Telling(type(Rim().telemetry)):
        def refused(self, model, kind, code, seconds):
            told.append((model, kind, code))

    ask = asking(plane, Rim(limits=Limits(), telemetry=Telling()))
    for number in range(50):
        ask.get(f"/v1/models/stranger-{number}")
        ask.post(f"/v1/models/stranger-{number}/forecast", {"features": {"a": 1}})
    assert {model for model, *_ in told} == {""}
