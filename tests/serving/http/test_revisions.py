"""Answers say which bundle made them in a header, and a request can ask for that one alone."""

import orjson
import pytest

from barmill.serving.answers import Ask
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.streams import Streams

pytestmark = pytest.mark.xdist_group("small served bundles")

HEADER = "x-model-revision"


class Served:
    """Two versions, the first the champion, behind an application."""

    def __init__(self, asking, served_of, making):
        self.table = ModelTable()
        self.first, self.second = served_of("logistic", "1.2.3", 1), served_of("logistic", "1.2.4", 2, seed=8)
        self.table.install(self.first, champion=True)
        self.table.install(self.second, champion=False)
        self.plane = Plane(self.table, Streams())
        self.ask = asking(self.plane)
        table = self.first.bundle.plan.compute(self.first.bundle.golden_bars.bars)
        self.row = dict(zip(table.names, table.values[-1].tolist(), strict=True))
        bars = making.walk(300, seed=3)
        names = ("open_time", "open", "high", "low", "close", "volume")
        self.bars = {"bars": {name: getattr(bars, name).tolist() for name in names}}
        values = {"name": "features", "shape": [1, len(self.row)], "datatype": "FP64", "data": list(self.row.values())}
        self.tensors = {"inputs": [values], "parameters": {"schema_hash": self.first.bundle.manifest.schema_hash}}

    def requests(self):
        """Every route that answers with a forecast, and a body for it."""
        forecast = {"features": self.row}
        return {
            "/v1/models/logistic/forecast": forecast,
            "/v1/models/logistic/streams/a/bars": self.bars,
            "/v1/models/logistic:predict": {"instances": [self.row]},
            "/v1/predict": {"instances": [self.row]},
            "/v2/models/logistic/infer": self.tensors,
            "/v2/predict": self.tensors,
        }


@pytest.fixture
def served(served_of, making, asking):
    made = Served(asking, served_of, making)
    yield made
    made.ask.application.close()
    made.plane.close(5.0)


def wanted(digest):
    return [(HEADER.encode(), digest.encode())]


def test_every_answer_names_the_bundle_that_made_it_and_another_one_is_refused(served):
    for path, body in served.requests().items():
        digest = served.first.digest
        for headers in ((), wanted(digest), wanted(digest[:12])):
            drop(served)
            answered = served.ask.post(path, body, headers=headers)
            assert answered.status == 200, (path, answered.body)
            assert answered.headers[HEADER] == digest
            if "digest" in answered.json:
                assert answered.json["digest"] == digest
        drop(served)
        for other in (served.second.digest, digest[:11], digest[:12].upper(), "", "x" * 64):
            refused = served.ask.post(path, body, headers=wanted(other))
            assert (refused.status, refused.json["code"], refused.json["field"]) == (412, "other_revision", HEADER)
            assert HEADER not in refused.headers
        assert served.ask.get("/v1/models/logistic/streams/a").status == 404  # no bar was taken


def drop(served):
    served.ask("DELETE", "/v1/models/logistic/streams/a")


def test_a_version_that_is_swapped_between_question_and_answer_is_not_passed_off_as_the_other(served, monkeypatch):
    forecast = served.plane.forecast

    def swapped(ask: Ask, *args):
        served.table.set_champion("logistic", 2)
        return forecast(ask, *args)

    monkeypatch.setattr(served.plane, "forecast", swapped)
    path, body = "/v1/models/logistic/forecast", {"features": served.row}
    refused = served.ask.post(path, body, headers=wanted(served.first.digest))
    assert refused.status == 412
    assert served.second.digest[:12] in refused.json["error"]
    assert served.ask.post(path, body, headers=wanted(served.second.digest)).headers[HEADER] == served.second.digest


def test_tensors_as_bytes_name_the_bundle_too(served):
    body = {**served.tensors, "parameters": {**served.tensors["parameters"], "binary_data_output": True}}
    answered = served.ask.post("/v2/models/logistic/infer", body)
    assert answered.headers[HEADER] == served.first.digest
    head = answered.body[: int(answered.headers["inference-header-content-length"])]
    assert orjson.loads(head)["parameters"]["digest"] == served.first.digest
