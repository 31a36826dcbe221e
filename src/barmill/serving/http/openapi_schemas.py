"""What the document of the interface calls its bodies and answers: those of types that decode them, and those that are written by hand."""

from collections.abc import Mapping
from typing import Any

import msgspec

from barmill.serving.aliases import ALIASES
from barmill.serving.http.bodies import BAR_FIELDS, AliasBody, ClassifyBody, ForecastBody, NearestBody, PredictBody
from barmill.serving.http.open_inference import IndexBody, InferBody

Json = dict[str, Any]

FINITE: Json = {"type": "number"}
TEXT: Json = {"type": "string"}
TIME: Json = {"type": "integer", "format": "int64", "description": "UTC milliseconds"}

_REF = "#/components/schemas/{name}"
_VERSION_TEXTS = ("model", "version", "digest", "state", "reason")
_BODIES = (ForecastBody, PredictBody, InferBody, IndexBody, AliasBody, ClassifyBody, NearestBody)


def ref(name: str) -> Json:
    """Where a schema stands."""
    return {"$ref": _REF.format(name=name)}


def object_of(properties: Mapping[str, Any]) -> Json:
    """An object that has all of `properties`."""
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def schemas() -> Json:
    """All of them, by name."""
    listed = {"type": "array", "items": FINITE}
    stream = {
        "name": TEXT,
        "model": TEXT,
        "state": {"enum": ["warming", "live", "gapped", "stale"]},
        "bars_seen": {"type": "integer"},
        "missing_bars": {"type": "integer"},
        "last_open_time": {"type": ["integer", "null"]},
        "restored": {"type": "boolean"},
    }
    answer = {
        "model": TEXT,
        "version": TEXT,
        "number": {"type": "integer"},
        "digest": TEXT,
        "source": {"enum": ["champion", "canary", "fallback", "prior"]},
        "degraded": {"type": "boolean"},
        "reason": TEXT,
        "forecast": {"type": "object", "additionalProperties": listed},
    }
    more = {
        "open_time": {"type": "array", "items": TIME},
        "known_at": {"type": "array", "items": TIME},
        "notes": {"type": "array", "items": TEXT},
        "stream": ref("Stream"),
    }
    bar = {name: TIME if name == "open_time" else FINITE for name in BAR_FIELDS}
    bars = {
        "anyOf": [
            {"type": "array", "items": ref("Bar")},
            {"type": "object", "required": list(BAR_FIELDS), "additionalProperties": {"type": "array", "items": FINITE}},
        ]
    }
    parameters = {"type": "object", "properties": {"unload_dependents": {"type": "boolean"}}, "additionalProperties": False}
    alone = {"type": "object", "required": ["bars"], "properties": {"bars": bars}, "additionalProperties": False}
    holder = dict.fromkeys(("model", "version", "digest"), TEXT) | {"number": {"type": "integer"}}
    alias = {"version": TEXT, "share": FINITE, "by": {"anyOf": [{"type": "null"}, object_of(holder)]}, "reason": TEXT}
    by_alias = {"type": "object", "propertyNames": {"enum": list(ALIASES)}, "additionalProperties": object_of(alias)}
    return {
        **msgspec.json.schema_components(_BODIES, ref_template=_REF)[1],
        "Aliases": object_of({"model": TEXT, "aliases": by_alias}),
        **_of_patterns(),
        "LoadBody": {"type": "object", "properties": {"parameters": parameters}, "additionalProperties": False},
        "Error": object_of({"error": TEXT, "code": TEXT, "field": TEXT}),
        "Stream": object_of(stream),
        "Answer": object_of(answer) | {"properties": answer | more},
        "Bar": {"type": "object", "required": list(BAR_FIELDS), "properties": bar, "additionalProperties": FINITE},
        "PushBody": {"anyOf": [ref("Bar"), alone], "description": "One closed bar, or many."},
        "Version": object_of(
            dict.fromkeys(_VERSION_TEXTS, TEXT) | {"number": {"type": "integer"}, "aliases": {"type": "array", "items": TEXT}}
        ),
    }


def _of_patterns() -> dict[str, Json]:
    """What models of chart patterns answer."""
    who = dict.fromkeys(("model", "version", "digest"), TEXT)
    classification = {
        "pattern": TEXT,
        "probabilities": {"type": "object", "additionalProperties": FINITE},
        "quality": FINITE,
        "pole_kATR": FINITE,
        "embed": {"type": "array", "items": FINITE},
    }
    neighbour = dict.fromkeys(("open_time", "known_at"), TIME) | dict.fromkeys(("cosine", "quality", "realised_R"), FINITE)
    neighbours = {"type": "array", "items": object_of(neighbour | {"pattern": TEXT})}
    judged = dict.fromkeys(("sim_conf", "hist_rr_pct"), FINITE)
    return {
        "Classification": object_of(who | classification),
        "Neighbours": object_of(who | judged | {"neighbours": neighbours}),
    }


__all__ = ["FINITE", "TEXT", "TIME", "Json", "object_of", "ref", "schemas"]
