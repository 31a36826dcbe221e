"""Keys: shown once, kept as digests, compared in constant time, and good for their scopes alone."""

import hmac
import json
import os
import time

import pytest

from barmill.errors import InputError
from barmill.serving.http import keys as module
from barmill.serving.http.application import Rim
from barmill.serving.http.keys import SCOPES, Keys, add_key
from barmill.serving.http.limits import Limits
from barmill.serving.http.pages import Management, make_pages
from barmill.serving.refusals import Refusal

ROUTES = [
    ("POST", "/v1/models/logistic/forecast", "forecast"),
    ("POST", "/v1/models/logistic/versions/1.2.3/forecast", "forecast"),
    ("POST", "/v1/models/logistic/classify", "forecast"),
    ("POST", "/v1/models/logistic/versions/1.2.3/nearest", "forecast"),
    ("POST", "/v1/models/logistic:predict", "forecast"),
    ("POST", "/v1/predict", "forecast"),
    ("POST", "/v2/predict", "forecast"),
    ("POST", "/v2/models/logistic/infer", "forecast"),
    ("POST", "/v1/models/logistic/streams/a/bars", "stream"),
    ("GET", "/v1/models/logistic/streams/a", "stream"),
    ("DELETE", "/v1/models/logistic/streams/a", "stream"),
    ("GET", "/v1/models", "read"),
    ("GET", "/v1/models/logistic", "read"),
    ("GET", "/v1/models/logistic/versions", "read"),
    ("GET", "/v1/models/logistic/schema", "read"),
    ("GET", "/v1/models/logistic/aliases", "read"),
    ("PUT", "/v1/models/logistic/aliases/canary", "manage"),
    ("DELETE", "/v1/models/logistic/aliases/canary", "manage"),
    ("GET", "/v2/models/logistic", "read"),
    ("GET", "/v2/models/logistic/ready", "read"),
    ("POST", "/v2/repository/index", "read"),
    ("GET", "/metrics", "read"),
    ("POST", "/v2/repository/models/logistic/load", "manage"),
    ("POST", "/v2/repository/models/logistic/unload", "manage"),
]
OPEN = ["/v1/health", "/v1/ready", "/v1/models/logistic/ready", "/v2", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def given(file):
    """A key of each scope, by scope."""
    return {scope: add_key(file, f"of-{scope}", [scope]) for scope in SCOPES}


@pytest.fixture(scope="module")
def guarded(plane, asking, file, given):
    loaded = []
    pages = make_pages(Management(loaded.append, loaded.append, lambda *given: loaded.append(given)))
    return asking(plane, Rim(keys=Keys.read(file), pages=pages, render=lambda: b"a 1\n"))


def headers(key):
    return [(b"authorization", f"Bearer {key}".encode())]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
def test_every_route_takes_a_key_with_its_scope_and_no_other(guarded, given, method, path, scope):
    body = {} if method in ("POST", "PUT") else None
    assert guarded(method, path, body).status == 401
    assert guarded(method, path, body, headers=headers("bml_" + "0" * 16 + "_" + "x" * 43)).status == 401
    assert guarded(method, path, body, headers=[(b"authorization", b"Basic YTpi")]).status == 401
    for other, key in given.items():
        status = guarded(method, path, body, headers=headers(key)).status
        assert (status == 403) == (other != scope), (other, status)
        assert guarded(method, path, body, headers=[(b"x-api-key", key.encode())]).status == status


@pytest.mark.parametrize("path", OPEN)
def test_what_tells_nothing_of_a_model_takes_no_key(guarded, path):
    answered = guarded.get(path)
    assert answered.status == 200
    assert b"logistic" not in answered.body.replace(b"/v1/models/logistic", b"")


def test_no_key_no_management(plane, asking):
    ask = asking(plane, Rim(pages=make_pages(Management(print, print, print))))
    assert ask.post("/v2/repository/models/logistic/unload", {}).status == 403
    assert ask("PUT", "/v1/models/logistic/aliases/shadow", {"version": "1.2.3"}).status == 403
    assert ask("DELETE", "/v1/models/logistic/aliases/shadow").status == 403


def test_a_file_from_a_request_is_never_a_model(guarded, given):
    for body in ({"parameters": {"file:1/model.onnx": "AAAA"}}, {"parameters": {"config": "{}"}}, {"file": "x"}):
        answered = guarded.post("/v2/repository/models/logistic/load", body, headers=headers(given["manage"]))
        assert (answered.status, set(answered.json)) == (422, {"error", "code", "field"})
    assert guarded.post("/v2/repository/models/..%2f/load", {}, headers=headers(given["manage"])).status == 404


def test_the_file_holds_no_key_and_is_its_owners(file, given):
    text = file.read_text()
    for key in given.values():
        assert key not in text
        assert key.split("_", 2)[2] not in text  # the secret, in which there may be a further "_"
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root alone")
def test_a_file_that_root_adds_to_stays_its_owners(tmp_path):
    file = tmp_path / "keys.json"
    add_key(file, "desk", ["read"])
    os.chown(file, 12_345, 12_346)
    add_key(file, "board", ["read"])
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) == (12_345, 12_346, 0o600)


def test_a_key_is_compared_in_constant_time_known_or_not(file, given, monkeypatch):
    compared, really = [], hmac.compare_digest

    def compare(one, other):
        compared.append((len(one), len(other)))
        return really(one, other)

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    keys = Keys.read(file)
    for key in (given["read"][:-1] + "x", "bml_" + "0" * 16 + "_" + "x" * 43, "nonsense", "", "x" * 10_000):
        with pytest.raises(Refusal) as refused:
            keys.principal(key)
        assert refused.value.kind == "unauthorised"
        assert (key or "bml_") not in str(refused.value)
    assert compared == [(32, 32)] * 5


def test_one_wrong_letter_anywhere_is_another_key(file, given):
    keys = Keys.read(file)
    key = given["forecast"]
    assert keys.principal(key).name == "of-forecast"
    for at in range(len(key)):
        wrong = key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :]
        with pytest.raises(Refusal):
            keys.principal(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"keys": 1}',
        '{"keys": [{"name": "a"}]}',
        '{"keys": [{"name": "a", "id": "b", "scopes": ["all"], "salt": "00", "sha256": "00"}]}',
        '{"keys": [{"name": "a", "id": "b", "scopes": ["read"], "salt": "zz", "sha256": "00"}]}',
        '{"keys": [{"name": "a", "id": "b", "scopes": ["read"], "salt": "00000000000000000000000000000000", "sha256": "00"}]}',
    ],
)
def test_a_file_of_keys_that_is_none_is_refused_whole(tmp_path, text):
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(InputError):
        Keys.read(file)


def test_a_name_is_given_once_and_scopes_are_known_ones(tmp_path):
    file = tmp_path / "keys.json"
    add_key(file, "desk", ["stream", "forecast"])
    assert json.loads(file.read_text())["keys"][0]["scopes"] == ["forecast", "stream"]
    for name, scopes in (("desk", ["read"]), ("a b", ["read"]), ("x", []), ("x", ["all"])):
        with pytest.raises(InputError):
            add_key(file, name, scopes)


def test_each_key_has_a_rate_of_its_own(plane, asking, file, given):
    now = [time.monotonic()]  # on which the plane's deadlines are too
    ask = asking(plane, Rim(keys=Keys.read(file), limits=Limits(rate=2.0, burst=3), clock=lambda: now[0]))

    def status(scope, path):
        return ask.get(path, headers=headers(given[scope])).status

    assert [status("read", "/v1/models") for _ in range(5)] == [200, 200, 200, 429, 429]
    assert status("stream", "/v1/models/logistic/streams/none") == 404
    refused = ask.get("/v1/models", headers=headers(given["read"]))
    assert refused.headers["retry-after"] == "1"
    now[0] += 0.5
    assert [status("read", "/v1/models") for _ in range(2)] == [200, 429]
    now[0] -= 1.0
    assert status("read", "/v1/models") == 429
    assert ask.get("/v1/health").status == 200
