"""The document of the interface, OpenAPI 3.1: bodies from the types that decode them, and what every route answers."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

import barmill
from barmill.serving.http.bodies import BAR_FIELDS, ForecastBody, PredictBody
from barmill.serving.http.open_inference import IndexBody, InferBody
from barmill.serving.http.openapi_links import with_links
from barmill.serving.http.routing import NAME, STREAM, VERSION

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_VERSION_TEXTS = ("model", "version", "digest", "state", "reason")
_FINITE: Json = {"type": "number"}
_TEXT: Json = {"type": "string"}
_TIME: Json = {"type": "integer", "format": "int64", "description": "UTC milliseconds"}

_BAR: Json = {"open_time": 1690848000000, "open": 1.1012, "high": 1.1015, "low": 1.101, "close": 1.1014, "volume": 42.0}
_COLUMNS: Json = {name: [_BAR[name], _BAR[name] + (60_000 if name == "open_time" else 0)] for name in BAR_FIELDS}
_ROW: Json = {"log_return_1": 0.0002, "rsi_14": 55.1}

_SAID = {
    400: "No JSON, a key twice, a number that is none, or too deep.",
    401: "No key, or none that is known.",
    403: "The key has not the scope, or the host or origin is another's.",
    404: "There is no such model, version, stream or route.",
    408: "The body did not come in time.",
    409: "The bar is a duplicate of other values, out of order, or after a gap.",
    413: "More bytes or rows than the limits.",
    415: "Another content type or encoding than JSON as it is.",
    422: "JSON that the model's schema does not ask for; `field` names what.",
    429: "More requests than the rate allows.",
    500: "No model of the chain gave an answer that may be given out.",
    503: "Not ready, overloaded, or shutting down; try again.",
    504: "Not answered before the deadline.",
}
_READING = (400, 401, 403, 404, 429, 503, 504)
_WRITING = (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504)


@cache
def document() -> Json:
    """The whole document, the same for every server."""
    types, components = msgspec.json.schema_components((ForecastBody, PredictBody, InferBody, IndexBody), ref_template=_REF)
    del types
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Barmill",
            "version": barmill.__version__,
            "summary": "Forecasts of verified bundles, from bars, streams of bars, or features.",
            "description": "Every refusal is `{error, code, field}`. No answer holds a number that is not finite.",
        },
        "paths": with_links({**_forecast_paths(), **_model_paths(), **_inference_paths(), **_server_paths()}),
        "components": {
            "schemas": {**components, **_schemas()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "`barmill serve-key` makes one."}},
        },
        "security": [{}, {"key": []}],
    }


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


def _schemas() -> Json:
    listed = {"type": "array", "items": _FINITE}
    stream = {
        "name": _TEXT,
        "model": _TEXT,
        "state": {"enum": ["warming", "live", "gapped", "stale"]},
        "bars_seen": {"type": "integer"},
        "missing_bars": {"type": "integer"},
        "last_open_time": {"type": ["integer", "null"]},
        "restored": {"type": "boolean"},
    }
    answer = {
        "model": _TEXT,
        "version": _TEXT,
        "number": {"type": "integer"},
        "digest": _TEXT,
        "source": {"enum": ["champion", "canary", "fallback", "prior"]},
        "degraded": {"type": "boolean"},
        "reason": _TEXT,
        "forecast": {"type": "object", "additionalProperties": listed},
    }
    more = {
        "open_time": {"type": "array", "items": _TIME},
        "known_at": {"type": "array", "items": _TIME},
        "notes": {"type": "array", "items": _TEXT},
        "stream": _ref("Stream"),
    }
    bar = {name: _TIME if name == "open_time" else _FINITE for name in BAR_FIELDS}
    bars = {
        "anyOf": [
            {"type": "array", "items": _ref("Bar")},
            {"type": "object", "required": list(BAR_FIELDS), "additionalProperties": {"type": "array", "items": _FINITE}},
        ]
    }
    parameters = {"type": "object", "properties": {"unload_dependents": {"type": "boolean"}}, "additionalProperties": False}
    alone = {"type": "object", "required": ["bars"], "properties": {"bars": bars}, "additionalProperties": False}
    return {
        "LoadBody": {"type": "object", "properties": {"parameters": parameters}, "additionalProperties": False},
        "Error": _object({"error": _TEXT, "code": _TEXT, "field": _TEXT}),
        "Stream": _object(stream),
        "Answer": _object(answer) | {"properties": answer | more},
        "Bar": {"type": "object", "required": list(BAR_FIELDS), "properties": bar, "additionalProperties": _FINITE},
        "PushBody": {"anyOf": [_ref("Bar"), alone], "description": "One closed bar, or many."},
        "Version": _object(
            dict.fromkeys(_VERSION_TEXTS, _TEXT) | {"number": {"type": "integer"}, "aliases": {"type": "array", "items": _TEXT}}
        ),
    }


def _object(properties: Mapping[str, Any]) -> Json:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def _forecast_paths() -> Json:
    forecast = _operation(
        "Forecast from bars or features",
        "forecast",
        _ref("Answer"),
        _WRITING,
        body=_ref("ForecastBody"),
        examples={"bars": {"bars": [_BAR], "last": 1}, "columns": {"bars": _COLUMNS}, "features": {"features": _ROW}},
    )
    push = _operation(
        "Push closed bars to a named stream",
        "stream",
        _ref("Answer"),
        (*_WRITING, 409),
        body=_ref("PushBody"),
        examples={"one": _BAR, "many": {"bars": _COLUMNS}},
    )
    predictions = {"type": "array", "items": {"type": "object", "additionalProperties": _FINITE}}
    predict = _operation(
        "Forecast from features, as KServe's first protocol has it",
        "forecast",
        {"type": "object", "required": ["predictions"], "properties": {"predictions": predictions}},
        _WRITING,
        body=_ref("PredictBody"),
        examples={"rows": {"instances": [_ROW]}},
    )
    stream = {
        "get": _operation("Where a stream stands", "stream", _ref("Stream"), (*_READING, 409, 422)),
        "delete": _operation("Forget a stream", "stream", _ref("Stream"), (*_READING, 409, 422)),
    }
    return {
        **_versioned("/v1/models/{model}", "/forecast", {"post": forecast}),
        **_versioned("/v1/models/{model}", "/streams/{stream}/bars", {"post": push}),
        **_versioned("/v1/models/{model}", "/streams/{stream}", stream),
        **_with_parameters({"/v1/models/{model}:predict": {"post": predict}, "/v1/predict": {"post": predict}}),
    }


def _model_paths() -> Json:
    schema = _operation("What it takes, with units and ranges, and gives", "read", {"type": "object"}, _READING)
    about = _object({"name": _TEXT, "version": _TEXT, "ready": {"type": "boolean"}, "outputs": {"type": "array", "items": _TEXT}})
    versions = _object({"model": _TEXT, "versions": {"type": "array", "items": _ref("Version")}})
    models = _object({"models": {"type": "array", "items": _TEXT}})
    return {
        "/v1/models": {"get": _operation("Names of the models", "read", models, (400, 401, 403, 429))},
        **_with_parameters(
            {
                "/v1/models/{model}": {"get": _operation("The version that answers", "read", about, _READING)},
                "/v1/models/{model}/versions": {"get": _operation("Every version that is known", "read", versions, _READING)},
                "/v1/models/{model}/versions/{version}": {"get": _operation("One version", "read", _ref("Version"), _READING)},
            }
        ),
        **_versioned("/v1/models/{model}", "/schema", {"get": schema}),
    }


def _inference_paths() -> Json:
    tensor = {"name": "features", "shape": [1, 2], "datatype": "FP64", "data": [0.0002, 55.1]}
    reply = _object({"model_name": _TEXT, "outputs": {"type": "array", "items": {"type": "object"}}})
    infer = _operation(
        "Inference",
        "forecast",
        reply,
        (*_WRITING, 409),
        body=_ref("InferBody"),
        examples={"features": {"id": "1", "inputs": [tensor]}},
        binary=True,
    )
    metadata = _object(dict.fromkeys(("name", "platform"), _TEXT) | {"inputs": {"type": "array"}, "outputs": {"type": "array"}})
    index = {"type": "array", "items": _object(dict.fromkeys(("name", "version", "state", "reason"), _TEXT))}
    ready = _operation("Whether it is ready", "read", {"type": "object"}, _READING)
    listed = _operation(
        "Every version that is known",
        "read",
        index,
        _WRITING,
        body=_ref("IndexBody"),
        examples={"ready": {"ready": True}},
        optional=True,
    )
    return {
        **_versioned("/v2/models/{model}", "/infer", {"post": infer}),
        **_versioned("/v2/models/{model}", "", {"get": _operation("Metadata of a model", "read", metadata, _READING)}),
        **_versioned("/v2/models/{model}", "/ready", {"get": ready}),
        "/v2/predict": {"post": infer},
        "/v2/repository/index": {"post": listed},
        **_with_parameters(
            {
                "/v2/repository/models/{model}/load": {"post": _managing("Load a model again from the folder of models")},
                "/v2/repository/models/{model}/unload": {"post": _managing("Serve a model no longer")},
            }
        ),
    }


def _managing(said: str) -> Json:
    return _operation(said, "manage", {"type": "object"}, _WRITING, body=_ref("LoadBody"), examples={"plain": {}}, optional=True)


def _server_paths() -> Json:
    live = _object({"live": {"type": "boolean"}})
    ready = {"type": "object", "required": ["ready"], "properties": {"ready": {"type": "boolean"}}}
    not_ready = {"503": _answer("Not every champion is loaded, or the server goes down.", ready)}
    paths: Json = {}
    for path, said, schema in (
        ("/v1/health", "Whether the process lives", live),
        ("/v2/health/live", "Whether the process lives", live),
        ("/v1/ready", "Whether every champion can answer", ready),
        ("/v2/health/ready", "Whether every champion can answer", ready),
        ("/v2", "Who this is", {"type": "object"}),
    ):
        operation = _operation(said, None, schema, (400, 403))
        if "ready" in path:
            operation["responses"] |= not_ready
        paths[path] = {"get": operation}
    return paths


def _operation(
    summary: str,
    scope: str | None,
    schema: Json,
    statuses: tuple[int, ...],
    *,
    body: Json | None = None,
    examples: Mapping[str, Any] | None = None,
    binary: bool = False,
    optional: bool = False,
) -> Json:
    """One method of one route. scope : that a key needs; None where none is"""
    answered = _answer("Answered.", schema)
    if binary:
        answered["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    responses = {"200": answered} | {str(status): _answer(_SAID[status], _ref("Error")) for status in sorted(statuses)}
    operation: Json = {"summary": summary, "responses": responses}
    if scope is None:
        operation["security"] = []
    else:
        operation["description"] = f"A key needs the scope `{scope}`, where keys are asked for."
    if body is not None:
        shown = {name: {"value": value} for name, value in (examples or {}).items()}
        operation["requestBody"] = {"required": not optional, "content": {"application/json": {"schema": body, "examples": shown}}}
    return operation


def _answer(said: str, schema: Json) -> Json:
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _versioned(before: str, after: str, methods: Json) -> Json:
    """The route with and without a version."""
    return _with_parameters({f"{before}{after}": methods, f"{before}/versions/{{version}}{after}": methods})


_PATTERNS = {"model": NAME, "version": VERSION, "stream": STREAM}


def _with_parameters(paths: Json) -> Json:
    return {path: methods | {"parameters": _parameters(path)} if "{" in path else methods for path, methods in paths.items()}


def _parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{pattern.pattern}$"}}
        for name, pattern in _PATTERNS.items()
        if f"{{{name}}}" in path
    ]


__all__ = ["document"]
