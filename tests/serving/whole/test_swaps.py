"""Versions that are published, promoted to and fro, and bad ones among them, while clients ask all the time: no request fails."""

import json
import pickle
import time
from itertools import cycle
from pathlib import Path

import grpc
import pytest

from barmill.bundles import promote, publish
from barmill.bundles.manifest import MANIFEST, SEAL, list_files, seal_of
from barmill.serving.grpc.protocol import barmill_pb2 as pb
from barmill.serving.grpc.protocol.barmill_pb2_grpc import BarmillStub

pytestmark = pytest.mark.xdist_group("whole servers")

FORECAST, PUSH = "/v1/models/logistic/forecast", "/v1/models/logistic/streams/{}/bars"


@pytest.fixture(scope="module")
def files(files_of):
    """Of good versions, each of another model."""
    return [files_of("logistic", version, seed) for version, seed in (("1.2.3", 7), ("1.2.4", 8), ("1.2.5", 9), ("1.3.0", 10))]


@pytest.fixture(scope="module")
def models(files, tmp_path_factory):
    """A folder of models with the first of them."""
    folder = tmp_path_factory.mktemp("models")
    publish(files[0], folder, "logistic")
    return folder


@pytest.fixture(scope="module")
def server(serving, models, tmp_path_factory):
    return serving("--models", models, grpc_port=0, state=str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="module")
def truth(files, truth_of, tmp_path_factory):
    beside = tmp_path_factory.mktemp("beside")
    return truth_of([publish(one, beside, "logistic") for one in files], n_bars=1_200)


def champion(client):
    (found,) = [one for one in client.get("/v1/models/logistic/versions").json()["versions"] if "champion" in one["aliases"]]
    return found["number"]


def refusal(client, number):
    """Why a version is not served; empty while it is, or is not known."""
    known = client.get("/v1/models/logistic/versions").json()["versions"]
    return next((one["reason"] for one in known if one["number"] == number and one["state"] == "unavailable"), "")


class Client:
    """Asks over HTTP and gRPC, and holds every answer to the version that it names.

    answered : how often, by version; until : the bar before which a stream waits, so that some are left for every version
    """

    def __init__(self, server, truth):
        self.server, self.http, self.channel, self.truth = server, server.client(), grpc.insecure_channel(server.grpc), truth
        self.stub, self.answered, self.row, self.until = BarmillStub(self.channel), {}, truth.history, truth.history + 10
        self.rows = cycle(range(truth.history, truth.history + 50))

    def count(self, answer):
        assert not answer["degraded"], answer
        assert self.truth.agrees(answer), answer
        self.answered[answer["version"]] = self.answered.get(answer["version"], 0) + 1

    def forecast(self):
        """From features: which have no time, and are known by the row that they are of."""
        opened = int(self.truth.bars.open_time[next(self.rows)])
        reply = self.http.post(FORECAST, json={"features": self.truth.features[opened]})
        assert reply.status_code == 200, reply.text
        self.count(reply.json() | {"open_time": [opened]})

    def push(self, stream):
        """The next bar of a stream."""
        if self.waits():
            return
        reply = self.http.post(PUSH.format(stream), json=self.truth.bar(self.row))
        assert reply.status_code == 200, reply.text
        self.count(reply.json())
        self.row += 1

    def push_by_grpc(self, stream):
        if self.waits():
            return
        bar = {name: [value] for name, value in self.truth.bar(self.row).items()}
        said = self.stub.PushBar(pb.PushBarRequest(model=pb.Model(name="logistic"), stream=stream, bars=pb.Bars(**bar)), timeout=60)
        self.count(
            {
                "degraded": said.degraded,
                "version": said.version,
                "digest": said.digest,
                "open_time": list(said.open_time),
                "forecast": {column.name: list(column.values) for column in said.columns},
            }
        )
        self.row += 1

    def waits(self):
        time.sleep(0.01)
        return self.row >= self.until

    def warm(self, stream):
        reply = self.http.post(PUSH.format(stream), json=self.truth.many(0, self.truth.history))
        assert reply.status_code == 200, reply.text
        return self

    def sees_champion(self, number):
        self.server.until(lambda: champion(self.http) == number, f"{number} is not the champion")

    def answers_by(self, version):
        return self.answered.get(version, 0)

    def is_answered_by(self, version, before):
        """before : how many answers by it there were when it was first looked"""
        self.server.until(lambda: self.answers_by(version) > before + 3, f"{version} does not answer")

    def sees_refused(self, number, words):
        told = self.server.until(lambda: refusal(self.http, number), f"{number} is not refused")
        assert any(word in told for word in words), (number, told)

    def close(self):
        self.http.close()
        self.channel.close()


@pytest.fixture
def clients(server, truth):
    made = [Client(server, truth) for _ in range(4)]
    yield made
    for client in made:
        client.close()


def test_while_versions_are_swapped_every_answer_is_that_of_the_version_it_names_and_streams_go_on(server, models, files, clients, asking):
    asked, streamed, by_grpc, operator = clients
    streamed.warm("over-http")
    by_grpc.warm("over-grpc")

    def swap(change, number):
        for one in (streamed, by_grpc):
            one.until += 30  # while it is swapped
        change()
        operator.sees_champion(number)
        version = f"1.2.{number + 2}"
        before = [one.answers_by(version) for one in (asked, streamed, by_grpc)]
        for one in (streamed, by_grpc):  # which get no more bars than these before the next swap
            one.until += 10
        for one, counted in zip((asked, streamed, by_grpc), before, strict=True):
            one.is_answered_by(version, counted)

    with asking() as ask:
        ask(asked.forecast)
        ask(lambda: streamed.push("over-http"))
        ask(lambda: by_grpc.push_by_grpc("over-grpc"))
        for number, one in enumerate(files[1:3], 2):
            swap(lambda one=one: publish(one, models, "logistic"), number)
        for number in (1, 3, 2, 1, 3):
            swap(lambda number=number: promote(models / "logistic", number), number)
    for client in (asked, streamed, by_grpc):
        assert set(client.answered) == {"1.2.3", "1.2.4", "1.2.5"}
    for client in (streamed, by_grpc):
        assert client.row - client.truth.history == sum(client.answered.values())
    assert len(server.told("swapped")) == 1 + 2 + 5


def flipped(files):
    weights = next(path for path in files if path.startswith("weights/"))
    data = bytearray(files[weights])
    data[len(data) // 2] ^= 1
    return {**files, weights: bytes(data)}


def whole(files, **changed):
    """The files with some changed, and a manifest that agrees with them."""
    rest = {path: data for path, data in {**files, **changed}.items() if path not in (MANIFEST, SEAL)}
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = [{"path": one.path, "sha256": one.sha256, "size": one.size} for one in list_files(rest)]
    return sealed(rest, manifest)


def sealed(rest, manifest):
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return {**rest, MANIFEST: data, SEAL: seal_of(data)}


def escaping(files):
    rest = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)}
    manifest = json.loads(files[MANIFEST])
    manifest["files"][0]["path"] = "weights/../../../../etc/passwd"
    return sealed(rest, manifest)


def drop(files, folder: Path):
    """Copy a version into its place as anybody might, file by file."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def test_bad_versions_are_shown_with_their_reason_answers_go_on_and_the_next_good_one_is_served(
    server, models, files, files_of, clients, asking
):
    asked, operator = clients[:2]
    bad = {
        11: (flipped(files[0]), ["SHA-256"]),
        12: (whole(files[0], **{"weights/model.pkl": pickle.dumps({"a": 1})}), ["weights contradicts"]),
        13: (escaping(files[0]), ["passwd"]),
        14: (files_of("lightgbm", "1.9.0"), ["not compatible"]),
    }
    with asking() as ask:
        ask(asked.forecast)
        for number, (one, _) in bad.items():
            drop(one, models / "logistic" / str(number))
        for number, (_, words) in bad.items():
            operator.sees_refused(number, words)
        index = operator.http.post("/v2/repository/index", json={}).json()
        assert {one["state"] for one in index if one.get("reason")} == {"UNAVAILABLE"}
        publish(files[3], models, "logistic")
        operator.sees_champion(15)
        asked.is_answered_by("1.3.0", 0)
