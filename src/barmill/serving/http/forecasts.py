"""The routes of /v1: forecasts from bars and features, streams, models and their schemas."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from barmill.serving.answers import Answer, Ask
from barmill.serving.contract import Forecasting, Readiness
from barmill.serving.http.bodies import Bodies, ForecastBody, bar_of
from barmill.serving.http.model_pages import about, aliases_json, schema_json
from barmill.serving.http.pattern_routes import PatternRoutes
from barmill.serving.http.replies import answer_json, headers_of, json_reply, listed, stream_json, version_json
from barmill.serving.http.routing import Endpoint, Request, Routes, Work
from barmill.serving.http.statuses import Reply
from barmill.serving.refusals import Refusal

Ready = Callable[[str | None, str | None], Readiness]


def nowhere_else(_model: str, _stream: str) -> bool:
    """Of one process alone: every stream is its own."""
    return False


class Forecasts:
    """Answers /v1 over a plane.

    Parameters
    ----------
    bodies : decoders
    readiness : of all champions, or of one model or version
    elsewhere : whether another process keeps a stream, so that its answer is waited for
    """

    def __init__(self, plane: Forecasting, bodies: Bodies, readiness: Ready, elsewhere: Callable[[str, str], bool] = nowhere_else) -> None:
        self._plane = plane
        self._readiness = readiness
        self._bodies = bodies
        self._elsewhere = elsewhere
        self._long: Counter[tuple[str | None, str]] = Counter()  # streams that a thread is extending, for which the loop must not wait
        self._lock = threading.Lock()

    @property
    def routes(self) -> Routes:
        """Endpoints by pattern and method."""
        predict = Endpoint(self._predict, "forecast", body=True)
        return {
            "/v1/health": {"GET": Endpoint(lambda _: _told({"live": True}))},
            "/v1/ready": {"GET": Endpoint(self._ready)},
            "/v1/models": {"GET": Endpoint(self._models, "read")},
            "/v1/models/*": {"GET": Endpoint(self._model, "read")},
            "/v1/models/*/ready": {"GET": Endpoint(self._ready)},
            "/v1/models/*/versions": {"GET": Endpoint(self._versions, "read")},
            "/v1/models/*/aliases": {"GET": Endpoint(self._aliases, "read")},
            "/v1/models/*/schema": {"GET": Endpoint(self._schema, "read")},
            "/v1/models/*/forecast": {"POST": Endpoint(self._forecast, "forecast", body=True)},
            **PatternRoutes(self._plane, self._bodies).routes,
            "/v1/models/*/:predict": {"POST": predict},
            "/v1/predict": {"POST": predict},
            "/v1/models/*/streams/*": {"GET": Endpoint(self._stream, "stream"), "DELETE": Endpoint(self._drop, "stream")},
            "/v1/models/*/streams/*/bars": {"POST": Endpoint(self._push, "stream", body=True)},
        }

    def _forecast(self, request: Request) -> Work:
        body = self._bodies.forecast(request.body)
        if (body.bars is UNSET) == (body.features is UNSET):
            raise Refusal("invalid", "invalid_body", "body", "says neither bars nor features, or both", expected="one of the two")
        return self._of_bars(request, body) if body.features is UNSET else self._of_features(request, body)

    def _of_bars(self, request: Request, body: ForecastBody) -> Work:
        assert body.bars is not UNSET
        for name in ("names", "schema_hash"):
            if getattr(body, name) is not UNSET:
                raise Refusal("invalid", "invalid_body", name, "is given with bars", expected="bars, and last")
        bars = self._bodies.bars(body.bars)
        last = 1 if body.last is UNSET else body.last
        if not 1 <= last <= max(len(bars.open_time), 1):
            raise Refusal("invalid", "invalid_last", "last", f"is {last:.20g}", expected="from 1 to the number of bars")
        ask = request.ask
        return Work(False, lambda: _answered(self._plane.forecast_bars(ask, bars, last)))

    def _of_features(self, request: Request, body: ForecastBody) -> Work:
        assert body.features is not UNSET
        if body.last is not UNSET:
            raise Refusal("invalid", "invalid_body", "last", "is given with features", expected="features, and names or schema_hash")
        ask, names = request.ask, None if body.names is UNSET else body.names
        features = self._bodies.features(body.features, names)
        if features.names is None and body.schema_hash is UNSET:
            mend = "Send features by name, or names, or the schema_hash that /v1/models/NAME/schema says, by which the order is meant."
            raise Refusal("invalid", "order_unknown", "features", "come without names", mend=mend)
        if body.schema_hash is not UNSET:
            self._check_hash(ask, body.schema_hash)
        inline = len(features.values) == 1 and self._inline(ask)
        return Work(inline, lambda: _answered(self._plane.forecast(ask, features.values, features.names)))

    def _predict(self, request: Request) -> Work:
        features = self._bodies.features(self._bodies.predict(request.body).instances, None, "instances")
        ask = request.ask

        def call() -> Reply:
            answer = self._plane.forecast(ask, features.values, features.names)
            columns = listed(answer.columns)
            rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
            who = {"model_name": answer.model, "model_version": answer.version, "source": answer.source, "degraded": answer.degraded}
            return json_reply({"predictions": rows, **who}, headers=headers_of(answer.digest))

        return Work(len(features.values) == 1 and self._inline(ask), call)

    def _push(self, request: Request) -> Work:
        body = self._bodies.push(request.body)
        ask, stream = request.ask, request.stream
        if "bars" in body:
            return self._extend(request, body)
        bar = bar_of(body)
        near = not self._elsewhere(request.model or "", stream) and not self._long[request.model, stream]
        return Work(near and self._inline(ask), lambda: _answered(self._plane.push(ask, stream, bar)))

    def _extend(self, request: Request, body: dict[str, Any]) -> Work:
        if len(body) > 1 or not isinstance(body["bars"], list | dict):
            raise Refusal("invalid", "invalid_body", "bars", "is no list of bars, or not alone", expected="one bar, or bars alone")
        bars = self._bodies.bars(body["bars"])
        ask, stream = request.ask, request.stream
        key = (ask.model, stream)

        def call() -> Reply:
            with self._lock:
                self._long[key] += 1
            try:
                return _answered(self._plane.extend(ask, stream, bars))
            finally:
                with self._lock:
                    self._long[key] -= 1
                    if not self._long[key]:
                        del self._long[key]

        return Work(False, call)

    def _stream(self, request: Request) -> Work:
        return Work(False, lambda: json_reply(stream_json(self._plane.stream(request.ask, request.stream))))

    def _drop(self, request: Request) -> Work:
        return Work(False, lambda: json_reply(stream_json(self._plane.drop(request.ask, request.stream))))

    def _ready(self, request: Request) -> Work:
        found = self._readiness(request.model, request.version)
        return _told({"ready": found.ready, "reasons": found.reasons}, 200 if found.ready else 503)

    def _models(self, request: Request) -> Work:
        del request
        return _told({"models": sorted({status.model for status in self._plane.index()})})

    def _model(self, request: Request) -> Work:
        if request.version is not None:
            return self._versions(request)
        ready = self._readiness(request.model, None).ready
        return _told(about(self._plane, request.ask) | {"ready": ready})

    def _versions(self, request: Request) -> Work:
        known = [status for status in self._plane.index() if status.model == request.model]
        if request.version is not None:
            number = next((status.number for status in known if request.version in (status.version, str(status.number))), None)
            if number is None:
                with self._plane.lease(request.ask) as served:  # "latest" and "v1"; refuses a version that there is not
                    number = served.number
            return _told(next(version_json(status) for status in known if status.number == number))
        if not known:
            with self._plane.lease(request.ask):  # which refuses a model that there is not, and says which there are
                pass
        return _told({"model": request.model, "versions": [version_json(status) for status in known]})

    def _aliases(self, request: Request) -> Work:
        assert request.model is not None
        return _told(aliases_json(request.model, self._plane.aliases(request.model)))

    def _schema(self, request: Request) -> Work:
        return _told(schema_json(self._plane, request.ask))

    def _inline(self, ask: Ask) -> bool:
        with self._plane.lease(ask) as served:
            return served.inline

    def _check_hash(self, ask: Ask, offered: str) -> None:
        with self._plane.lease(ask) as served:
            wanted = served.bundle.manifest.schema_hash
        if offered != wanted:
            mend = "Build the features of this version."
            raise Refusal("invalid", "wrong_schema", "schema_hash", f"is {offered[:64]}", expected=wanted, mend=mend)


def _answered(answer: Answer) -> Reply:
    return json_reply(answer_json(answer), headers=headers_of(answer.digest))


def _told(value: dict[str, Any], status: int = 200) -> Work:
    return Work(True, lambda: json_reply(value, status))


__all__ = ["Forecasts", "Ready", "nowhere_else"]
