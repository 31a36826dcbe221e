"""A canary and a shadow that the configuration wants, published while two workers serve: both forecasts of each request are in the log."""

import shutil

import pytest

from barmill.bundles import promote, publish
from barmill.serving.peers import owner_of
from barmill.serving.shadow import drawn

pytestmark = pytest.mark.xdist_group("whole servers")

STREAMS = [f"s{number}" for number in range(8)]
BARS = 4
PUSH = "/v1/models/logistic/streams/{}/bars"


@pytest.fixture(scope="module")
def beside(files_of, tmp_path_factory):
    """Two versions, each of another model; other tests of whole servers have them too, so that their first loads may be known."""
    folder = tmp_path_factory.mktemp("beside")
    return [publish(files_of("logistic", version, seed), folder, "logistic") for version, seed in (("1.2.3", 7), ("1.3.0", 10))]


def test_what_a_configuration_wants_is_given_by_every_worker_once_it_is_published(serving, beside, truth_of, tmp_path):
    first, second = beside
    (tmp_path / "logistic").mkdir()
    shutil.copytree(first, tmp_path / "logistic" / "1")
    promote(tmp_path / "logistic", 1)
    aliases = {"canary": {"version": "1.3.0", "share": 0.5}, "shadow": {"version": "1.3.0"}}
    server = serving("--models", tmp_path, workers=2, aliases={"logistic": aliases})
    with server.client() as client:
        said = client.get("/v1/models/logistic/aliases").json()["aliases"]
        assert [(one["by"], "is served" in one["reason"]) for one in said.values()] == [(None, True)] * 2
        shutil.copytree(second, tmp_path / "logistic" / "2")
        server.until(lambda: len(server.told("assigned")) == 4)  # each of two, by each worker
        said = client.get("/v1/models/logistic/aliases").json()["aliases"]
        assert {alias: one["by"]["version"] for alias, one in said.items()} == {"canary": "1.3.0", "shadow": "1.3.0"}
        truth = truth_of(beside)
        answers = {stream: _followed(client, truth, stream) for stream in STREAMS}
    assert {owner_of("logistic", stream, 2) for stream in STREAMS} == {0, 1}
    by_canary = {stream for stream in STREAMS if drawn("logistic:canary", stream, 0.5)}
    assert 0 < len(by_canary) < len(STREAMS)
    for stream, said in answers.items():
        assert {(answer["source"], answer["version"]) for answer in said} == {
            ("canary", "1.3.0") if stream in by_canary else ("champion", "1.2.3")
        }
    server.until(lambda: len(server.told("shadowed")) == len(STREAMS) * BARS)
    rows = {version: truth.rows[digest] for version, digest in zip(("1.2.3", "1.3.0"), truth.rows, strict=True)}
    pairs = server.told("shadowed")
    assert {(one["source"], one["primary"], one["shadow"]) for one in pairs} == {
        ("canary", "1.3.0", "1.2.3"),
        ("champion", "1.2.3", "1.3.0"),
    }
    assert sum(one["source"] == "canary" for one in pairs) == len(by_canary) * BARS
    for one in pairs:
        (opened,) = one["open_time"]
        for who in ("primary", "shadow"):
            said = {name: one[f"{who}_{name}"] for name in rows["1.2.3"][opened]}
            assert said == {name: [value] for name, value in rows[one[who]][opened].items()}


def _followed(client, truth, stream):
    """The answers to some bars of a stream, each held to the version that it names."""
    assert client.post(PUSH.format(stream), json=truth.many(0, truth.history)).status_code == 200
    found = []
    for row in range(truth.history, truth.history + BARS):
        answer = client.post(PUSH.format(stream), json=truth.bar(row)).json()
        assert truth.agrees(answer), answer
        found.append(answer)
    return found
