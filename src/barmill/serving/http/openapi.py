"""The document of the interface, OpenAPI 3.1: bodies from the types that decode them, and what every route answers."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import barmill
from barmill.serving.aliases import ALIASES
from barmill.serving.http.bodies import BAR_FIELDS
from barmill.serving.http.openapi_links import with_links
from barmill.serving.http.openapi_schemas import FINITE, TEXT, Json, object_of, ref, schemas
from barmill.serving.http.routing import NAME, STREAM, VERSION

_BAR: Json = {"open_time": 1690848000000, "open": 1.1012, "high": 1.1015, "low": 1.101, "close": 1.1014, "volume": 42.0}
_COLUMNS: Json = {name: [_BAR[name], _BAR[name] + (60_000 if name == "open_time" else 0)] for name in BAR_FIELDS}
_ROW: Json = {"log_return_1": 0.0002, "rsi_14": 55.1}

_SAID = {
    400: "No JSON, a key twice, a number that is none, or too deep.",
    401: "No key, or none that is known.",
    403: "The key has not the scope, or the host or origin is another's.",
    404: "There is no such model, version, stream or route.",
    408: "The body did not come in time.",
    409: "The bar is a duplicate of other values, out of order, or after a gap; or the version cannot stand where it is put.",
    412: "Another version would answer than the header `X-Model-Revision` asks for.",
    413: "More bytes or rows than the limits.",
    415: "Another content type or encoding than JSON as it is.",
    422: "JSON that the model's schema does not ask for; `field` names what.",
    429: "More requests than the rate allows.",
    500: "No model of the chain gave an answer that may be given out.",
    503: "Not ready, overloaded, or shutting down; try again.",
    504: "Not answered before the deadline.",
}
_REVISION = "The header `X-Model-Revision`, a digest or its first twelve digits or more, lets no other version answer."
_READING = (400, 401, 403, 404, 429, 503, 504)
_WRITING = (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504)


@cache
def document() -> Json:
    """The whole document, the same for every server."""
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
            "schemas": schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "`barmill serve-key` makes one."}},
        },
        "security": [{}, {"key": []}],
    }


def _forecast_paths() -> Json:
    forecast = _operation(
        "Forecast from bars or features",
        "forecast",
        ref("Answer"),
        (*_WRITING, 412),
        body=ref("ForecastBody"),
        examples={"bars": {"bars": [_BAR], "last": 1}, "columns": {"bars": _COLUMNS}, "features": {"features": _ROW}},
    )
    push = _operation(
        "Push closed bars to a named stream",
        "stream",
        ref("Answer"),
        (*_WRITING, 409, 412),
        body=ref("PushBody"),
        examples={"one": _BAR, "many": {"bars": _COLUMNS}},
    )
    classify = _operation(
        "Which chart pattern a picture or bars show, of a model of patterns",
        "forecast",
        ref("Classification"),
        (*_WRITING, 412),
        body=ref("ClassifyBody"),
        examples={"bars": {"bars": _COLUMNS}},
    )
    alike = _operation(
        "What became of the times in training that looked most alike",
        "forecast",
        ref("Neighbours"),
        (*_WRITING, 412),
        body=ref("NearestBody"),
        examples={"embedding": {"embed": [0.125] * 64, "k": 20, "before": _BAR["open_time"]}},
    )
    predictions = {"type": "array", "items": {"type": "object", "additionalProperties": FINITE}}
    predict = _operation(
        "Forecast from features, as KServe's first protocol has it",
        "forecast",
        {"type": "object", "required": ["predictions"], "properties": {"predictions": predictions}},
        (*_WRITING, 412),
        body=ref("PredictBody"),
        examples={"rows": {"instances": [_ROW]}},
    )
    stream = {
        "get": _operation("Where a stream stands", "stream", ref("Stream"), (*_READING, 409, 422)),
        "delete": _operation("Forget a stream", "stream", ref("Stream"), (*_READING, 409, 422)),
    }
    return {
        **_versioned("/v1/models/{model}", "/forecast", {"post": forecast}),
        **_versioned("/v1/models/{model}", "/classify", {"post": classify}),
        **_versioned("/v1/models/{model}", "/nearest", {"post": alike}),
        **_versioned("/v1/models/{model}", "/streams/{stream}/bars", {"post": push}),
        **_versioned("/v1/models/{model}", "/streams/{stream}", stream),
        **_with_parameters({"/v1/models/{model}:predict": {"post": predict}, "/v1/predict": {"post": predict}}),
    }


def _model_paths() -> Json:
    schema = _operation("What it takes, with units and ranges, and gives", "read", {"type": "object"}, _READING)
    about = object_of({"name": TEXT, "version": TEXT, "ready": {"type": "boolean"}, "outputs": {"type": "array", "items": TEXT}})
    versions = object_of({"model": TEXT, "versions": {"type": "array", "items": ref("Version")}})
    models = object_of({"models": {"type": "array", "items": TEXT}})
    aliases = _operation("Canary, shadow and fallback, and which versions they are", "read", ref("Aliases"), _READING)
    examples = {"canary": {"version": "1.3.0", "share": 0.1}, "fallback": {"version": "ridge@champion"}}
    give = _managing("Give an alias to a version, on a server with --manage", "AliasBody", examples, optional=False)
    take = _operation("Take an alias away, on a server with --manage", "manage", {"type": "object"}, (*_READING, 422))
    return {
        "/v1/models": {"get": _operation("Names of the models", "read", models, (400, 401, 403, 429))},
        **_with_parameters(
            {
                "/v1/models/{model}": {"get": _operation("The version that answers", "read", about, _READING)},
                "/v1/models/{model}/aliases": {"get": aliases},
                "/v1/models/{model}/aliases/{alias}": {"put": give, "delete": take},
                "/v1/models/{model}/versions": {"get": _operation("Every version that is known", "read", versions, _READING)},
                "/v1/models/{model}/versions/{version}": {"get": _operation("One version", "read", ref("Version"), _READING)},
            }
        ),
        **_versioned("/v1/models/{model}", "/schema", {"get": schema}),
    }


def _inference_paths() -> Json:
    tensor = {"name": "features", "shape": [1, 2], "datatype": "FP64", "data": [0.0002, 55.1]}
    reply = object_of({"model_name": TEXT, "outputs": {"type": "array", "items": {"type": "object"}}})
    infer = _operation(
        "Inference",
        "forecast",
        reply,
        (*_WRITING, 409, 412),
        body=ref("InferBody"),
        examples={"features": {"id": "1", "inputs": [tensor]}},
        binary=True,
    )
    metadata = object_of(dict.fromkeys(("name", "platform"), TEXT) | {"inputs": {"type": "array"}, "outputs": {"type": "array"}})
    index = {"type": "array", "items": object_of(dict.fromkeys(("name", "version", "state", "reason"), TEXT))}
    ready = _operation("Whether it is ready", "read", {"type": "object"}, _READING)
    listed = _operation(
        "Every version that is known",
        "read",
        index,
        _WRITING,
        body=ref("IndexBody"),
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


def _managing(said: str, body: str = "LoadBody", examples: Mapping[str, Any] | None = None, *, optional: bool = True) -> Json:
    shown = examples or {"plain": {}}
    return _operation(said, "manage", {"type": "object"}, (*_WRITING, 409), body=ref(body), examples=shown, optional=optional)


def _server_paths() -> Json:
    live = object_of({"live": {"type": "boolean"}})
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
    responses = {"200": answered} | {str(status): _answer(_SAID[status], ref("Error")) for status in sorted(statuses)}
    operation: Json = {"summary": summary, "responses": responses}
    if scope is None:
        operation["security"] = []
    else:
        operation["description"] = f"A key needs the scope `{scope}`, where keys are asked for."
    if 412 in statuses:
        answered["headers"] = {"X-Model-Revision": {"description": "Digest of the bundle that answered.", "required": True, "schema": TEXT}}
        operation["description"] += f" {_REVISION}"
    if body is not None:
        shown = {name: {"value": value} for name, value in (examples or {}).items()}
        operation["requestBody"] = {"required": not optional, "content": {"application/json": {"schema": body, "examples": shown}}}
    return operation


def _answer(said: str, schema: Json) -> Json:
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _versioned(before: str, after: str, methods: Json) -> Json:
    """The route with and without a version."""
    return _with_parameters({f"{before}{after}": methods, f"{before}/versions/{{version}}{after}": methods})


_PATH: dict[str, Json] = {
    **{name: TEXT | {"pattern": f"^{one.pattern}$"} for name, one in (("model", NAME), ("version", VERSION), ("stream", STREAM))},
    "alias": TEXT | {"enum": list(ALIASES)},
}


def _with_parameters(paths: Json) -> Json:
    return {path: methods | {"parameters": _parameters(path)} if "{" in path else methods for path, methods in paths.items()}


def _parameters(path: str) -> list[Json]:
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in _PATH.items() if f"{{{name}}}" in path]


__all__ = ["document"]
