"""From a path to what answers it: one split, one look-up, and the names in it checked before anything else sees them."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from barmill.serving.answers import Ask
from barmill.serving.http.keys import Principal, Scope
from barmill.serving.http.limits import Headers
from barmill.serving.http.statuses import Reply, RimRefusal
from barmill.serving.refusals import Refusal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")

KEPT_PATHS = 20_000  # whose route is remembered: those that a client sends again and again
PREDICT = ":predict"
REPOSITORY = "/v2/repository/models/"


class Request(NamedTuple):
    """A request whose path, key and size were looked at, and whose body was read."""

    path: str
    model: str | None
    version: str | None
    stream: str
    headers: Headers
    body: bytes
    principal: Principal
    request_id: str
    deadline: float

    @property
    def ask(self) -> Ask:
        return Ask(self.model, self.version, self.deadline, self.request_id, self.principal.name, self.headers.model_revision)


class Work(NamedTuple):
    """What is left to do. inline : it is so little that the event loop waits for it; else a thread does it."""

    inline: bool
    call: Callable[[], Reply]


class Endpoint(NamedTuple):
    """What answers one method of one route.

    prepare : reads the body and says what is to be done, on the event loop unless the body is large; None for what a page answers
    scope : that a key must have; None for what anybody may ask
    body : whether there is one
    """

    prepare: Callable[[Request], Work] | None
    scope: Scope | None = None
    body: bool = False


class Found(NamedTuple):
    """A route, and the names in its path."""

    methods: Mapping[str, Endpoint]
    model: str | None = None
    version: str | None = None
    stream: str = ""


Routes = Mapping[str, Mapping[str, Endpoint]]


class Router:
    """Routes by pattern, such as "/v1/health" or "/v1/models/*/streams/*/bars"; a version may stand in each after the model."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._known: dict[str, Found] = {}

    def find(self, path: str, method: str) -> tuple[Found, Endpoint]:
        """The route and endpoint of a path. Raises Refusal: not found, or 405 with the methods that there are."""
        found = self._known.get(path)
        if found is None:
            found = self._parse(path)
            if len(self._known) < KEPT_PATHS:
                self._known[path] = found
        endpoint = found.methods.get(method)
        if endpoint is None:
            allowed = ", ".join(sorted(found.methods))
            raise RimRefusal(405, "not_found", "method_not_allowed", "method", f"{method[:16]} is not spoken here", expected=allowed)
        return found, endpoint

    def _parse(self, path: str) -> Found:
        methods = self._routes.get(path)
        if methods is not None and "*" not in path:
            return Found(methods)
        parts = path.split("/")
        if path.startswith(REPOSITORY) and len(parts) == 6:
            return self._found(f"{REPOSITORY}*/{parts[5]}", parts[4], None, "")
        if len(parts) < 4 or parts[2] != "models":
            raise _no_route()
        model, rest = parts[3], parts[4:]
        if model.endswith(PREDICT) and not rest:
            model, rest = model.removesuffix(PREDICT), [PREDICT]
        version: str | None = None
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
        stream = ""
        if len(rest) >= 2 and rest[0] == "streams":
            stream, rest = rest[1], ["streams", "*", *rest[2:]]
        if version is not None and rest[:1] in ([PREDICT], ["aliases"]):
            raise _no_route()
        if len(rest) == 2 and rest[0] == "aliases":
            rest = ["aliases", "*"]
        return self._found("/".join(["", parts[1], "models", "*", *rest]), model, version, stream)

    def _found(self, pattern: str, model: str, version: str | None, stream: str) -> Found:
        methods = self._routes.get(pattern)
        if methods is None:
            raise _no_route()
        _check_names(model, version, stream if "/streams/" in pattern else None)
        return Found(methods, model, version, stream)


def _check_names(model: str, version: str | None, stream: str | None) -> None:
    if not NAME.fullmatch(model):
        raise Refusal("not_found", "unknown_model", "model", "is no name of a model", mend="/v1/models says which there are.")
    if version is not None and not VERSION.fullmatch(version):
        mend = "/v1/models/NAME/versions says which there are."
        raise Refusal("not_found", "unknown_version", "model_version", "is no version", mend=mend)
    if stream is not None and not STREAM.fullmatch(stream):
        expected = "letters, digits and _ . : -, at most 128, the first a letter or digit"
        raise Refusal("invalid", "invalid_stream_name", "stream", "is no name of a stream", expected=expected)


def _no_route() -> Refusal:
    return Refusal("not_found", "no_route", "path", "is none of this server", mend="/docs and /openapi.json say which there are.")


__all__ = ["NAME", "STREAM", "VERSION", "Endpoint", "Found", "Request", "Router", "Routes", "Work"]
