"""What may be asked next: OpenAPI's links, which lead from an answer to further requests, with the names that those need."""

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_MODEL = "/v1/models/{model}"
_PARAMETER = re.compile(r"{([a-z]+)}")


def with_links(paths: Json) -> Json:
    """`paths`, whose answers say what they lead to: from the models to what each takes, and a stream from its first bar to its end."""
    first, number = {"model": "$response.body#/models/0"}, {"version": "$response.body#/versions/0/version"}
    linked = {
        ("/v1/models", "get"): {"about": _to(_MODEL, "get", first), "schema": _to(f"{_MODEL}/schema", "get", first)},
        (f"{_MODEL}/versions", "get"): {"version": _to(f"{_MODEL}/versions/{{version}}", "get", number)},
    }
    for model in (_MODEL, f"{_MODEL}/versions/{{version}}"):
        stream = f"{model}/streams/{{stream}}"
        push, drop = _to(f"{stream}/bars", "post"), _to(stream, "delete")
        linked[f"{stream}/bars", "post"] = {"status": _to(stream, "get"), "push": push, "drop": drop}
        linked[stream, "get"] = {"push": push, "drop": drop}
    found = dict(paths)
    for (path, method), links in linked.items():
        found[path] = found[path] | {method: _with(found[path][method], links)}
    return found


def _to(path: str, method: str, said: Mapping[str, str] | None = None) -> Json:
    """A link to a route. said : where the answer has a name that the route needs; the others are those of the request."""
    said = said or {}
    pointer = path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
    names = {name: said.get(name, f"$request.path.{name}") for name in _PARAMETER.findall(path)}
    return {"operationRef": f"#/paths/{pointer}/{method}", "parameters": names}


def _with(operation: Json, links: Json) -> Json:
    """A copy, since routes with and without a version share theirs."""
    responses = operation["responses"]
    return operation | {"responses": responses | {"200": responses["200"] | {"links": links}}}


__all__ = ["with_links"]
