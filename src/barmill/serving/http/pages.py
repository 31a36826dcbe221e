"""A FastAPI application beside the hot routes: documentation, and what an operator may do. Asked behind the same limits and keys."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict

from barmill.errors import BarmillError
from barmill.serving.http.bodies import AliasBody
from barmill.serving.http.openapi import Json, document
from barmill.serving.http.statuses import as_refusal, refused
from barmill.serving.http.strict_json import StrictJson
from barmill.serving.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Management:
    """What an operator may do with a model, by name. All raise Refusal; none takes bytes or paths from a request.

    assign : gives an alias of a model to a version, None for nobody, for a share, None where none was said
    """

    load: Callable[[str], None]
    unload: Callable[[str], None]
    assign: Callable[[str, str, str | None, float | None], None]


class Parameters(BaseModel):
    """Of loading and unloading; a model's files, which Triton takes here, are never taken from a request."""

    model_config = ConfigDict(extra="forbid", strict=True)
    unload_dependents: bool = False


class RepositoryBody(BaseModel):
    """A request to load or to unload."""

    model_config = ConfigDict(extra="forbid", strict=True)
    parameters: Parameters = Parameters()


_alias_body = StrictJson[AliasBody](AliasBody, lambda body: 1 + (body.share is not UNSET)).decode


def make_pages(management: Management | None) -> FastAPI:
    """The application. management : None where models are not loaded or unloaded over HTTP, nor aliases given"""
    app = FastAPI(title="Barmill", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(BarmillError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)

    @app.get("/openapi.json")
    async def openapi() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(orjson.dumps(document()), media_type="application/json")

    @app.get("/docs")
    async def docs() -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        return HTMLResponse(_page(document()), headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})

    def managed() -> Management:
        if management is None:
            mend = "Start the server with --manage; or publish to its folder of models, and give aliases in its configuration."
            found = "models are not loaded or unloaded over HTTP here, nor aliases given"
            raise Refusal("forbidden", "management_off", "path", found, mend=mend)
        return management

    @app.post("/v2/repository/models/{name}/load")
    async def load(name: str, body: RepositoryBody | None = None) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        del body
        await run_in_threadpool(managed().load, name)
        return {}

    @app.post("/v2/repository/models/{name}/unload")
    async def unload(name: str, body: RepositoryBody | None = None) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        del body
        await run_in_threadpool(managed().unload, name)
        return {}

    @app.put("/v1/models/{name}/aliases/{alias}")
    async def assign(name: str, alias: str, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        body = _alias_body(await request.body())
        share = None if body.share is UNSET else body.share
        await run_in_threadpool(managed().assign, name, alias, body.version, share)
        return {}

    @app.delete("/v1/models/{name}/aliases/{alias}")
    async def take_away(name: str, alias: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        await run_in_threadpool(managed().assign, name, alias, None, None)
        return {}

    return app


async def _told(_request: Request, error: Exception) -> Response:
    reply = refused(as_refusal(error) if isinstance(error, BarmillError) else Refusal("failed", "failed", "", "something went wrong"))
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return await _told(request, Refusal("malformed", "malformed_json", "body", "is no JSON"))
    place = ".".join(str(step) for step in first["loc"][1:]) or "body"
    return await _told(request, Refusal("invalid", "invalid_body", place, str(first["msg"]).lower()))


def _page(told: Json) -> str:
    """The document as a page that needs nothing from elsewhere: every route, its statuses and examples."""
    rows: list[str] = []
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            statuses = ", ".join(operation["responses"])
            said = html.escape(f"{operation['summary']}. {operation.get('description', '')}")
            rows.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{said}</p><p>Answers: {statuses}</p>")
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in content.get("examples", {}).items():
                text = orjson.dumps(example["value"], option=orjson.OPT_INDENT_2).decode()
                rows.append(f"<details><summary>Example: {html.escape(name)}</summary><pre>{html.escape(text)}</pre></details>")
    style = "body{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}h2{font-size:1rem;margin-top:2rem}pre{overflow:auto}"
    about = html.escape(f"{told['info']['summary']} {told['info']['description']}")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Barmill</title><style>{style}</style>'
    return f'{head}<h1>Barmill {told["info"]["version"]}</h1><p>{about} <a href="/openapi.json">openapi.json</a></p>{"".join(rows)}</html>'


__all__ = ["Management", "make_pages"]
