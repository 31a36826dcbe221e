"""One of two workers is killed: what it was answering is lost and nothing else, it comes back, and so do its streams."""

import os
import shutil
import signal
import time
from pathlib import Path

import httpx
import pytest

from barmill.bundles import publish
from barmill.serving.peers import owner_of

pytestmark = pytest.mark.xdist_group("whole servers")

FORECAST, STREAM = "/v1/models/logistic/forecast", "/v1/models/logistic/streams/{}"


@pytest.fixture(scope="module")
def folder(files_of, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    publish(files_of("logistic"), models, "logistic")
    return models


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def server(serving, folder, state):
    streams = {"snapshot_bars": 50, "snapshot_seconds": 600}
    return serving("--models", folder, "--workers", 2, state=str(state), streams=streams)


@pytest.fixture(scope="module")
def truth(folder, truth_of):
    return truth_of([folder / "logistic"])


def workers(server):
    """The processes of the workers, the first one first."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return sorted(map(int, children.split()))


def stream_of(worker):
    return next(name for name in (f"s{number}" for number in range(99)) if owner_of("logistic", name, 2) == worker)


class Client:
    """Asks for one forecast after another over a connection that it keeps. failed : when each request that failed was begun"""

    def __init__(self, server, truth):
        self.http, self.truth, self.answered, self.failed = server.client(), truth, 0, []
        self.time = int(truth.bars.open_time[truth.history])

    def ask(self):
        began = time.monotonic()
        try:
            reply = self.http.post(FORECAST, json={"features": self.truth.features[self.time]})
        except httpx.TransportError:
            self.failed.append(began)
            return
        assert reply.status_code == 200, reply.text
        assert self.truth.agrees(reply.json() | {"open_time": [self.time]})
        self.answered += 1


def push(client, truth, stream, rows):
    """The answers to these bars, one at a time."""
    found = []
    for row in rows:
        reply = client.post(f"{STREAM.format(stream)}/bars", json=truth.bar(row))
        assert reply.status_code == 200, reply.text
        found.append(reply.json())
    return found


def test_only_what_a_killed_worker_was_answering_fails_and_its_streams_go_on_to_the_bit(server, state, truth, asking):
    lost, kept = stream_of(0), stream_of(1)
    clients = [Client(server, truth) for _ in range(4)]
    with server.client() as client, asking() as ask:
        for stream in (lost, kept):
            client.post(f"{STREAM.format(stream)}/bars", json=truth.many(0, truth.history)).raise_for_status()
            server.until((state / "streams" / "logistic" / f"{stream}.stream").exists, "there is no snapshot")
        for answer in push(client, truth, lost, range(truth.history, truth.history + 5)):
            assert truth.agrees(answer)
        for one in clients:
            ask(one.ask)
        server.until(lambda: all(one.answered > 5 for one in clients))

        first, second = workers(server)
        os.kill(first, signal.SIGKILL)
        server.until(lambda: any("ended with signal SIGKILL" in line for line in server.lines), "nobody saw it die")
        dead = time.monotonic()
        with server.client() as other:  # to the worker that is left: the other one's streams go on
            assert truth.agrees(push(other, truth, kept, [truth.history])[0])
        server.until(lambda: any("worker 0 serves again" in line for line in server.lines), "it does not come back")
        before = [one.answered for one in clients]
        server.until(lambda: all(one.answered > asked + 5 for one, asked in zip(clients, before, strict=True)))
        assert second in workers(server)
        assert first not in workers(server)
        assert sum(len(one.failed) for one in clients) <= 2 * len(clients)
        assert [began for one in clients for began in one.failed if began > dead] == []

        with server.client() as client:
            said = client.get(STREAM.format(lost)).json()
            assert said["restored"]
            sent = truth.bars.open_time.tolist().index(said["last_open_time"]) + 1
            assert sent == truth.history  # what came after the snapshot is to be sent again
            for answer in push(client, truth, lost, range(sent, sent + 20)):
                assert answer["stream"]["state"] == "live"
                assert truth.agrees(answer)
            for answer in push(client, truth, kept, range(truth.history + 1, truth.history + 10)):
                assert truth.agrees(answer)
    for one in clients:
        one.http.close()


def test_every_worker_changes_over_or_none_does_and_none_answers_with_another_version_than_is_wanted(server, folder, files_of, truth):
    body = {"features": truth.features[int(truth.bars.open_time[truth.history])]}

    def answers(wanted=None):
        """Status and version of answers, each over a connection of its own, which the kernel gives to either worker."""
        found = set()
        for _ in range(16):
            with server.client() as client:
                reply = client.post(FORECAST, json=body, headers={} if wanted is None else {"X-Model-Revision": wanted})
                found.add((reply.status_code, reply.json().get("version")))
        return found

    def told(event, number):
        return len([one for one in server.told(event) if one["number"] == number])

    before = set(truth.rows)
    assert answers() == answers(*before) == {(200, "1.2.3")}
    good = publish(files_of("logistic", "1.2.4", 8), folder, "logistic")
    server.until(lambda: answers() == {(200, "1.2.4")}, "a worker does not serve it")
    server.until(lambda: told("swapped", 2) == 2)
    assert answers(*before) == {(412, None)}

    shutil.copytree(good, folder / "logistic" / "3")
    weights = folder / "logistic" / "3" / "weights" / "model.json"
    weights.write_bytes(weights.read_bytes()[:-1] + b" ")
    server.until(lambda: told("version_refused", 3) == 2, "a worker does not refuse it")
    publish(files_of("logistic", "1.2.5"), folder, "logistic")
    server.until(lambda: answers() == {(200, "1.2.5")}, "a worker does not serve what came after a bad one")
    assert told("swapped", 3) == 0
    assert told("version_refused", 3) == 2  # once a worker
