"""Patterns and neighbours over HTTP and gRPC: one table of cases, the same bits, the same refusals; counted, and behind the breaker."""

import asyncio
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pytest

from barmill.bundles import Bundle
from barmill.market import Bars
from barmill.serving.answers import Ask
from barmill.serving.grpc.method import Call, nowhere_else
from barmill.serving.grpc.own import SERVICE
from barmill.serving.grpc.protocol import barmill_pb2 as pb
from barmill.serving.http.application import Application
from barmill.serving.metrics import Metrics
from barmill.serving.model_table import ModelTable
from barmill.serving.patterns import classify_image
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel, warm
from barmill.serving.settings import PlaneSettings
from barmill.views import PatternImage

pytestmark = pytest.mark.xdist_group("a bundle of patterns")

METHODS = {method.name: method for method in SERVICE.methods}
NAMES = ("open_time", "open", "high", "low", "close", "volume")


class Both:
    """A plane that serves `pattern_cnn` and `logistic`, asked by either protocol."""

    def __init__(self, bundle: Bundle, other: ServedModel, **settings: Any) -> None:
        self.metrics, told = Metrics(), PlaneSettings(**settings)
        self.table = ModelTable(told, self.metrics)
        self.served = warm(bundle, 1, told)
        self.table.install(self.served, champion=True)
        self.table.install(other, champion=True)
        self.plane = Plane(self.table, None, self.metrics, told)
        self.application = Application(self.plane)

    def http(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and body."""
        status, _, said = self.asked(path, body)
        return status, said

    def asked(self, path: str, body: Any, revision: str | None = None) -> tuple[int, dict[bytes, bytes], Any]:
        """Status, headers and body, of a request that may name the only bundle that is to answer."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        messages, sent = [{"type": "http.request", "body": data, "more_body": False}], []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
        if revision is not None:
            headers.append((b"x-model-revision", revision.encode()))
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1)}
        asyncio.run(self.application(scope, receive, send))
        return sent[0]["status"], dict(sent[0]["headers"]), orjson.loads(sent[1]["body"])

    def grpc(self, method: str, request: Any) -> Any:
        """The answer, or the refusal, as it is made before it becomes a status."""
        found = METHODS[method]
        return found.answer(Call(self.plane, Ask(), found.read(request.SerializeToString()), nowhere_else))

    def metric(self, line: str) -> float:
        page = self.metrics.render().decode().splitlines()
        return sum(float(one.rpartition(" ")[2]) for one in page if one.startswith(line))


@pytest.fixture(scope="module")
def made(pattern_bundle: Bundle, served_of: Callable[..., ServedModel]) -> Callable[..., Both]:
    return lambda **settings: Both(pattern_bundle, served_of("logistic"), **settings)


@pytest.fixture(scope="module")
def both(made: Callable[..., Both]) -> Both:
    return made()


@pytest.fixture(scope="module")
def bars(making: ModuleType) -> Bars:
    return making.walk(300, seed=23)


def columns(bars: Bars, *, volume: bool = True) -> dict[str, list[Any]]:
    return {name: getattr(bars, name).tolist() for name in NAMES if volume or name != "volume"}


def objects(bars: Bars) -> list[dict[str, Any]]:
    told = columns(bars)
    return [dict(zip(told, values, strict=True)) for values in zip(*told.values(), strict=True)]


def said(message: pb.Classification) -> dict[str, Any]:
    """The message as HTTP says it."""
    return {
        "model": message.model,
        "version": message.version,
        "digest": message.digest,
        "pattern": message.pattern,
        "probabilities": dict(message.probabilities),
        "quality": message.quality,
        "pole_kATR": message.pole_kATR,
        "embed": list(message.embed),
    }


def neighbours(message: pb.Neighbours) -> dict[str, Any]:
    names = ("open_time", "known_at", "cosine", "pattern", "quality", "realised_R")
    return {
        "model": message.model,
        "version": message.version,
        "digest": message.digest,
        "sim_conf": message.sim_conf,
        "hist_rr_pct": message.hist_rr_pct,
        "neighbours": [{name: getattr(one, name) for name in names} for one in message.neighbours],
    }


@pytest.mark.parametrize("path", ["/v1/models/pattern_cnn/classify", "/v1/models/pattern_cnn/versions/v1/classify"])
def test_what_stands_in_a_picture_is_the_same_bits_by_either_protocol(both: Both, bars: Bars, path: str) -> None:
    model = pb.Model(name="pattern_cnn", version="v1" if "versions" in path else "")
    for end in (90, 150, 300):
        part = bars.slice(0, end)
        image = PatternImage.of(part, [end - 1]).gather([0], layout="channels_last")[0]
        expected = said(both.grpc("Classify", pb.Image(model=model, bars=pb.Bars(**columns(part)))))
        assert expected == said(both.grpc("Classify", pb.Image(model=model, pixels=image.tobytes())))
        assert sum(expected["probabilities"].values()) == pytest.approx(1.0)
        for body in (
            {"bars": columns(part)},
            {"bars": columns(part, volume=False)},
            {"bars": objects(part)},
            {"image": image.tolist()},
        ):
            assert both.http(path, body) == (200, expected)


@pytest.mark.parametrize("fields", [{}, {"k": 1}, {"k": 1000}, {"k": 5, "before": 1_600_000_020_000 + 3_600_000}, {"before": 0}], ids=str)
def test_the_times_that_looked_alike_are_the_same_bits_by_either_protocol(both: Both, fields: dict[str, int]) -> None:
    for seed in (1, 2):
        embed = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
        message = both.grpc("Nearest", pb.NearestRequest(model=pb.Model(name="pattern_cnn"), embed=embed, **fields))
        status, answered = both.http("/v1/models/pattern_cnn/nearest", {"embed": embed.tolist(), **fields})
        assert (status, answered) == (200, neighbours(message))
        assert len(answered["neighbours"]) == {1: 1, 1000: 300, 5: 5}.get(fields.get("k", 0), 0 if "before" in fields else 20)


def test_an_answer_names_its_bundle_in_a_header_and_a_request_the_only_one_that_is_to_answer(both: Both, bars: Bars) -> None:
    digest = both.served.digest
    for path, body in (("classify", {"bars": columns(bars)}), ("nearest", {"embed": [1.0] * 64})):
        for wanted in (None, digest, digest[:12]):
            status, headers, answered = both.asked(f"/v1/models/pattern_cnn/{path}", body, wanted)
            assert (status, headers[b"x-model-revision"].decode(), answered["digest"]) == (200, digest, digest)
        status, headers, answered = both.asked(f"/v1/models/pattern_cnn/{path}", body, "0" * 12)
        assert (status, answered["code"], answered["field"]) == (412, "other_revision", "x-model-revision")
        assert b"x-model-revision" not in headers


def _image(value: float) -> np.ndarray[Any, Any]:
    image = np.full((64, 64, 3), 0.5, dtype=np.float32)
    image[3, 5, 1] = value
    return image


def _refusals(bars: Bars) -> list[tuple[str, Any, Any]]:
    """The same question by both protocols, which both refuse alike."""
    ok, plain, gone = pb.Model(name="pattern_cnn"), pb.Model(name="logistic"), pb.Model(name="pattern_cnn", version="9.9.9")
    few = columns(bars.slice(0, 83))
    back = columns(bars) | {"open_time": bars.open_time[::-1].tolist()}
    ones = [1.0] * 64
    return [
        ("pattern_cnn/classify", {"image": _image(1.5).tolist()}, pb.Image(model=ok, pixels=_image(1.5).tobytes())),
        ("pattern_cnn/classify", {"image": _image(-0.5).tolist()}, pb.Image(model=ok, pixels=_image(-0.5).tobytes())),
        ("pattern_cnn/classify", {"bars": few}, pb.Image(model=ok, bars=pb.Bars(**few))),
        ("pattern_cnn/classify", {"bars": back}, pb.Image(model=ok, bars=pb.Bars(**back))),
        ("pattern_cnn/classify", {"bars": {name: [] for name in NAMES}}, pb.Image(model=ok, bars=pb.Bars())),
        ("logistic/classify", {"bars": columns(bars)}, pb.Image(model=plain, bars=pb.Bars(**columns(bars)))),
        ("nobody/classify", {"bars": few}, pb.Image(model=pb.Model(name="nobody"), bars=pb.Bars(**few))),
        ("pattern_cnn/nearest", {"embed": [0.0] * 64}, pb.NearestRequest(model=ok, embed=[0.0] * 64)),
        ("pattern_cnn/nearest", {"embed": ones[:63]}, pb.NearestRequest(model=ok, embed=ones[:63])),
        ("pattern_cnn/nearest", {"embed": [1e300, *ones[1:]]}, pb.NearestRequest(model=ok, embed=[float("inf"), *ones[1:]])),
        ("pattern_cnn/nearest", {"embed": ones, "k": -1}, pb.NearestRequest(model=ok, embed=ones, k=-1)),
        ("pattern_cnn/nearest", {"embed": ones, "k": 1001}, pb.NearestRequest(model=ok, embed=ones, k=1001)),
        ("logistic/nearest", {"embed": ones}, pb.NearestRequest(model=plain, embed=ones)),
        ("pattern_cnn/versions/9.9.9/nearest", {"embed": ones}, pb.NearestRequest(model=gone, embed=ones)),
    ]


def test_both_protocols_refuse_alike(both: Both, bars: Bars) -> None:
    for path, body, request in _refusals(bars):
        with pytest.raises(Refusal) as refused:
            both.grpc("Classify" if isinstance(request, pb.Image) else "Nearest", request)
        wanted = refused.value
        status, answered = both.http(f"/v1/models/{path}", body)
        assert status == {"invalid": 422, "not_found": 404}[wanted.kind], (path, answered)
        assert answered == {"error": str(wanted), "code": wanted.code, "field": wanted.place}


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("classify", {}, 422, "body"),
        ("classify", {"image": [], "bars": []}, 422, "body"),
        ("classify", {"image": [[[0.5, 0.5], [0.5]]]}, 422, "image"),
        ("classify", {"image": [[[0.5, "a"]]]}, 422, "image[0][0][1]"),
        ("classify", {"image": [[[True]]]}, 422, "image[0][0][0]"),
        ("classify", {"image": [[[None]]]}, 422, "image[0][0][0]"),
        ("classify", {"image": [[[[0.5]]]]}, 422, "image[0][0][0]"),
        ("classify", {"image": [[[1e300]]]}, 422, "image"),
        ("classify", b'{"image": [[[1e999]]]}', 400, "image[0][0][0]"),
        ("classify", b'{"image": [[[NaN]]]}', 400, "body"),
        ("classify", b'{"image": [], "image": []}', 400, "image"),
        ("classify", {"picture": []}, 422, "body"),
        ("classify", {"bars": {"open": [1.0]}}, 422, "bars.open_time"),
        ("nearest", {}, 422, "body"),
        ("nearest", {"embed": "x"}, 422, "embed"),
        ("nearest", {"embed": [None]}, 422, "embed[0]"),
        ("nearest", {"embed": [1.0] * 64, "k": 2.5}, 422, "k"),
        ("nearest", {"embed": [1.0] * 64, "k": 0}, 422, "k"),
        ("nearest", {"embed": [1.0] * 64, "before": 1.5}, 422, "before"),
        ("nearest", b'{"embed": [1.0], "before": 99999999999999999999}', 422, "before"),
        ("nearest", {"embed": [1.0] * 64, "more": 1}, 422, "body"),
    ],
    ids=str,
)
def test_a_body_that_is_none_is_refused_by_the_field(both: Both, path: str, body: Any, status: int, field: str) -> None:
    found, answered = both.http(f"/v1/models/pattern_cnn/{path}", body)
    assert (found, set(answered), answered["field"]) == (status, {"error", "code", "field"}, field), answered


def test_they_are_counted_as_forecasts_are(made: Callable[..., Both], bars: Bars) -> None:
    both = made()
    for _ in range(3):
        both.http("/v1/models/pattern_cnn/classify", {"bars": columns(bars)})
    both.http("/v1/models/pattern_cnn/nearest", {"embed": [1.0] * 64})
    both.http("/v1/models/pattern_cnn/nearest", {"embed": [0.0] * 64})
    both.http("/v1/models/logistic/nearest", {"embed": [1.0] * 64})
    version = 'model="pattern_cnn",version="1.2.3"'
    assert both.metric('barmill_inference_requests_total{model="pattern_cnn",outcome="ok",version="1.2.3"}') == 4
    assert both.metric(f"barmill_inference_duration_seconds_count{{{version}}}") == 4
    assert both.metric('barmill_refusals_total{code="wrong_embed",kind="invalid",model="pattern_cnn"}') == 1
    assert both.metric('barmill_refusals_total{code="no_patterns",kind="not_found",model="logistic"}') == 1
    assert both.plane.pending == 0


def test_a_model_that_fails_is_not_asked_for_a_while_and_says_nothing_of_itself(
    made: Callable[..., Both], bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = made(breaker_failures=3)
    pipeline = type(both.served.bundle.pipeline)
    really = pipeline.forecast_images
    image = {"image": _image(0.5).tolist()}

    def broken(self: Any, images: Any, **fields: Any) -> Any:
        raise RuntimeError("secret of the house")

    def infinite(self: Any, images: Any, **fields: Any) -> Any:
        return really(self, images, **fields) | {"quality": np.array([np.inf])}

    for fault, code in ((broken, "model_error"), (infinite, "not_finite"), (broken, "model_error")):
        monkeypatch.setattr(pipeline, "forecast_images", fault)
        status, answered = both.http("/v1/models/pattern_cnn/classify", image)
        assert (status, answered["code"]) == (500, code)
        assert "secret" not in answered["error"]
    monkeypatch.setattr(pipeline, "forecast_images", really)
    for path, body in (("classify", image), ("nearest", {"embed": [1.0] * 64})):
        status, answered = both.http(f"/v1/models/pattern_cnn/{path}", body)
        assert (status, answered["code"]) == (503, "breaker_open")
    assert not both.plane.readiness().ready
    assert both.metric('barmill_events_total{event="breaker_opened",level="error"}') == 1


def test_a_model_that_hangs_is_given_up_at_the_deadline(made: Callable[..., Both], monkeypatch: pytest.MonkeyPatch) -> None:
    both, gate = made(max_seconds=0.2), threading.Event()
    pipeline = type(both.served.bundle.pipeline)
    monkeypatch.setattr(pipeline, "forecast_images", lambda *_, **__: gate.wait(60))
    try:
        with pytest.raises(Refusal) as refused:
            classify_image(both.plane, Ask("pattern_cnn"), _image(0.5))
        assert (refused.value.kind, refused.value.code) == ("timed_out", "timed_out")
        assert both.served.stuck == 1
    finally:
        gate.set()
    assert both.plane.close(60)
