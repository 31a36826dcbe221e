"""The service `barmill.v1.Barmill`: forecasts and streams as /v1 over HTTP has them, and chart patterns with their neighbours."""

import numpy as np

from barmill.serving.grpc.method import Call, Method, Scope, Service, parsed
from barmill.serving.grpc.own_messages import (
    bar_of,
    bars_of,
    classification_of,
    features_of,
    forecasts_of,
    image_of,
    neighbours_of,
)
from barmill.serving.grpc.protocol import barmill_pb2 as pb
from barmill.serving.patterns import DEFAULT_K, classify_bars, classify_image, nearest
from barmill.serving.refusals import Refusal


def _forecast(call: Call[pb.ForecastRequest]) -> pb.Forecasts:
    request = call.request
    ask, given = call.of(request.model.name, request.model.version), request.WhichOneof("given")
    if given is None:
        raise Refusal("invalid", "nothing_given", "bars", "are missing, as are features", expected="one of the two")
    if given == "bars":
        return forecasts_of(call.plane.forecast_bars(ask, bars_of(request.bars), request.last or 1))
    if request.last:
        raise Refusal("invalid", "wrong_parameter", "last", "is given with features", expected="bars with it")
    return forecasts_of(call.plane.forecast(ask, *features_of(request.features)))


def _forecast_quick(call: Call[pb.ForecastRequest]) -> bool:
    request = call.request
    n_rows = len(request.bars.open_time) if request.WhichOneof("given") == "bars" else (*request.features.shape, 0)[0]
    return call.is_quick(request.model.name, request.model.version, n_rows)


def _push(call: Call[pb.PushBarRequest]) -> pb.Forecasts:
    request = call.request
    ask, bars = call.of(request.model.name, request.model.version), bars_of(request.bars)
    if not request.stream:
        raise Refusal("invalid", "nothing_given", "stream", "has no name", expected="the name of a stream")
    if not len(bars.open_time):
        raise Refusal("invalid", "no_bars", "bars", "there is none", expected="at least one")
    if len(bars.open_time) > 1:
        return forecasts_of(call.plane.extend(ask, request.stream, bars))
    return forecasts_of(call.plane.push(ask, request.stream, bar_of(bars)))


def _push_quick(call: Call[pb.PushBarRequest]) -> bool:
    request = call.request
    return call.is_quick(request.model.name, request.model.version, len(request.bars.open_time), request.stream)


def _forecast_scope(_: object) -> tuple[Scope, ...]:
    return ("forecast",)


def _stream_scope(_: object) -> tuple[Scope, ...]:
    return ("stream",)


def _classify(call: Call[pb.Image]) -> pb.Classification:
    request = call.request
    ask, given = call.of(request.model.name, request.model.version), request.WhichOneof("given")
    if given == "pixels":
        found = classify_image(call.plane, ask, image_of(request.pixels))
    elif given == "bars":
        found = classify_bars(call.plane, ask, bars_of(request.bars, volume=False))
    else:
        raise Refusal("invalid", "nothing_given", "pixels", "are missing, as are bars", expected="one of the two")
    return classification_of(found)


def _nearest(call: Call[pb.NearestRequest]) -> pb.Neighbours:
    request = call.request
    ask, before = call.of(request.model.name, request.model.version), request.before if request.HasField("before") else None
    embed = np.array(request.embed, dtype=np.float32)
    return neighbours_of(nearest(call.plane, ask, embed, request.k or DEFAULT_K, before))


SERVICE = Service(
    "barmill.v1.Barmill",
    (
        Method("Forecast", lambda data: parsed(pb.ForecastRequest, data), _forecast_scope, _forecast, _forecast_quick),
        Method("PushBar", lambda data: parsed(pb.PushBarRequest, data), _stream_scope, _push, _push_quick),
        Method("Classify", lambda data: parsed(pb.Image, data), _forecast_scope, _classify),
        Method("Nearest", lambda data: parsed(pb.NearestRequest, data), _forecast_scope, _nearest),
    ),
)

__all__ = ["SERVICE"]
