"""Who stands beside the champion, said over HTTP: as the page on rolling out says it, with the usual refusals, and seen in the answers."""

import importlib.util
import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from barmill.pipeline.yaml_reading import read_yaml
from barmill.serving.http.application import Rim
from barmill.serving.http.keys import Keys, add_key
from barmill.serving.http.pages import Management, make_pages
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.server_config import ServerConfig
from barmill.serving.telemetry import Silent

PATH = "/v1/models/lightgbm/aliases"


class Pairs(Silent):
    def __init__(self):
        self.pairs = []

    def shadowed(self, model, primary, shadow):
        self.pairs.append((primary, shadow))


@pytest.fixture
def told():
    return Pairs()


@pytest.fixture
def table(served_of, told):
    """Serves `lightgbm` 1.2.3, 1.3.0 and 2.0.0, and `logistic`, which lacks an output of it."""
    table = ModelTable(telemetry=told)
    table.install(served_of("lightgbm", "1.2.3", 1), champion=True)
    table.install(served_of("lightgbm", "1.3.0", 2, seed=8), champion=False)
    table.install(served_of("lightgbm", "2.0.0", 3, seed=9), champion=False)
    table.install(served_of("logistic"), champion=True)
    return table


@pytest.fixture
def plane(table, told):
    return Plane(table, None, told)


@pytest.fixture
def key(tmp_path):
    return add_key(tmp_path / "keys.json", "operator", ["read", "manage", "forecast"])


@pytest.fixture
def ask(plane, table, asking, tmp_path, key):
    """Asks as the operator."""
    pages = make_pages(Management(print, print, table.assign))
    asked = asking(plane, Rim(keys=Keys.read(tmp_path / "keys.json"), pages=pages))
    return lambda method, path, body=None: asked(method, path, body, headers=[(b"authorization", f"Bearer {key}".encode())])


def blocks(remark, *languages):
    spec = importlib.util.spec_from_file_location("docs_pages", Path(__file__).parents[2] / "docs" / "pages.py")
    pages = importlib.util.module_from_spec(spec)
    sys.modules["docs_pages"] = pages  # dataclasses look their module up
    spec.loader.exec_module(pages)
    page = pages.DOCS / "how-to" / "roll-out-a-version.md"
    return [one.text for one in pages.blocks_of(page, *languages) if one.remark == remark]


def test_the_commands_of_the_page_do_what_it_says(ask, key):
    (commands,) = blocks("commands to a server", "sh")
    answers = []
    for line in commands.replace("\\\n", " ").splitlines():
        command, *words = shlex.split(line.replace("$KEY", key))
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        url = next(word for word in words if word.startswith("http://"))
        headers = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
        body = next((words[at + 1].encode() for at, word in enumerate(words) if word == "-d"), None)
        assert (command, f"Authorization: Bearer {key}" in headers) == ("curl", True)
        answers.append(ask(method, urlsplit(url).path, body))
    assert [answer.status for answer in answers] == [200, 200, 200]
    canary = answers[1].json["aliases"]["canary"]
    assert (canary["version"], canary["share"], canary["reason"]) == ("1.3.0", 0.1, "")
    assert (canary["by"]["model"], canary["by"]["version"], canary["by"]["number"]) == ("lightgbm", "1.3.0", 2)
    assert ask("GET", PATH).json == {"model": "lightgbm", "aliases": {}}


def test_the_configuration_of_the_page_gives_what_may_be_given(ask, table):
    (text,) = blocks("server configuration", "yml")
    for model, aliases in ServerConfig.of(read_yaml(text, "roll-out-a-version.md").value, "page").aliases.items():
        for alias, given in aliases.items():
            table.want(model, alias, given)
    said = ask("GET", PATH).json["aliases"]
    assert {alias: one["by"] and one["by"]["version"] for alias, one in said.items()} == {
        "canary": "1.3.0",
        "shadow": "2.0.0",
        "fallback": None,
    }
    assert "does not give E_r" in said["fallback"]["reason"]


def test_a_canary_answers_and_both_forecasts_are_recorded(ask, told, plane, table):
    assert ask("PUT", f"{PATH}/canary", {"version": "1.3.0", "share": 1}).status == 200
    champion = table.routes("lightgbm").find("1.2.3").served
    golden = champion.bundle.golden_bars
    values = champion.bundle.plan.compute(golden.bars).values[golden.rows[-1], champion.schema.positions]
    row = dict(zip(champion.schema.names, values.tolist(), strict=True))
    by_version = {
        version: ask("POST", f"/v1/models/lightgbm/versions/{version}/forecast", {"features": row}).json["forecast"]
        for version in ("1.2.3", "1.3.0")
    }
    assert by_version["1.2.3"] != by_version["1.3.0"]
    answer = ask("POST", "/v1/models/lightgbm/forecast", {"features": row}).json
    assert (answer["version"], answer["source"], answer["forecast"]) == ("1.3.0", "canary", by_version["1.3.0"])
    assert ask("DELETE", f"{PATH}/canary").status == 200
    assert ask("PUT", f"{PATH}/shadow", {"version": "1.3.0"}).status == 200
    answer = ask("POST", "/v1/models/lightgbm/forecast", {"features": row}).json
    assert (answer["version"], answer["source"], answer["forecast"]) == ("1.2.3", "champion", by_version["1.2.3"])
    assert plane.close(60.0)
    assert [(primary.version, shadow.version) for primary, shadow in told.pairs] == [("1.3.0", "1.2.3"), ("1.2.3", "1.3.0")]
    for pair in told.pairs:
        for one in pair:
            assert {name: column.tolist() for name, column in one.columns.items()} == by_version[one.version]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "canary", {"version": "9.9.9", "share": 0.1}, 404, "model_version"),
        ("PUT", "canary", {"version": "2.0.0", "share": 0.1}, 409, "version"),
        ("PUT", "fallback", {"version": "logistic@champion"}, 409, "version"),
        ("PUT", "fallback", {"version": "nobody@champion"}, 404, "model"),
        ("PUT", "fallback", {"version": "1.3.0", "share": 0.5}, 422, "share"),
        ("PUT", "canary", {"version": "logistic@1.2.3", "share": 0.1}, 422, "version"),
        ("PUT", "canary", {"version": "1.3.0"}, 422, "share"),
        ("PUT", "canary", {"version": "1.3.0", "share": 0}, 422, "share"),
        ("PUT", "canary", {"version": "1.3.0", "share": 1.01}, 422, "share"),
        ("PUT", "canary", {"version": "1.3.0", "share": -1}, 422, "share"),
        ("PUT", "canary", {"version": "1.3.0", "share": "0.1"}, 422, "share"),
        ("PUT", "canary", {"version": "1.3.0", "share": True}, 422, "share"),
        ("PUT", "canary", {"version": 3, "share": 0.1}, 422, "version"),
        ("PUT", "canary", {"version": "", "share": 0.1}, 422, "version"),
        ("PUT", "canary", {"share": 0.1}, 422, "body"),
        ("PUT", "canary", {"version": "1.3.0", "share": 0.1, "path": "/tmp"}, 422, "body"),
        ("PUT", "canary", b'{"version": "1.3.0", "version": "1.2.3", "share": 0.1}', 400, "version"),
        ("PUT", "canary", b'{"version": "1.3.0", "share": NaN}', 400, "body"),
        ("PUT", "canary", b'{"version": "1.3.0", "share": 1e999}', 400, "share"),
        ("PUT", "canary", b"[" * 100, 400, "body"),
        ("PUT", "canary", b"", 400, "body"),
        ("PUT", "canry", {"version": "1.3.0", "share": 0.1}, 422, "alias"),
        ("DELETE", "canry", None, 422, "alias"),
        ("PUT", "champion", {"version": "1.3.0", "share": 0.1}, 422, "alias"),
        ("POST", "canary", {"version": "1.3.0", "share": 0.1}, 405, "method"),
        ("GET", "canary", None, 405, "method"),
    ],
    ids=str,
)
def test_what_cannot_be_given_is_refused_by_the_field_and_changes_nothing(ask, method, path, body, status, field):
    assert ask("PUT", f"{PATH}/canary", {"version": "1.3.0", "share": 0.25}).status == 200
    before = ask("GET", PATH).json
    answered = ask(method, f"{PATH}/{path}", body)
    assert (answered.status, set(answered.json), answered.json["field"]) == (status, {"error", "code", "field"}, field), answered.body
    assert ask("GET", PATH).json == before


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/nobody/aliases/canary",
        "/v1/models/lightgbm/versions/1.3.0/aliases/canary",
        "/v1/models/lightgbm/versions/1.3.0/aliases",
        "/v1/models/lightgbm/aliases/canary/x",
        "/v1/models/../aliases/canary",
        "/v2/models/lightgbm/aliases/canary",
    ],
)
def test_there_are_no_other_ways_to_them(ask, path):
    for method, body in (("PUT", {"version": "1.3.0", "share": 0.1}), ("DELETE", None)):
        answered = ask(method, path, body)
        assert (answered.status, set(answered.json)) == (404, {"error", "code", "field"})


def test_on_a_server_that_is_not_managed_they_are_told_and_not_given(plane, table, asking):
    table.assign("lightgbm", "shadow", "1.3.0", 0.5)
    ask = asking(plane, Rim(pages=make_pages(None)))
    assert ask.get(PATH).json["aliases"]["shadow"]["share"] == 0.5
    assert ask("PUT", f"{PATH}/shadow", {"version": "1.3.0"}).status == 403  # by the scope, which nobody has without a key
