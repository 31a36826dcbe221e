"""Barmill's own service says what the plane says: forecasts, patterns and neighbours."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import grpc
import numpy as np
import pytest

from barmill.bundles import Bundle
from barmill.serving.answers import Answer, Ask, RawBars, StreamStatus
from barmill.serving.grpc.protocol import barmill_pb2 as pb
from barmill.serving.grpc.protocol.barmill_pb2_grpc import BarmillStub
from barmill.serving.model_table import ModelTable
from barmill.serving.patterns import classify_bars, nearest
from barmill.serving.plane import Plane
from barmill.serving.served import warm
from barmill.views import PatternImage

pytestmark = pytest.mark.xdist_group("a bundle of patterns")


@pytest.fixture(scope="module")
def both(plane: Plane, pattern_bundle: Bundle, load: Callable[..., Bundle]) -> Plane:
    """Serves `logistic` and `pattern_cnn`."""
    table = ModelTable()
    for bundle in (load("logistic"), pattern_bundle):
        table.install(warm(bundle, 1), champion=True)
    return Plane(table)


@pytest.fixture(scope="module")
def stub(both: Plane, run: Callable[..., Any]) -> Any:
    with run(both) as server, server.channel() as channel:
        yield BarmillStub(channel)


def message_of(bars: Any, n: int, *, volume: bool = True) -> pb.Bars:
    chosen = bars.slice(len(bars) - n, len(bars))
    columns = {name: getattr(chosen, name).tolist() for name in ("open_time", "open", "high", "low", "close", "volume")}
    if not volume:
        del columns["volume"]
    return pb.Bars(**columns)


def picture(value: float) -> bytes:
    """Pixels of a picture in which one is `value`."""
    image = np.full((64, 64, 3), 0.5, dtype=np.float32)
    image[3, 5, 1] = value
    return image.tobytes()


LOGISTIC, PATTERNS = pb.Model(name="logistic"), pb.Model(name="pattern_cnn")


def test_bars_are_forecast_as_the_bundle_forecasts_them(stub: Any, load: Callable[..., Bundle], making: ModuleType) -> None:
    bars, bundle = making.walk(900, seed=11), load("logistic")
    reply = stub.Forecast(pb.ForecastRequest(model=LOGISTIC, bars=message_of(bars, 900), last=3))
    expected = bundle.forecast(bars).frame.tail(3)
    assert {one.name: list(one.values) for one in reply.columns} == {name: expected[name].to_list() for name in bundle.outputs}
    assert (list(reply.open_time), list(reply.known_at)) == (expected["open_time"].to_list(), expected["known_at"].to_list())
    assert (reply.source, reply.degraded, reply.digest, reply.number) == ("champion", False, bundle.digest, 1)


def test_features_are_forecast_by_name_in_any_order(stub: Any, both: Plane, load: Callable[..., Bundle]) -> None:
    bundle = load("logistic")
    table = bundle.plan.compute(bundle.golden_bars.bars)
    values = table.values[np.flatnonzero(table.ready)[-2:]]
    expected = both.forecast(Ask("logistic"), np.ascontiguousarray(values))
    for names, columns in ((), slice(None)), (table.names[::-1], slice(None, None, -1)):
        features = pb.Features(names=names, shape=values.shape, values=values[:, columns].ravel().tolist())
        reply = stub.Forecast(pb.ForecastRequest(model=LOGISTIC, features=features))
        for one in reply.columns:
            np.testing.assert_array_equal(one.values, expected.columns[one.name])
        assert not reply.open_time


@pytest.mark.parametrize(
    ("method", "request_of", "field", "code"),
    [
        ("Forecast", lambda bars: pb.ForecastRequest(model=LOGISTIC), "bars", "INVALID_ARGUMENT"),
        ("Forecast", lambda bars: pb.ForecastRequest(model=LOGISTIC, bars=pb.Bars(open_time=[1])), "bars.open", "INVALID_ARGUMENT"),
        (
            "Forecast",
            lambda bars: pb.ForecastRequest(model=LOGISTIC, features=pb.Features(shape=[2, 2])),
            "features.values",
            "INVALID_ARGUMENT",
        ),
        (
            "Forecast",
            lambda bars: pb.ForecastRequest(model=LOGISTIC, features=pb.Features(shape=[1], values=[1.0]), last=1),
            "last",
            "INVALID_ARGUMENT",
        ),
        ("Forecast", lambda bars: pb.ForecastRequest(model=LOGISTIC, bars=message_of(bars, 50)), "bars", "INVALID_ARGUMENT"),
        ("Forecast", lambda bars: pb.ForecastRequest(model=pb.Model(name="x"), bars=message_of(bars, 5)), "model", "NOT_FOUND"),
        ("PushBar", lambda bars: pb.PushBarRequest(model=LOGISTIC, bars=message_of(bars, 1)), "stream", "INVALID_ARGUMENT"),
        ("PushBar", lambda bars: pb.PushBarRequest(model=LOGISTIC, stream="s"), "bars", "INVALID_ARGUMENT"),
        ("Classify", lambda bars: pb.Image(model=PATTERNS), "pixels", "INVALID_ARGUMENT"),
        ("Classify", lambda bars: pb.Image(model=PATTERNS, pixels=bytes(7)), "pixels", "INVALID_ARGUMENT"),
        (
            "Classify",
            lambda bars: pb.Image(model=PATTERNS, pixels=np.full(64 * 64 * 3, 2.0, dtype=np.float32).tobytes()),
            "image[0][0][0]",
            "INVALID_ARGUMENT",
        ),
        ("Classify", lambda bars: pb.Image(model=PATTERNS, bars=message_of(bars, 83)), "bars", "INVALID_ARGUMENT"),
        ("Classify", lambda bars: pb.Image(model=PATTERNS, pixels=picture(np.nan)), "image[3][5][1]", "INVALID_ARGUMENT"),
        ("Classify", lambda bars: pb.Image(model=PATTERNS, pixels=picture(-0.01)), "image[3][5][1]", "INVALID_ARGUMENT"),
        ("Classify", lambda bars: pb.Image(model=PATTERNS, pixels=picture(0.5) + bytes(4)), "pixels", "INVALID_ARGUMENT"),
        ("Nearest", lambda bars: pb.NearestRequest(model=PATTERNS, embed=[1.0] * 63), "embed", "INVALID_ARGUMENT"),
        ("Nearest", lambda bars: pb.NearestRequest(model=PATTERNS, embed=[float("nan")] * 64), "embed", "INVALID_ARGUMENT"),
        ("Classify", lambda bars: pb.Image(model=LOGISTIC, bars=message_of(bars, 84)), "model", "NOT_FOUND"),
        ("Nearest", lambda bars: pb.NearestRequest(model=PATTERNS), "embed", "INVALID_ARGUMENT"),
        ("Nearest", lambda bars: pb.NearestRequest(model=PATTERNS, embed=[0.0] * 64), "embed", "INVALID_ARGUMENT"),
        ("Nearest", lambda bars: pb.NearestRequest(model=PATTERNS, embed=[1.0] * 64, k=-1), "k", "INVALID_ARGUMENT"),
    ],
)
def test_what_is_wrong_is_refused_by_the_field(
    stub: Any, making: ModuleType, method: str, request_of: Callable[[Any], Any], field: str, code: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        getattr(stub, method)(request_of(making.walk(900, seed=11)))
    assert refused.value.code() is grpc.StatusCode[code]
    assert dict(refused.value.trailing_metadata())["barmill-field"] == field


@pytest.mark.parametrize(
    ("method", "request_of"),
    [
        ("Forecast", lambda bars: pb.ForecastRequest(model=LOGISTIC, bars=message_of(bars, 500))),
        ("Classify", lambda bars: pb.Image(model=PATTERNS, bars=message_of(bars, 84))),
        ("Nearest", lambda _: pb.NearestRequest(model=PATTERNS, embed=[1.0] * 64)),
    ],
    ids=["Forecast", "Classify", "Nearest"],
)
def test_a_call_may_name_the_only_bundle_that_is_to_answer_it(
    stub: Any, both: Plane, making: ModuleType, method: str, request_of: Callable[[Any], Any]
) -> None:
    request = request_of(making.walk(900, seed=11))
    with both.lease(Ask(request.model.name)) as served:
        digest = served.bundle.digest
    for wanted in (digest, digest[:12]):
        assert getattr(stub, method)(request, metadata=[("x-model-revision", wanted)]).digest == digest
    for other in ("0" * 12, digest[:11], ""):
        with pytest.raises(grpc.RpcError) as refused:
            getattr(stub, method)(request, metadata=[("x-model-revision", other)])
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        told = dict(refused.value.trailing_metadata())
        assert (told["barmill-code"], told["barmill-field"]) == ("other_revision", "x-model-revision")


def test_a_pattern_by_picture_is_that_by_bars_without_volume(stub: Any, both: Plane, making: ModuleType) -> None:
    bars = making.walk(900, seed=11)
    pixels = PatternImage.of(bars, [899]).gather([0], layout="channels_last").tobytes()
    by_image = stub.Classify(pb.Image(model=PATTERNS, pixels=pixels))
    by_bars = stub.Classify(pb.Image(model=PATTERNS, bars=message_of(bars, 900, volume=False)))
    assert by_image == by_bars
    values = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    expected = classify_bars(both, Ask("pattern_cnn"), RawBars(bars.open_time.copy(), values))
    assert (by_image.pattern, by_image.quality, by_image.pole_kATR) == (expected.pattern, expected.quality, expected.pole_kATR)
    np.testing.assert_array_equal(by_image.embed, expected.embed)
    assert dict(by_image.probabilities) == expected.probabilities


def test_neighbours_come_nearest_first_and_not_from_the_future(stub: Any, both: Plane, pattern_bundle: Bundle) -> None:
    kept = pattern_bundle.neighbours
    assert kept is not None
    embed, before = kept.embed[200], int(kept.known_at[100])
    reply = stub.Nearest(pb.NearestRequest(model=PATTERNS, embed=embed.tolist(), before=before))
    expected = nearest(both, Ask("pattern_cnn"), embed, 20, before)
    assert (reply.sim_conf, reply.hist_rr_pct) == (expected.sim_conf, expected.hist_rr_pct)
    assert [one.open_time for one in reply.neighbours] == expected.open_time.tolist()
    assert max(one.known_at for one in reply.neighbours) < before
    assert len(stub.Nearest(pb.NearestRequest(model=PATTERNS, embed=embed.tolist(), k=3)).neighbours) == 3


class Pushed:
    """A plane that keeps what was pushed."""

    def __init__(self, plane: Plane) -> None:
        self._plane, self.calls = plane, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def push(self, ask: Ask, stream: str, bar: Any) -> Answer:
        self.calls.append((ask.model, stream, bar))
        status = StreamStatus(stream, "logistic", "warming", 1, 79, bar.open_time)
        return Answer("logistic", "1.2.3", 1, "d", {"p_up": np.empty(0)}, np.empty(0, np.int64), np.empty(0, np.int64), stream=status)

    def extend(self, ask: Ask, stream: str, bars: Any) -> Answer:
        self.calls.append((ask.model, stream, len(bars.open_time)))
        return Answer("logistic", "1.2.3", 1, "d", {"p_up": np.ones(1)}, np.ones(1, np.int64), np.ones(1, np.int64))


def test_one_bar_is_pushed_and_many_extend(plane: Plane, run: Callable[..., Any], making: ModuleType) -> None:
    bars, pushed = making.walk(30), Pushed(plane)
    with run(pushed) as server, server.channel() as channel:
        stub = BarmillStub(channel)
        reply = stub.PushBar(pb.PushBarRequest(model=LOGISTIC, stream="s", bars=message_of(bars, 1)))
        stub.PushBar(pb.PushBarRequest(stream="s", bars=message_of(bars, 20)))
    assert pushed.calls == [("logistic", "s", bars.bar(29)), (None, "s", 20)]
    assert (reply.stream.state, reply.stream.missing_bars, reply.stream.last_open_time) == ("warming", 79, bars.open_time[-1])
    assert list(reply.columns[0].values) == []
